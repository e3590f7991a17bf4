"""Pictures of results: bodies over the photo, and a sheet of one person's bodies."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.inference.results import PersonResult
from prohmr_jax.rendering.drawing import Window
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.sheet import hypotheses_sheet
from prohmr_jax.rendering.views import Perspective

# The sheet shows the photo around the person: this many sides of the box.
_SURROUNDINGS = 1.15


def draw_overlay(
    results: Sequence[PersonResult],
    photo: np.ndarray | None,
    *,
    longest_side_px: int,
    show_keypoints: bool,
) -> np.ndarray:
    """Returns the modes of all people of a picture, drawn over it.

    Args:
      results: of one body model, at least one.
      photo: [H, W, 3] uint8; None: a plain canvas.
      longest_side_px: larger photos are scaled down.
      show_keypoints: draws the detections too.
    """
    view = _view(results[0])
    keypoints = np.stack([result.keypoints_px for result in results])
    confidence = np.stack([_shown_confidence(result) for result in results])
    picture_of = {"keypoints": keypoints, "confidence": confidence}
    return overlay(
        photo,
        np.stack([_vertices_in(view, result) for result in results]),
        results[0].faces,
        view,
        longest_side=longest_side_px,
        **(picture_of if show_keypoints else {}),
    )


def draw_sheet(
    result: PersonResult,
    meshes: np.ndarray,
    photo: np.ndarray | None,
    *,
    num_shown: int,
    panel_px: int,
) -> np.ndarray:
    """Returns the sheet of a person: detections, mode, draws, spread; two views.

    Args:
      result: the person.
      meshes: [M, V, 3], the first hypotheses in the frame of `result.joints`.
      photo: [H, W, 3] uint8, or None.
      num_shown: draws that get a column of their own.
      panel_px: height of a panel.
    """
    made = result.provenance
    num_draws = len(result.log_prob) - 1
    view, keypoints, crop = _view(result), result.keypoints_px, None
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
        heading=f"{made.source}, person {made.person_index}: "
        f"the mode and {num_draws} samples",
    )


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture [H, W, 3] uint8, atomically; InputError if it cannot."""
    image = Image.fromarray(picture)
    write_atomically(path, lambda stream: image.save(stream, format="PNG"))


def _window(result: PersonResult, photo: np.ndarray, side_px: int) -> Window:
    """The square around the person, moved into the photo where it fits in."""
    extent = np.array(photo.shape[1::-1], float)
    size = min(_SURROUNDINGS * float(result.box_size_px), extent.max())
    low, high = size / 2, np.maximum(extent - size / 2, size / 2)
    # Where the window is wider than the photo, the photo is put in its middle.
    center = np.where(size < extent, np.clip(result.box_center_px + 0.5, low, high),
                      extent / 2)  # fmt: skip
    return Window(tuple((center - 0.5).tolist()), size, side_px)


def _view(result: PersonResult) -> Perspective:
    return Perspective(
        tuple(result.focal_length_px.tolist()),
        tuple(result.principal_point_px.tolist()),
    )


def _vertices_in(view: Perspective, result: PersonResult) -> np.ndarray:
    """Vertices [V, 3] that project in `view` as they do in the result's own camera.

    Without a photo each person has a camera of its own, which looks at the middle of
    the box. A shear and a stretch along the view make up for that; they are nothing
    where the cameras are the same.
    """
    x, y, depth = result.placed_vertices.T
    pixels_aside = result.principal_point_px - view.center
    aside_x, aside_y = pixels_aside / result.focal_length_px
    stretch = view.focal_length[0] / result.focal_length_px[0]
    return np.stack([x + aside_x * depth, y + aside_y * depth, stretch * depth], axis=1)


def _shown_confidence(result: PersonResult) -> np.ndarray:
    """[25]; 0 where the model was not shown the joint either."""
    seen = result.seen(MIN_CONFIDENCE)
    return np.where(seen, result.keypoint_confidence, 0.0)
