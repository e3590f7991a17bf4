"""Reads calibrations that programs wrote with OpenCV's class FileStorage.

Names of entries are not fixed. A file holds one camera (`camera_matrix`,
`distortion_coefficients`, R and T), or two as the sample `stereo_calib` writes them
(M1 D1 M2 D2, and R and T from the first to the second), or any number of cameras in
tables or under numbered names (K1 D1 R1 T1, or K_cam0 D_cam0 ...).
"""

import re
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera, checked_camera
from prohmr_jax.files.calibrations.file_storage import read_file_storage

# Field of a camera -> its names, without case, blanks and underscores.
_NAMES = {
    "intrinsics": ("k", "m", "cameramatrix", "camera", "intrinsics", "intrinsic",
                   "intrinsicmatrix", "mtx"),
    "distortion": ("d", "dist", "distortioncoefficients", "distcoeffs", "distortion",
                   "distcoef", "distcoeff", "distortions"),
    "rotation": ("r", "rot", "rotation", "rotationmatrix", "rvec", "rmat"),
    "translation": ("t", "translation", "translationvector", "tvec", "tran"),
    "extrinsics": ("rt", "extrinsics", "extrinsic", "extrinsicmatrix",
                   "extrinsicparameters"),
    "width": ("imagewidth", "width", "w"),
    "height": ("imageheight", "height", "h"),
    "fisheye": ("fisheye", "isfisheye", "fisheyemodel"),
}  # fmt: skip
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names}


def read_opencv_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a file by name; a single one has the name of the file.

    Raises:
      InputError: the file is damaged, or holds no camera with K, R and t.
    """
    return cameras_of(path, read_file_storage(path))


def cameras_of(path: Path, content: dict[str, object]) -> dict[str, CalibratedCamera]:
    """Returns the cameras of the entries of one file, or of several files together.

    Args:
      path: the file, for messages and for the name of a single camera.
      content: the entries by name.

    Raises:
      InputError: there is no camera with K, R and t.
    """
    tables = {n: _fields(v) for n, v in content.items() if isinstance(v, dict)}
    tables = {name: table for name, table in tables.items() if "intrinsics" in table}
    single, numbered = _fields(content), _numbered_fields(content)
    if not tables and "intrinsics" in single:
        tables = {path.stem: single}
    if not tables:
        tables = {n: t for n, t in numbered.items() if "intrinsics" in t}
        if set(tables) == {"1", "2"} and "rotation" in single:
            # The world is the first camera; the files' R1 and R2 rectify pictures.
            tables["1"] |= {"rotation": np.eye(3), "translation": np.zeros(3)}
            keys = ("rotation", "translation")
            tables["2"] |= {key: single[key] for key in keys if key in single}
    if not tables:
        raise InputError(path, "holds no camera matrix")
    return {name: _camera(path, name, table) for name, table in tables.items()}


def _fields(content: dict[str, object]) -> dict[str, object]:
    """Returns the fields of a camera among the entries of a table."""
    fields = {}
    for name, value in content.items():
        field = _FIELD_OF.get(re.sub(r"[\s_]", "", str(name)).lower())
        if field is not None and field not in fields:
            fields[field] = value
    return fields


def _numbered_fields(content: dict[str, object]) -> dict[str, dict[str, object]]:
    """Returns the fields of cameras whose names end with a number or a name."""
    cameras: dict[str, dict[str, object]] = {}
    for key, value in content.items():
        match = re.fullmatch(r"([A-Za-z]+)_?(\d+)", key) or re.fullmatch(
            r"([A-Za-z]+)_(.+)", key
        )
        field = _FIELD_OF.get(match[1].lower()) if match else None
        if field is not None:
            cameras.setdefault(match[2], {}).setdefault(field, value)
    return cameras


def _camera(path: Path, name: str, fields: dict[str, object]) -> CalibratedCamera:
    if "extrinsics" in fields and "rotation" not in fields:
        matrix = np.asarray(fields["extrinsics"])
        if matrix.shape not in ((3, 4), (4, 4)):
            raise InputError(path, f"camera {name}: its extrinsics are not 3 x 4")
        fields = {**fields, "rotation": matrix[:3, :3], "translation": matrix[:3, 3]}
    missing = [
        symbol
        for symbol, field in (("R", "rotation"), ("t", "translation"))
        if field not in fields
    ]
    if missing:
        raise InputError(path, f"camera {name} has no {' and no '.join(missing)}")
    sides = [fields.get(side) for side in ("width", "height")]
    try:
        sides = [int(float(side)) for side in sides]
    except (TypeError, ValueError, OverflowError):
        sides = []
    translation = fields["translation"]
    return checked_camera(
        path,
        name,
        intrinsics=fields["intrinsics"],
        rotation=fields["rotation"],
        translation=np.ravel(translation) if np.size(translation) == 3 else translation,
        distortion=fields.get("distortion", ()),
        is_fisheye=str(fields.get("fisheye", 0)).lower() in ("1", "true"),
        image_size=tuple(sides) if sides and min(sides) > 1 else None,
    )
