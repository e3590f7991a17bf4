"""Crops, resizes and composes pictures, and draws keypoints and text on them.

Pillow draws lines and text. The crops that keep the subpixel place of a person, and
the composition over photos, are written here.
"""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prohmr_jax.rendering.colors import CANVAS
from prohmr_jax.rendering.views import View, resized_pixels
from prohmr_jax.skeleton import BODY_25, BODY_25_BONES

LEFT_BONE = (38, 198, 218)
RIGHT_BONE = (255, 138, 61)
MIDDLE_BONE = (250, 250, 250)
_OUTLINE = (20, 24, 32)


@dataclasses.dataclass(frozen=True)
class Window:
    """Describes a square part of a photo that is shown at another size."""

    center: tuple[float, float]
    """Centre (x, y), photo pixels."""
    size: float
    """Side, photo pixels."""
    side_px: int
    """Side of the picture that shows the window, pixels."""

    def crop(self, photo: np.ndarray) -> np.ndarray:
        """Returns the picture of the window, RGB uint8 [S, S, 3].

        Args:
          photo: RGB uint8 [H, W, 3]; the window is plain where it reaches beyond it.
        """
        low = self._corner() + 0.5
        high = low + self.size
        bounds = np.array([photo.shape[1], photo.shape[0]])
        first = np.clip(np.floor(low), 0, bounds).astype(int)
        last = np.clip(np.ceil(high), 0, bounds).astype(int)
        start = np.floor(low).astype(int)
        canvas = Image.new("RGB", tuple(np.ceil(high).astype(int) - start), CANVAS)
        if (last > first).all():
            part = photo[first[1] : last[1], first[0] : last[0]]
            canvas.paste(Image.fromarray(part), tuple(first - start))
        box = (*(low - start), *(high - start))
        return np.asarray(
            canvas.resize((self.side_px,) * 2, Image.Resampling.BICUBIC, box)
        )

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Returns photo pixels [..., 2] in pixels of the window's picture."""
        return resized_pixels(points - self._corner() - 0.5, self._scale())

    def view(self, photo_view: View) -> View:
        """Returns the camera of the window's picture, given that of the photo."""
        scale = np.full(2, self._scale())
        return photo_view.shifted(self._corner() + 0.5).resized(scale)

    def _corner(self) -> np.ndarray:
        return np.asarray(self.center, float) - self.size / 2

    def _scale(self) -> float:
        return self.side_px / self.size


def require_photo(photo: np.ndarray) -> None:
    """Checks that a picture is [H, W, 3] uint8.

    Raises:
      ValueError: it is not.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ValueError(f"photo is {photo.dtype} {photo.shape}, not uint8 [H, W, 3]")


def fit_within(photo: np.ndarray, longest_side: int | None) -> np.ndarray:
    """Returns the photo [H, W, 3], scaled down if it is too large.

    Args:
      photo: RGB uint8 [H, W, 3].
      longest_side: largest length of the longer side, pixels; None for any length.
    """
    height, width = photo.shape[:2]
    scale = 1 if longest_side is None else min(1, longest_side / max(height, width))
    if scale == 1:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # With the gap, cheap halving does most of the work and the filter the rest.
    full = Image.fromarray(photo)
    return np.asarray(full.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))


def plain_canvas(
    points: np.ndarray, longest_side: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns a plain picture to draw on where the photo itself is not available.

    Args:
      points: photo pixels that the picture must contain, [N, 2].
      longest_side: length of the longer side of the picture, pixels, even if that
        enlarges it; None for the scale of the photo.

    Returns:
      The picture [H, W, 3] uint8, its scale (x, y), and its corner (x, y) in photo
      pixels: photo pixel p is at `resized_pixels(p - corner, scale)`.

    Raises:
      ValueError: there are no points.
    """
    if not len(points):
        raise ValueError("there is no photo, and no keypoint or body is in view")
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    margin = 0.18 * max(*(high - low), 1)
    corner, extent = low - margin, high - low + 2 * margin
    factor = (longest_side or max(extent)) / max(extent)
    width, height = np.maximum(np.rint(extent * factor), 1).astype(int)
    picture = np.full((height, width, 3), CANVAS, np.uint8)
    return picture, np.array([width, height]) / extent, corner


def compose(
    over: np.ndarray,
    under: np.ndarray | tuple[int, int, int],
    alpha: np.ndarray | None = None,
) -> np.ndarray:
    """Returns a picture with an RGBA layer over it, RGB uint8 [H, W, 3].

    Args:
      over: the layer, [H, W, 4] uint8, whose colours are not premultiplied by alpha.
      under: the picture, [H, W, 3] uint8, or one colour [3].
      alpha: opacity [H, W] in [0, 1], instead of the layer's own.
    """
    alpha = over[..., 3] / np.float32(255) if alpha is None else alpha
    alpha = alpha[..., None].astype(np.float32)
    mixed = over[..., :3] * alpha + np.asarray(under, np.float32) * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)


def draw_keypoints(
    picture: np.ndarray,
    xy: np.ndarray,
    confidence: np.ndarray,
    *,
    min_confidence: float = 0.0,
) -> np.ndarray:
    """Returns the picture with keypoints and thin bones between them.

    The left side is blue, the right side orange and the middle white, each with a dark
    outline.

    Args:
      picture: RGB uint8 [H, W, 3].
      xy: keypoints of one or more people, [..., 25, 2], BODY_25, pixels.
      confidence: confidence of the keypoints, [..., 25].
      min_confidence: keypoints at or below this confidence are not drawn.
    """
    people = np.asarray(xy, float).reshape(-1, len(BODY_25), 2)
    seen = np.asarray(confidence).reshape(-1, len(BODY_25)) > min_confidence
    seen &= np.isfinite(people).all(axis=-1)
    width = max(1.8, max(picture.shape[:2]) / 400)
    # Drawing at twice the size and halving smooths the hard edges of Pillow's lines.
    layer = Image.new("RGBA", (2 * picture.shape[1], 2 * picture.shape[0]))
    draw = ImageDraw.Draw(layer)
    for joints, visible in zip(resized_pixels(people, 2.0), seen, strict=True):
        bones = [(a, b) for a, b in BODY_25_BONES if visible[a] and visible[b]]
        dots = np.flatnonzero(visible).tolist()
        for extra, outlined in ((width, True), (0.0, False)):
            for a, b in bones:
                color = _OUTLINE if outlined else _bone_color(a, b)
                thick = round(2 * (width + extra))
                draw.line([*joints[a], *joints[b]], (*color, 255), thick)
            for joint in dots:
                color = _OUTLINE if outlined else _bone_color(joint, joint)
                _dot(draw, joints[joint], 2 * (1.3 * width + extra / 2), color)
    layer = layer.resize(picture.shape[1::-1], Image.Resampling.BOX)
    return compose(np.asarray(layer), picture)


def _bone_color(a: int, b: int) -> tuple[int, int, int]:
    for side, color in (("left_", LEFT_BONE), ("right_", RIGHT_BONE)):
        if any(BODY_25.names[joint].startswith(side) for joint in (a, b)):
            return color
    return MIDDLE_BONE


def _dot(draw, center, radius: float, color) -> None:
    (x, y), r = center, radius
    draw.ellipse([x - r, y - r, x + r, y + r], (*color, 255))


def font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the font that ships with Pillow, `size` pixels high."""
    return ImageFont.load_default(size)
