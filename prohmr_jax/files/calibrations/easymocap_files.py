"""Reads EasyMocap's pair of files: `intri.yml` and `extri.yml`.

For each camera of the list `names`, they have K_NAME, dist_NAME, R_NAME (Rodrigues'
vector) or Rot_NAME (matrix), and T_NAME in metres. Pose2Sim writes such files too, with
the camera's number in place of the name.
"""

from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera, checked_camera
from prohmr_jax.files.calibrations.file_storage import read_file_storage

INTRINSICS_FILE, EXTRINSICS_FILE = "intri.yml", "extri.yml"


def read_easymocap_cameras(folder: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a folder with both files, by name.

    Raises:
      InputError: a file is missing or damaged, or lacks a matrix of a camera.
    """
    intrinsics = read_file_storage(folder / INTRINSICS_FILE)
    extrinsics = read_file_storage(folder / EXTRINSICS_FILE)
    names = extrinsics.get("names")
    if not isinstance(names, list) or not names:
        raise InputError(folder / EXTRINSICS_FILE, 'has no list of "names"')
    cameras = {}
    for number, name in enumerate(map(str, names), start=1):
        path = folder / INTRINSICS_FILE
        matrix = _entry(path, intrinsics, ("K",), name, number)
        distortion = _entry(path, intrinsics, ("dist", "D"), name, number, ())
        size = [
            _entry(path, intrinsics, (side,), name, number, 0) for side in ("W", "H")
        ]
        path = folder / EXTRINSICS_FILE
        cameras[name] = checked_camera(
            path,
            name,
            intrinsics=matrix,
            rotation=_entry(path, extrinsics, ("Rot", "R"), name, number),
            translation=np.ravel(_entry(path, extrinsics, ("T",), name, number)),
            distortion=distortion,
            image_size=tuple(map(int, size))
            if all(_is_side(s) for s in size)
            else None,
        )
    return cameras


def _is_side(value: object) -> bool:
    return isinstance(value, int | float) and 1 <= value < 1e6


def _entry(
    path: Path,
    content: dict[str, object],
    kinds: tuple[str, ...],
    name: str,
    number: int,
    default: object = None,
) -> object:
    """Returns the entry of a camera; its key ends with the name or the number."""
    for kind in kinds:
        for key in (f"{kind}_{name}", f"{kind}_{number}"):
            if key in content:
                return content[key]
    if default is None:
        raise InputError(path, f"has no {kinds[0]}_{name}")
    return default
