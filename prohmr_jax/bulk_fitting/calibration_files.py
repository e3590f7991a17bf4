"""Calibrated cameras, as users give them: K in pixels, R and t in metres."""

import dataclasses
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.json_text import read_json

# Of the focal length; cameras of the project have none.
_MOST_SKEW = 1e-3


@dataclasses.dataclass(frozen=True)
class KnownCamera:
    """A calibrated camera: x_camera = rotation x_world + translation."""

    intrinsics: np.ndarray
    """[3, 3], K, pixels of the photo."""
    rotation: np.ndarray
    """[3, 3]."""
    translation: np.ndarray
    """[3], metres."""


def read_cameras(path: Path) -> dict[str, KnownCamera]:
    """Returns the cameras of a file by name; none where there is no file."""
    return parse_cameras(path, read_json(path)) if path.exists() else {}


def parse_cameras(path: Path, content: object) -> dict[str, KnownCamera]:
    """Returns the cameras of `{name: {"K", "R", "t"}}`.

    Args:
      path: what messages name.
      content: parsed JSON.

    Raises:
      InputError: these are no cameras.
    """
    if not isinstance(content, dict):
        raise InputError(path, "does not hold cameras by name")
    return {name: _parse_camera(path, name, of) for name, of in content.items()}


def _parse_camera(path: Path, name: str, content: object) -> KnownCamera:
    shapes = {"K": (3, 3), "R": (3, 3), "t": (3,)}
    try:
        arrays = [np.asarray(content[key], np.float64) for key in shapes]
    except (KeyError, TypeError, ValueError):
        raise InputError(path, f"camera {name} has not K, R and t of numbers") from None
    for array, (key, shape) in zip(arrays, shapes.items(), strict=True):
        if array.shape != shape or not np.isfinite(array).all():
            raise InputError(path, f"camera {name}: {key} is not {list(shape)} numbers")
    intrinsics, rotation, translation = (a.astype(np.float32) for a in arrays)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise InputError(path, f"camera {name}: R is no rotation")
    if np.linalg.det(rotation) < 0:
        raise InputError(path, f"camera {name}: R is a reflection")
    if not min(intrinsics[0, 0], intrinsics[1, 1]) > 0:
        raise InputError(path, f"camera {name}: K has no focal length")
    pinhole = np.diag(np.diagonal(intrinsics))
    pinhole[:2, 2], pinhole[2, 2] = intrinsics[:2, 2], 1.0
    if not np.allclose(intrinsics, pinhole, atol=_MOST_SKEW * intrinsics[0, 0]):
        raise InputError(path, f"camera {name}: K has a skew, or no last row 0 0 1")
    return KnownCamera(intrinsics, rotation, translation)
