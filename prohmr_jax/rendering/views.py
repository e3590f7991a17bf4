"""Projects points to the pixels of a picture, and casts rays through pixels."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Perspective:
    """Describes a pinhole camera at the origin of the camera frame."""

    focal_length: tuple[float, float]
    """Focal lengths (fx, fy), pixels."""
    center: tuple[float, float]
    """Principal point (x, y), pixels; (0, 0) is the centre of the first pixel."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns the pixels [..., 2] of points [..., 3] in front of the camera."""
        return points[..., :2] / points[..., 2:] * self.focal_length + self.center

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the origins and directions of rays through pixels, [R, 3] each.

        Args:
          pixels: [R, 2].
          start: depth of the origins, metres; directions have z = 1.
        """
        slope = (pixels - self.center) / np.asarray(self.focal_length)
        directions = np.concatenate([slope, np.ones_like(slope[:, :1])], axis=1)
        return directions * start, directions

    def resized(self, scale: np.ndarray | float) -> "Perspective":
        """Returns the camera of the picture resized by `scale`, a number or (x, y)."""
        return Perspective(*_resized(self.focal_length, self.center, scale))

    def shifted(self, corner: np.ndarray) -> "Perspective":
        """Returns the camera of the part of the picture from pixel `corner` on."""
        return Perspective(self.focal_length, _minus(self.center, corner))


@dataclasses.dataclass(frozen=True)
class Orthographic:
    """Describes a camera with parallel rays along z."""

    pixels_per_metre: tuple[float, float]
    """Scale (x, y)."""
    center: tuple[float, float]
    """Pixel (x, y) that shows x = y = 0 of the camera frame."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns the pixels [..., 2] of points [..., 3]."""
        return points[..., :2] * self.pixels_per_metre + self.center

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the origins and directions of rays through pixels, [R, 3] each.

        Args:
          pixels: [R, 2].
          start: depth of the origins, metres; directions are (0, 0, 1).
        """
        xy = (pixels - self.center) / np.asarray(self.pixels_per_metre)
        origins = np.concatenate([xy, np.full_like(xy[:, :1], start)], axis=1)
        return origins, np.broadcast_to([0.0, 0.0, 1.0], origins.shape)

    def resized(self, scale: np.ndarray | float) -> "Orthographic":
        """Returns the camera of the picture resized by `scale`, a number or (x, y)."""
        return Orthographic(*_resized(self.pixels_per_metre, self.center, scale))

    def shifted(self, corner: np.ndarray) -> "Orthographic":
        """Returns the camera of the part of the picture from pixel `corner` on."""
        return Orthographic(self.pixels_per_metre, _minus(self.center, corner))


View = Perspective | Orthographic


def resized_pixels(pixels: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Returns where pixels [..., 2] are after a picture is resized.

    The outer edge of the picture, half a pixel before the centre of the first pixel,
    stays the outer edge.

    Args:
      pixels: [..., 2].
      scale: factor of the size, a number or (x, y).
    """
    return (np.asarray(pixels) + 0.5) * scale - 0.5


def _resized(pixels_per_unit, center, scale):
    factor = np.asarray(pixels_per_unit) * scale
    return tuple(factor.tolist()), tuple(
        resized_pixels(np.array(center), scale).tolist()
    )


def _minus(center, corner):
    return tuple((np.asarray(center, float) - corner).tolist())
