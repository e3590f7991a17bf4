"""Reads the project's own JSON: `{"cam0": {"K": ..., "R": ..., "t": ...}, ...}`.

K is in pixels; R and t transform the world to the camera, in metres.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera, checked_camera
from prohmr_jax.files.json_text import read_json

_KEYS = ("K", "R", "t")
# Keys of coefficients of distortion in other programs; they may hold zeros here.
_DISTORTION = ("dist", "distortion", "distCoeffs", "dist_coeffs", "D", "distortions")


def read_own_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a JSON file by name.

    Raises:
      InputError: the file does not hold cameras.
    """
    return parse_own_cameras(path, read_json(path))


def parse_own_cameras(path: Path, content: object) -> dict[str, CalibratedCamera]:
    """Returns the cameras of parsed JSON by name.

    Args:
      path: the file that error messages name.
      content: the parsed JSON.

    Raises:
      InputError: the content does not describe cameras, or says more than is read.
    """
    if not isinstance(content, dict):
        raise InputError(path, "does not hold cameras by name")
    return {name: _parse_camera(path, name, camera) for name, camera in content.items()}


def _parse_camera(
    path: Path, name: str, content: Mapping[str, object]
) -> CalibratedCamera:
    if not isinstance(content, dict) or not set(_KEYS) <= set(content):
        raise InputError(path, f"camera {name} does not have K, R and t as numbers")
    for key in set(content) - set(_KEYS):
        if key not in _DISTORTION:
            raise InputError(
                path,
                f'camera {name} has an unknown key "{key}"; K, R and t are read',
            )
        if not _are_zeros(content[key]):
            raise InputError(
                path,
                f"camera {name} has coefficients of lens distortion ({key}), which are "
                "read in calibrations of OpenCV, Pose2Sim, Qualisys and EasyMocap "
                "alone: use such a file, or undistort the keypoints",
            )
    intrinsics, rotation, translation = (content[key] for key in _KEYS)
    if (
        isinstance(rotation, list)
        and len(rotation) == 3
        and not any(isinstance(row, list) for row in rotation)
    ):
        raise InputError(
            path, f"camera {name}: R is not finite numbers of shape (3, 3)"
        )
    return checked_camera(
        path,
        name,
        intrinsics=intrinsics,
        rotation=rotation,
        translation=translation,
    )


def _are_zeros(value: object) -> bool:
    try:
        return not np.any(np.asarray(value, np.float64))
    except (TypeError, ValueError, OverflowError):
        return False
