"""Draws frames of a video: bodies over the picture, and beside it from their side."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from prohmr_jax.rendering import colors
from prohmr_jax.rendering.drawing import draw_keypoints, font
from prohmr_jax.rendering.painter import paint
from prohmr_jax.rendering.side_view import SideView
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Perspective, resized_pixels

# Colour of people whom the frame does not show, mixed half with their own.
_FADED = 0.5


@dataclasses.dataclass(frozen=True)
class DrawnPerson:
    """Holds what a frame shows of one person."""

    number: int
    """Number of the person, which chooses the colour."""
    vertices: np.ndarray
    """Vertices [V, 3], metres, camera frame."""
    measured: bool
    """Whether the person was detected in this frame; others are drawn in grey."""
    plausible: bool
    """Whether the body is plausible; the label says who is not."""
    keypoints: np.ndarray | None = None
    """Keypoints [25, 2] to draw, pixels of the video; None to draw none."""
    confidence: np.ndarray | None = None
    """Confidences [25] of the keypoints."""


def frame_picture(
    photo: np.ndarray,
    people: Sequence[DrawnPerson],
    faces: np.ndarray,
    view: Perspective,
    side: SideView,
) -> np.ndarray:
    """Returns the picture of one frame, RGB uint8 [h, w, 3].

    Args:
      photo: picture of the video, RGB uint8 [H, W, 3]; it is scaled to the height of
        the side view.
      people: people of the frame, any number.
      faces: vertex numbers of the triangles, [F, 3].
      view: camera of the video, pixels of the photo.
      side: the view from the side, which stays the same in all frames.
    """
    height = side.size[1]
    scale = height / photo.shape[0]
    width = max(2, round(photo.shape[1] * scale))
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(photo, (width, height), interpolation=shrinks)
    factor = np.array([width / photo.shape[1], scale])
    resized = view.resized(factor)
    meshes = [Mesh(p.vertices, faces, _color(p)) for p in people]
    picture = paint(picture, meshes, resized)
    shown = [p for p in people if p.keypoints is not None and p.measured]
    if shown:
        xy = np.stack([p.keypoints for p in shown])
        confidence = np.stack([p.confidence for p in shown])
        picture = draw_keypoints(picture, resized_pixels(xy, factor), confidence)
    picture = _labelled(picture, people, resized)
    return np.concatenate([picture, side.draw(meshes)], axis=1)


def _color(person: DrawnPerson) -> tuple[float, float, float]:
    color = colors.PEOPLE[person.number % len(colors.PEOPLE)]
    if person.measured:
        return color
    return tuple(_FADED * c + (1 - _FADED) * 0.5 for c in color)


def _labelled(
    picture: np.ndarray, people: Sequence[DrawnPerson], view: Perspective
) -> np.ndarray:
    """Returns the picture with the number of each person above the head."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    letters = font(max(10, picture.shape[0] // 30))
    for person in people:
        points = person.vertices[person.vertices[:, 2] > 0]
        if not len(points):
            continue
        pixels = view.project(points)
        text = str(person.number)
        text += "" if person.measured else " (not seen)"
        text += "" if person.plausible else " (implausible)"
        color = colors.WHITE if person.plausible else colors.WARNING
        at = float(np.median(pixels[:, 0])), float(pixels[:, 1].min()) - 2
        draw.text(
            at, text, color, letters, anchor="mb", stroke_width=2,
            stroke_fill=colors.INK,
        )  # fmt: skip
    return np.asarray(image)
