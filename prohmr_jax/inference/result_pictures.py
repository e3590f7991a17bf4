"""Draws results: bodies over their photo, and a sheet of one person's hypotheses.

The demo writes both pictures.
"""

from collections.abc import Sequence

import numpy as np

from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.inference.results import PersonResult
from prohmr_jax.rendering.drawing import Window
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.sheet import hypotheses_sheet
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.rendering.warning_mark import mark_with_warning

# Side of the part of the photo that the sheet shows, in sides of the person's box.
_SURROUNDINGS = 1.15


def draw_overlay(
    results: Sequence[PersonResult],
    photo: np.ndarray | None,
    *,
    longest_side_px: int,
    show_keypoints: bool,
) -> np.ndarray:
    """Returns a photo with the modes of its people drawn over it, [h, w, 3] uint8.

    A red frame and text say who is implausible.

    Args:
      results: results of the people, at least one, all with the same body model.
      photo: photo [H, W, 3] uint8, or None for a plain canvas.
      longest_side_px: longest side of the picture, to which larger photos are scaled
        down, pixels.
      show_keypoints: also draws the detected keypoints.
    """
    view = photo_view(results[0])
    keypoints = np.stack([result.keypoints_px for result in results])
    confidence = np.stack([_shown_confidence(result) for result in results])
    detections = {"keypoints": keypoints, "confidence": confidence}
    picture = overlay(
        photo,
        np.stack([vertices_in_view(view, result) for result in results]),
        results[0].faces,
        view,
        longest_side=longest_side_px,
        **(detections if show_keypoints else {}),
    )
    implausible = [
        f"person {result.provenance.person_index}: {result.implausible_reason}"
        for result in results
        if result.is_implausible
    ]
    if not implausible:
        return picture
    return mark_with_warning(picture, "implausible: " + ", ".join(implausible))


def draw_sheet(
    result: PersonResult,
    meshes: np.ndarray,
    photo: np.ndarray | None,
    *,
    num_shown: int,
    panel_px: int,
) -> np.ndarray:
    """Returns a sheet of one person, [h, w, 3] uint8.

    It shows the detections, the mode, samples, and the spread of the samples, from the
    camera's view and from the side.

    Args:
      result: result of the person.
      meshes: vertices [M, V, 3] of the first hypotheses, metres, in the frame of
        `result.joints`.
      photo: photo [H, W, 3] uint8, or None without a photo.
      num_shown: number of samples that have a column of their own.
      panel_px: height of a panel, pixels.
    """
    provenance = result.provenance
    num_samples = len(result.log_prob) - 1
    view, keypoints, crop = photo_view(result), result.keypoints_px, None
    if photo is not None:
        window = _window(result, photo, panel_px)
        view, crop = window.view(view), window.crop(photo)
        keypoints = window.pixels(keypoints)
    placed = meshes + result.translation
    return hypotheses_sheet(
        placed[0],
        placed[1:],
        result.vertex_spread,
        result.faces,
        photo_crop=crop,
        keypoints=keypoints,
        confidence=_shown_confidence(result),
        crop_view=view,
        num_shown=num_shown,
        panel_px=panel_px,
        heading=f"{provenance.source}, person {provenance.person_index}"
        + " (implausible)" * result.is_implausible
        + f": the mode and {num_samples} samples",
    )


def _window(result: PersonResult, photo: np.ndarray, side_px: int) -> Window:
    """Returns the square around the person, moved into the photo where it fits.

    Along an axis where the square is longer than the photo, both have the same middle.
    """
    extent = np.array(photo.shape[1::-1], float)
    size = min(_SURROUNDINGS * float(result.box_size_px), extent.max())
    low, high = size / 2, np.maximum(extent - size / 2, size / 2)
    inside = np.clip(result.box_center_px + 0.5, low, high)
    center = np.where(size < extent, inside, extent / 2)
    return Window(tuple((center - 0.5).tolist()), size, side_px)


def photo_view(result: PersonResult) -> Perspective:
    """Returns the view of the photo's camera of a result, pixels of the photo."""
    return Perspective(
        tuple(result.focal_length_px.tolist()),
        tuple(result.principal_point_px.tolist()),
    )


def vertices_in_view(view: Perspective, result: PersonResult) -> np.ndarray:
    """Returns vertices [V, 3] that project in a view as in the result's own camera.

    Without a photo, every person has a camera that looks at the middle of the person's
    box. A shear and a stretch along the line of sight bring the bodies of several such
    cameras into one picture. If the cameras are equal, the vertices do not change.

    Args:
      view: view of the picture.
      result: result whose placed vertices are returned, metres.
    """
    x, y, depth = result.placed_vertices.T
    pixels_aside = result.principal_point_px - view.center
    aside_x, aside_y = pixels_aside / result.focal_length_px
    stretch = view.focal_length[0] / result.focal_length_px[0]
    return np.stack([x + aside_x * depth, y + aside_y * depth, stretch * depth], axis=1)


def _shown_confidence(result: PersonResult) -> np.ndarray:
    """Returns the confidences [25], with 0 for joints that the model does not use."""
    seen = result.seen(MIN_CONFIDENCE)
    return np.where(seen, result.keypoint_confidence, 0.0)
