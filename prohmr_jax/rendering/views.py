"""Cameras for pictures: where points of the camera frame land, and rays back."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Perspective:
    """A pinhole camera at the origin of the camera frame."""

    focal_length: tuple[float, float]
    """(fx, fy), pixels."""
    center: tuple[float, float]
    """Principal point (x, y), pixels; (0, 0) is the centre of the first pixel."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns pixels [..., 2] of points [..., 3] in front of the camera."""
        return points[..., :2] / points[..., 2:] * self.focal_length + self.center

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns origins on the plane z = start, and directions with z = 1."""
        slope = (pixels - self.center) / np.asarray(self.focal_length)
        directions = np.concatenate([slope, np.ones_like(slope[:, :1])], axis=1)
        return directions * start, directions

    def resized(self, scale: np.ndarray | float) -> "Perspective":
        """Returns the camera of the same picture at `scale` (x, y) times its size."""
        return Perspective(*_resized(self.focal_length, self.center, scale))

    def shifted(self, corner: np.ndarray) -> "Perspective":
        """Returns the camera of the part of the picture that starts at `corner`."""
        return Perspective(self.focal_length, _minus(self.center, corner))


@dataclasses.dataclass(frozen=True)
class Orthographic:
    """A camera with parallel rays along z."""

    pixels_per_metre: tuple[float, float]
    """Scale (x, y)."""
    center: tuple[float, float]
    """Pixel (x, y) at which x = y = 0 of the camera frame is seen."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns pixels [..., 2] of points [..., 3]."""
        return points[..., :2] * self.pixels_per_metre + self.center

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns origins on the plane z = start, and directions (0, 0, 1)."""
        xy = (pixels - self.center) / np.asarray(self.pixels_per_metre)
        origins = np.concatenate([xy, np.full_like(xy[:, :1], start)], axis=1)
        return origins, np.broadcast_to([0.0, 0.0, 1.0], origins.shape)

    def resized(self, scale: np.ndarray | float) -> "Orthographic":
        """Returns the camera of the same picture at `scale` (x, y) times its size."""
        return Orthographic(*_resized(self.pixels_per_metre, self.center, scale))

    def shifted(self, corner: np.ndarray) -> "Orthographic":
        """Returns the camera of the part of the picture that starts at `corner`."""
        return Orthographic(self.pixels_per_metre, _minus(self.center, corner))


View = Perspective | Orthographic


def resized_pixels(pixels: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Returns where pixels [..., 2] land when a picture is resized by `scale` (x, y).

    A picture's outer edge, half a pixel before its first centre, stays an edge.
    """
    return (np.asarray(pixels) + 0.5) * scale - 0.5


def _resized(pixels_per_unit, center, scale):
    factor = np.asarray(pixels_per_unit) * scale
    return tuple(factor.tolist()), tuple(
        resized_pixels(np.array(center), scale).tolist()
    )


def _minus(center, corner):
    return tuple((np.asarray(center, float) - corner).tolist())
