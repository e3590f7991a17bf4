"""Defines a calibrated camera, and checks what files say about one.

All modules of `calibrations` make their cameras with `checked_camera`.
"""

import dataclasses
import os

import cv2
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.geometry.field_of_view import MAX_VIEW_DEG, impossible_view
from prohmr_jax.geometry.lenses import COMMON_COUNTS, FISHEYE_COUNT, Lens

# Largest skew that counts as none, as a share of the focal length: the project's
# cameras have no skew.
_MAX_SKEW = 1e-3
# The pixels of anamorphic pictures are up to twice as wide as high.
_MAX_FOCAL_RATIO = 3.0
# Pictures of fisheye lenses show more than those of other lenses.
_MAX_FISHEYE_DEG = 170.0


@dataclasses.dataclass(frozen=True)
class CalibratedCamera:
    """Holds a calibrated camera: x_camera = rotation x_world + translation."""

    intrinsics: np.ndarray
    """Matrix K [3, 3], pixels of the photo."""
    rotation: np.ndarray
    """Rotation matrix R [3, 3] from world axes to camera axes."""
    translation: np.ndarray
    """Translation t [3], metres, camera axes."""
    lens: Lens | None = None
    """Lens whose distortion has to be undone; None for a pinhole camera."""
    image_size: tuple[int, int] | None = None
    """(width, height) of the pictures, pixels; None if the file does not say."""

    def content(self) -> bytes:
        """Returns all numbers of the camera as bytes, for digests."""
        arrays = [self.intrinsics, self.rotation, self.translation]
        if self.lens is not None:
            arrays += [self.lens.coefficients, self.lens.is_fisheye]
        arrays += [] if self.image_size is None else [self.image_size]
        return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def checked_camera(
    path: str | os.PathLike,
    name: str,
    *,
    intrinsics: object,
    rotation: object,
    translation: object,
    distortion: object = (),
    is_fisheye: bool = False,
    image_size: tuple[int, int] | None = None,
) -> CalibratedCamera:
    """Returns a camera after checking what a file says about it.

    Args:
      path: the file, for messages.
      name: name of the camera, for messages.
      intrinsics: matrix K, 3 x 3 numbers.
      rotation: matrix R, 3 x 3 numbers, or Rodrigues' vector of 3 numbers, radians.
      translation: t, 3 numbers, metres.
      distortion: OpenCV's coefficients of the lens; empty or zeros for none.
      is_fisheye: whether they are those of OpenCV's fisheye model.
      image_size: (width, height) of the pictures, pixels, if the file says it.

    Raises:
      InputError: something is missing, is not finite, or describes no camera.
    """
    fault = _Fault(path, name)
    matrix = fault.numbers("K", intrinsics, (3, 3))
    vector = fault.numbers("t", translation, (3,))
    turned = fault.numbers("R", rotation, None)
    if turned.size == 3:
        turned, _ = cv2.Rodrigues(turned.reshape(3))
    elif turned.shape != (3, 3):
        raise fault("R is not finite numbers of shape (3, 3)")
    if not np.allclose(turned @ turned.T, np.eye(3), atol=1e-3):
        raise fault("R is not a rotation matrix")
    if np.linalg.det(turned) < 0:
        raise fault("R is a reflection")
    if not min(matrix[0, 0], matrix[1, 1]) > 0:
        raise fault("K has no positive focal length")
    pinhole = np.diag(np.diagonal(matrix))
    pinhole[:2, 2], pinhole[2, 2] = matrix[:2, 2], 1.0
    if not np.allclose(matrix, pinhole, atol=_MAX_SKEW * matrix[0, 0]):
        raise fault("K has a skew, or its last row is not 0 0 1")
    _require_possible_view(fault, pinhole, image_size, is_fisheye)
    if not 1 / _MAX_FOCAL_RATIO < matrix[0, 0] / matrix[1, 1] < _MAX_FOCAL_RATIO:
        raise fault(
            f"K has focal lengths of {matrix[0, 0]:g} and {matrix[1, 1]:g} pixels, "
            "which no camera has"
        )
    lens = _lens(fault, pinhole, distortion, is_fisheye)
    arrays = (array.astype(np.float32) for array in (pinhole, turned, vector))
    return CalibratedCamera(*arrays, lens, image_size)


def _lens(
    fault: "_Fault", intrinsics: np.ndarray, distortion: object, is_fisheye: bool
) -> Lens | None:
    """Returns the lens of a camera, or None if nothing has to be undone."""
    coefficients = fault.numbers("distortion", distortion, None).ravel()
    counts = (FISHEYE_COUNT,) if is_fisheye else COMMON_COUNTS
    # Coefficients that follow are of models that are not read, unless they are zero.
    if not np.any(coefficients[max(counts) :]):
        coefficients = coefficients[: max(counts)]
    if len(coefficients) == 2 and not is_fisheye:
        coefficients = np.pad(coefficients, (0, 2))  # k1 and k2 alone
    if len(coefficients) not in counts:
        expected = ", ".join(str(count) for count in counts if count)
        raise fault(
            f"has {len(coefficients)} coefficients of distortion; of OpenCV's models, "
            f"those with {expected} are read"
        )
    lens = Lens(intrinsics, coefficients, is_fisheye)
    return None if lens.is_pinhole else lens


def _require_possible_view(
    fault: "_Fault",
    intrinsics: np.ndarray,
    image_size: tuple[int, int] | None,
    is_fisheye: bool,
) -> None:
    """Refuses a focal length that no camera has for the size of its pictures.

    Without a size, the principal point is taken for the middle.
    """
    side = float(max(image_size or 2.0 * intrinsics[:2, 2]))
    if side <= 0:
        return
    max_deg = _MAX_FISHEYE_DEG if is_fisheye else MAX_VIEW_DEG
    what = impossible_view(intrinsics[0, 0], side, max_deg=max_deg)
    if what:
        raise fault(f"a focal length (K) of {intrinsics[0, 0]:g} pixels {what}")


class _Fault:
    """Makes the errors of one camera; calling it returns the error to raise."""

    def __init__(self, path: str | os.PathLike, name: str):
        self._path, self._name = path, name

    def __call__(self, what: str) -> InputError:
        return InputError(self._path, f"camera {self._name}: {what}")

    def numbers(
        self, what: str, value: object, shape: tuple[int, ...] | None
    ) -> np.ndarray:
        """Returns a value as float64; `shape` may differ by axes of length 1."""
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise self(f"does not have {what} as numbers") from None
        expected = "" if shape is None else f" of shape {shape}"
        if not np.isfinite(array).all() or (shape and array.shape != shape):
            raise self(f"{what} is not finite numbers{expected}")
        return array
