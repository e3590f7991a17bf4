"""Draws bodies over the photo that they were predicted from."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from prohmr_jax.rendering import colors
from prohmr_jax.rendering.drawing import (
    compose,
    draw_keypoints,
    fit_within,
    plain_canvas,
    require_photo,
)
from prohmr_jax.rendering.raycast import Raster, render
from prohmr_jax.rendering.surface import Mesh, openness
from prohmr_jax.rendering.views import Perspective, View, resized_pixels

# Share of the photo that shines through a body, except near its outline.
_TRANSPARENCY = 0.09


def overlay(
    photo: np.ndarray | None,
    vertices: np.ndarray,
    faces: np.ndarray,
    view: View,
    *,
    keypoints: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    person_colors: Sequence[tuple[float, float, float]] = colors.PEOPLE,
    longest_side: int | None = 1280,
) -> np.ndarray:
    """Returns the photo with bodies drawn over it, the nearer ones in front.

    Args:
      photo: RGB uint8 [H, W, 3]; None for a plain canvas around the keypoints, or
        around the bodies if there are no keypoints.
      vertices: bodies of one person [V, 3] or of P people [P, V, 3], metres, camera
        frame.
      faces: vertex numbers of the triangles, [F, 3].
      view: camera of the photo.
      keypoints: detections [25, 2] or [P, 25, 2], BODY_25, photo pixels, which are
        drawn as thin bones; None for no detections.
      confidence: confidence of the keypoints, [25] or [P, 25]; those at 0 are not
        drawn. None draws all of them.
      person_colors: sRGB colours in [0, 1], one per person, repeated if there are more
        people.
      longest_side: length of the longer side to which larger photos are scaled down,
        pixels; None keeps every size.

    Returns:
      RGB uint8 of the photo's shape, or smaller because of `longest_side`.

    Raises:
      ValueError: the photo is not RGB uint8, or there is nothing to show.
    """
    vertices = np.asarray(vertices, float)
    people = vertices.reshape(-1, *vertices.shape[-2:])
    if keypoints is not None and confidence is None:
        confidence = np.ones(np.shape(keypoints)[:-1])
    if photo is None:
        points = _points_to_show(people, view, keypoints, confidence)
        photo, scale, corner = plain_canvas(points, longest_side)
        view = view.shifted(corner)
        keypoints = None if keypoints is None else keypoints - corner
    else:
        require_photo(photo)
        full_height, full_width = photo.shape[:2]
        photo = fit_within(photo, longest_side)
        scale = np.array([photo.shape[1] / full_width, photo.shape[0] / full_height])
    picture = _draw_bodies(photo, people, faces, view.resized(scale), person_colors)
    if keypoints is not None:
        xy = resized_pixels(keypoints, scale)
        picture = draw_keypoints(picture, xy, confidence)
    return picture


def _draw_bodies(picture, people, faces, view, person_colors) -> np.ndarray:
    """Returns the picture [H, W, 3] with people [P, V, 3] drawn over it."""
    meshes = [
        Mesh(
            vertices,
            faces,
            person_colors[person % len(person_colors)],
            openness(vertices, faces),
        )
        for person, vertices in enumerate(people)
    ]
    raster = render(meshes, view, (picture.shape[1], picture.shape[0]))
    alpha = raster.rgba[..., 3] / np.float32(255)
    alpha = alpha * (1 - _TRANSPARENCY * (1 - _outline(raster, len(meshes))))
    return compose(raster.rgba, picture, alpha)


def _outline(raster: Raster, num_meshes: int) -> np.ndarray:
    """Returns [H, W], from 1 on the outline of each mesh to 0 well inside."""
    radius = max(raster.depth.shape) / 300
    outline = np.zeros(raster.depth.shape, np.float32)
    for index in range(num_meshes):
        inside = raster.mesh_index == index
        blurred = Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))
        blurred = blurred.filter(ImageFilter.GaussianBlur(radius))
        # Half of the blur lies outside, so the outline itself has the value 1/2.
        near = 2 * (1 - np.asarray(blurred) / np.float32(255))
        outline[inside] = np.clip(near, 0, 1)[inside]
    return outline


def _points_to_show(people, view, keypoints, confidence) -> np.ndarray:
    """Returns the pixels [N, 2] that a plain canvas must hold."""
    points = np.zeros((0, 2))
    if keypoints is not None:
        points = np.asarray(keypoints, float)[np.asarray(confidence) > 0]
    if not len(points):
        seen = people.reshape(-1, 3)
        if isinstance(view, Perspective):
            seen = seen[seen[:, 2] > 0]
        points = view.project(seen)
    return points
