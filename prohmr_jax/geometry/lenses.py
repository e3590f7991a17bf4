"""Undoes the distortion of lenses, in keypoints and in photos, on the host.

The models are those of OpenCV (documentation of the modules calib3d and fisheye), with
which calibrations are made. Readers of several views call it, so that all other code
sees pinhole cameras.
"""

import dataclasses

import cv2
import numpy as np

# Numbers of coefficients k1 k2 p1 p2 [k3 [k4 k5 k6]] that the common model can have.
COMMON_COUNTS = (0, 4, 5, 8)
FISHEYE_COUNT = 4
_ITERATIONS = 30
# Of the position of an undistorted point, relative to the focal length.
_DIFFERENCE = 1e-6
_LARGEST_STEP = 0.5
# A point is lost if distorting it again misses it by more, in pixels.
_TOLERANCE_PX = 1e-2


@dataclasses.dataclass(frozen=True)
class Lens:
    """Describes a lens that bends straight lines."""

    intrinsics: np.ndarray
    """Matrix K [3, 3], pixels, without skew."""
    coefficients: np.ndarray
    """OpenCV's coefficients: k1 k2 p1 p2 k3 k4 k5 k6, of which the last can be absent,
    or k1 k2 k3 k4 of a fisheye lens."""
    is_fisheye: bool = False
    """Whether the model is OpenCV's fisheye model (Kannala and Brandt's)."""

    @property
    def is_pinhole(self) -> bool:
        """Returns whether nothing has to be undone."""
        return not self.is_fisheye and not np.any(self.coefficients)


def distort_points(lens: Lens, xy: np.ndarray) -> np.ndarray:
    """Returns where a lens shows points that a pinhole camera would show elsewhere.

    Args:
      lens: the lens.
      xy: positions [*b, 2] in the picture of the pinhole camera with the same K,
        pixels.
    """
    return _to_pixels(lens, _distorted(lens, _from_pixels(lens, xy)))


def undistort_points(lens: Lens, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where a pinhole camera would show points, and which points have a place.

    Newton's method inverts the model of the lens.

    Args:
      lens: the lens.
      xy: positions [*b, 2] in the picture, pixels.

    Returns:
      Positions [*b, 2] in the picture of the pinhole camera with the same K, pixels;
      and whether a point has such a position, [*b]. Points that the lens cannot show,
      or sees at a right angle to its axis and beyond, have none and are returned as
      zeros.
    """
    target = _from_pixels(lens, xy)
    if lens.is_fisheye:
        inverse, has_place = _fisheye_inverse(lens.coefficients, target)
    else:
        inverse, has_place = _newton_inverse(lens, target)
    with np.errstate(all="ignore"):
        error = _to_pixels(lens, _distorted(lens, inverse)) - xy
        has_place = has_place & (np.abs(error).max(axis=-1) < _TOLERANCE_PX)
    pixels = _to_pixels(lens, np.where(has_place[..., None], inverse, 0.0))
    return np.where(has_place[..., None], pixels, 0.0), has_place


def undistort_photo(lens: Lens, photo: np.ndarray) -> np.ndarray:
    """Returns a photo as a pinhole camera with the same K would have taken it.

    Args:
      lens: the lens.
      photo: photo [H, W, 3] uint8; parts that it does not show become black.
    """
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    source = distort_points(lens, np.stack([columns, rows], axis=-1))
    source = source.astype(np.float32)
    return cv2.remap(photo, source[..., 0], source[..., 1], cv2.INTER_LINEAR)


def _focal_and_center(lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    intrinsics = np.asarray(lens.intrinsics, np.float64)
    return np.diagonal(intrinsics)[:2], intrinsics[:2, 2]


def _from_pixels(lens: Lens, xy: np.ndarray) -> np.ndarray:
    focal, center = _focal_and_center(lens)
    return (np.asarray(xy, np.float64) - center) / focal


def _to_pixels(lens: Lens, xy: np.ndarray) -> np.ndarray:
    focal, center = _focal_and_center(lens)
    return xy * focal + center


def _distorted(lens: Lens, xy: np.ndarray) -> np.ndarray:
    """Applies the model of a lens to positions in units of the focal length."""
    if lens.is_fisheye:
        radius = np.linalg.norm(xy, axis=-1, keepdims=True)
        angle = np.arctan(radius)
        distorted = _fisheye_radius(lens.coefficients, angle)
        return xy * np.where(radius > 0, distorted / np.maximum(radius, 1e-12), 1.0)
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(
        np.ravel(lens.coefficients), (0, 8 - np.size(lens.coefficients))
    )
    x, y = xy[..., 0], xy[..., 1]
    square = x * x + y * y
    radial = 1.0 + square * (k1 + square * (k2 + square * k3))
    radial = radial / (1.0 + square * (k4 + square * (k5 + square * k6)))
    tangential_x = 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x)
    tangential_y = p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y
    return np.stack([x * radial + tangential_x, y * radial + tangential_y], axis=-1)


def _newton_inverse(lens: Lens, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the inverse of the common model, and where the model can be inverted."""
    xy = target.copy()
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            jacobian = _jacobian(lens, xy)
            residual = _distorted(lens, xy) - target
            (a, b), (c, d) = np.moveaxis(jacobian, (-2, -1), (0, 1))
            e, f = np.moveaxis(residual, -1, 0)
            step = np.stack([d * e - b * f, a * f - c * e], axis=-1)
            step = step / (a * d - b * c)[..., None]
            length = np.linalg.norm(step, axis=-1, keepdims=True)
            step = step * np.minimum(1.0, _LARGEST_STEP / np.maximum(length, 1e-12))
            xy = xy - np.nan_to_num(step)
        # Beyond the fold of the model, points come back from the border.
        is_regular = np.linalg.det(_jacobian(lens, xy)) > 0
        xy = np.where(np.isfinite(xy), xy, 0.0)
    return xy, is_regular


def _jacobian(lens: Lens, xy: np.ndarray) -> np.ndarray:
    """Returns derivatives [*b, 2, 2] of the distorted position, row by row."""
    columns = []
    for axis in np.eye(2) * _DIFFERENCE:
        change = _distorted(lens, xy + axis) - _distorted(lens, xy - axis)
        columns.append(change / (2.0 * _DIFFERENCE))
    return np.stack(columns, axis=-1)


def _fisheye_radius(coefficients: np.ndarray, angle: np.ndarray) -> np.ndarray:
    square = angle * angle
    k1, k2, k3, k4 = np.ravel(coefficients)
    factor = 1.0 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
    return angle * factor


def _fisheye_inverse(
    coefficients: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the inverse of the fisheye model, and where it is in front of the lens.

    The radius grows with the angle to the axis; bisection finds the angle.
    """
    radius = np.linalg.norm(target, axis=-1)
    low, high = np.zeros_like(radius), np.full_like(radius, np.pi / 2)
    for _ in range(2 * _ITERATIONS):
        middle = (low + high) / 2.0
        is_below = _fisheye_radius(coefficients, middle) < radius
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    angle = (low + high) / 2.0
    in_front = angle < np.pi / 2 - 1e-3
    scale = np.where(radius > 0, np.tan(angle) / np.maximum(radius, 1e-12), 1.0)
    return target * np.where(in_front, scale, 0.0)[..., None], in_front
