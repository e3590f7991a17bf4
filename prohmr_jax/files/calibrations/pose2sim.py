"""Reads Pose2Sim's `Calib.toml`, whose form anipose and Caliscope share.

Each table is a camera: `matrix`, `distortions` of OpenCV (k1 k2 p1 p2, k3), `rotation`
(Rodrigues' vector) and `translation` from world to camera, `size` of the pictures and
`fisheye`. Pose2Sim's translations are in metres.
"""

import tomllib
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera, checked_camera

_KEYS = ("matrix", "rotation", "translation")


def read_pose2sim_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a file by name.

    Raises:
      InputError: the file is no TOML, or holds no cameras.
    """
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits as well
        raise InputError(path, f"is not TOML: {str(error)[:100]}") from error
    tables = {
        str(table.get("name", key)): table
        for key, table in content.items()
        if isinstance(table, dict) and set(_KEYS) & set(table)
    }
    if not tables:
        raise InputError(path, "holds no cameras (tables with matrix and rotation)")
    return {name: _camera(path, name, table) for name, table in tables.items()}


def _camera(path: Path, name: str, table: dict[str, object]) -> CalibratedCamera:
    missing = [key for key in _KEYS if key not in table]
    if missing:
        raise InputError(path, f"camera {name} has no {missing[0]}")
    return checked_camera(
        path,
        name,
        intrinsics=table["matrix"],
        rotation=table["rotation"],
        translation=np.ravel(np.asarray(table["translation"], object)).tolist(),
        distortion=table.get("distortions", ()),
        is_fisheye=table.get("fisheye") is True,
        image_size=_size(table.get("size")),
    )


def _size(value: object) -> tuple[int, int] | None:
    is_size = isinstance(value, list) and len(value) == 2
    is_size = is_size and all(type(v) in (int, float) and 1 <= v < 1e6 for v in value)
    return (int(value[0]), int(value[1])) if is_size else None
