"""Bodies over the photo they were seen in."""

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

# The photo shines through a body by this share, and less at its outline.
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
    """Returns bodies drawn over the photo, the nearer ones in front.

    Args:
      photo: [H, W, 3] uint8; None: a plain canvas around the keypoints (around the
        bodies if there are none).
      vertices: [V, 3] or [P, V, 3] of P people, metres, camera frame.
      faces: [F, 3].
      view: the photo's camera.
      keypoints: [25, 2] or [P, 25, 2], BODY_25, photo pixels, drawn as thin bones.
      confidence: [25] or [P, 25]; joints at 0 are not drawn; None: all are.
      person_colors: sRGB in [0, 1], one per person, repeated if there are more people.
      longest_side: larger photos are scaled down to this many pixels; None: never.

    Returns:
      RGB uint8, the photo's shape unless that is larger than `longest_side`.

    Raises:
      ValueError: the photo is not RGB uint8, or there is nothing to show at all.
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
    picture = draw_bodies(photo, people, faces, view.resized(scale), person_colors)
    if keypoints is not None:
        xy = resized_pixels(keypoints, scale)
        picture = draw_keypoints(picture, xy, confidence)
    return picture


def draw_bodies(picture, people, faces, view, person_colors) -> np.ndarray:
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
    """Returns [H, W] in [0, 1], 1 on the outline of each mesh, 0 well inside."""
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
