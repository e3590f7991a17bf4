"""Reads calibrated cameras from JSON: K in pixels, R and t from world to camera.

`multiview_sources` reads the cameras of its views with it.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.json_text import read_json

# Largest skew that counts as none, as a share of the focal length: the project's
# cameras have no skew.
_MAX_SKEW = 1e-3


@dataclasses.dataclass(frozen=True)
class CalibratedCamera:
    """Holds a calibrated camera: x_camera = rotation x_world + translation."""

    intrinsics: np.ndarray
    """Matrix K [3, 3], pixels of the photo."""
    rotation: np.ndarray
    """Rotation matrix R [3, 3] from world axes to camera axes."""
    translation: np.ndarray
    """Translation t [3], metres, camera axes."""


def read_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a JSON file by name; none if the file does not exist.

    Raises:
      InputError: the file does not hold cameras.
    """
    return parse_cameras(path, read_json(path)) if path.exists() else {}


def parse_cameras(path: Path, content: object) -> dict[str, CalibratedCamera]:
    """Returns the cameras of parsed JSON, `{name: {"K": ..., "R": ..., "t": ...}}`.

    Args:
      path: the file that error messages name.
      content: the parsed JSON.

    Raises:
      InputError: the content does not describe cameras.
    """
    if not isinstance(content, dict):
        raise InputError(path, "does not hold cameras by name")
    return {name: _parse_camera(path, name, camera) for name, camera in content.items()}


def _parse_camera(
    path: Path, name: str, content: Mapping[str, object]
) -> CalibratedCamera:
    shapes = {"K": (3, 3), "R": (3, 3), "t": (3,)}
    try:
        arrays = [np.asarray(content[key], np.float64) for key in shapes]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            path, f"camera {name} does not have K, R and t as numbers"
        ) from None
    for array, (key, shape) in zip(arrays, shapes.items(), strict=True):
        if array.shape != shape or not np.isfinite(array).all():
            raise InputError(
                path, f"camera {name}: {key} is not finite numbers of shape {shape}"
            )
    intrinsics, rotation, translation = (a.astype(np.float32) for a in arrays)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise InputError(path, f"camera {name}: R is not a rotation matrix")
    if np.linalg.det(rotation) < 0:
        raise InputError(path, f"camera {name}: R is a reflection")
    if not min(intrinsics[0, 0], intrinsics[1, 1]) > 0:
        raise InputError(path, f"camera {name}: K has no positive focal length")
    pinhole = np.diag(np.diagonal(intrinsics))
    pinhole[:2, 2], pinhole[2, 2] = intrinsics[:2, 2], 1.0
    if not np.allclose(intrinsics, pinhole, atol=_MAX_SKEW * intrinsics[0, 0]):
        raise InputError(
            path, f"camera {name}: K has a skew, or its last row is not 0 0 1"
        )
    return CalibratedCamera(intrinsics, rotation, translation)
