"""Cuts and resizes pieces of a photo, and knows where their pixels lie in the photo.

All functions run on the host. Positions are in pixels, (0, 0) the centre of the first
one, so that a photo of width W spans [-0.5, W - 0.5].
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, UInt8


@dataclasses.dataclass(frozen=True)
class Placement:
    """Says where a piece of a photo lies in it: `photo = start + scale * piece`."""

    start: np.ndarray
    """[2], (x, y) in the photo of the piece's first pixel's centre."""
    scale: np.ndarray
    """[2], pixels of the photo per pixel of the piece, in x and in y."""

    def to_photo(self, xy: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Returns positions in the photo of positions in the piece."""
        return self.start + self.scale * np.asarray(xy)

    def to_piece(self, xy: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Returns positions in the piece of positions in the photo."""
        return (np.asarray(xy) - self.start) / self.scale


def resized(
    image: UInt8[np.ndarray, "H W 3"], long_side: float
) -> tuple[UInt8[np.ndarray, "h w 3"], Placement]:
    """Returns the photo with its longer side of about `long_side` pixels.

    Smaller pictures are averages over areas, larger ones are interpolated.
    """
    height, width = image.shape[:2]
    factor = long_side / max(height, width)
    size = tuple(max(1, round(side * factor)) for side in (width, height))
    scale = np.array([width, height]) / size
    if size == (width, height):
        return image, Placement(np.zeros(2), scale)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size, interpolation=method)
    return small, Placement((scale - 1.0) / 2.0, scale)


def cut(
    image: UInt8[np.ndarray, "H W 3"], left: int, top: int, size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns a rectangle of a picture that starts inside it, black beyond it.

    Args:
      image: the picture.
      left: first column.
      top: first row.
      size: (height, width) of the rectangle.
    """
    piece = np.zeros((*size, 3), np.uint8)
    inside = image[top : top + size[0], left : left + size[1]]
    piece[: inside.shape[0], : inside.shape[1]] = inside
    return piece


def square(
    image: UInt8[np.ndarray, "H W 3"],
    center: Float[np.ndarray, "2"],
    side: float,
    pixels: int,
) -> tuple[UInt8[np.ndarray, "n n 3"], Placement]:
    """Returns a square of the photo at another size, black outside the photo.

    Args:
      image: the photo.
      center: (x, y) of the square's centre in the photo.
      side: of the square, in pixels of the photo; positive.
      pixels: sides of the result.
    """
    step = side / pixels
    placement = Placement(center - step * (pixels - 1) / 2.0, np.full(2, step))
    # What lies in the square, with a margin for interpolation.
    height, width = image.shape[:2]
    reach = side / 2.0 + 2.0 * max(step, 1.0)
    low = np.clip(np.floor(center - reach), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(center + reach), low + 1, (width, height)).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    if step > 1.0:
        part, inner = resized(part, max(part.shape[:2]) / step)
    else:
        inner = Placement(np.zeros(2), np.ones(2))
    # Pixels of `part` to those of the result, both through the photo.
    scale = inner.scale / step
    shift = (low + inner.start - placement.start) / step
    matrix = np.array([[scale[0], 0.0, shift[0]], [0.0, scale[1], shift[1]]])
    piece = cv2.warpAffine(part, matrix, (pixels, pixels), flags=cv2.INTER_LINEAR)
    return piece, placement
