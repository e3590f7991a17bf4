"""Reads the sequence files of 3DPW (`.pkl`); their pickles are never executed.

`pw3d` calls it. A file holds the people of one video of T frames. Per person it has
`poses` [T, 72] and `trans` [T, 3] in a world frame, `betas`, `genders`, detections
`poses2d` [T, 3, 18], and whether a frame can be used (`campose_valid`); once it has
the camera, `cam_poses` [T, 4, 4] from world to camera and `cam_intrinsics`. All have
the rate of the photos; `img_frame_ids` belongs to the poses of 60 Hz only.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import NUMPY_TABLE, PickledArray, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle_file
from prohmr_jax.skeleton import OPENPOSE_18, SMPL_24

_NUM_BETAS = 10

# Arrays of each person, and of the camera; T is the number of frames.
_PERSON = {
    "poses": Expected(("T", 3 * len(SMPL_24)), "label"),
    "trans": Expected(("T", 3), "label"),
    "betas": Expected(("S",)),
    "poses2d": Expected(("T", 3, len(OPENPOSE_18)), "label"),
    "campose_valid": Expected(("T",), "label"),
    "jointPositions": Expected(("T", 3 * len(SMPL_24)), "label", optional=True),
}
_CAMERA = {
    "cam_poses": Expected(("T", 4, 4), "label"),
    "cam_intrinsics": Expected((3, 3)),
}


@dataclasses.dataclass(frozen=True)
class Actor:
    """Holds one person of a sequence of T frames."""

    sequence: str
    """Name of the sequence."""
    gender: str
    """Gender of the person, "m" or "f"."""
    pose: np.ndarray
    """Pose, [T, 24, 3], axis-angles in radians; joint 0 turns body axes to world
    axes."""
    translation: np.ndarray
    """Translation of the body, [T, 3], metres, world frame."""
    betas: np.ndarray
    """Shape coefficients, [10]."""
    detections: np.ndarray
    """Detected joints of OPENPOSE_18, [T, 18, 3]: x and y in pixels, confidence."""
    valid: np.ndarray
    """Whether a frame can be used, [T], bool."""
    extrinsics: np.ndarray
    """Matrix [R | t] from world to camera, [T, 3, 4], metres."""
    intrinsics: np.ndarray
    """Intrinsic matrix of the camera, [3, 3], pixels."""
    joints: np.ndarray | None
    """Joints of SMPL_24, [T, 24, 3], metres, world frame; None where the file has
    none."""


def find_sequences(path: str | os.PathLike) -> list[Path]:
    """Returns the sequence files of a folder in order, or the file itself.

    Raises:
      InputError: the folder holds no sequence file.
    """
    path = Path(path)
    files = sorted(path.glob("*.pkl")) if path.is_dir() else [path]
    if not files:
        raise InputError(path, "holds no .pkl files")
    return files


def read_sequence(path: str | os.PathLike) -> list[Actor]:
    """Returns the people of a sequence file, whose pickle is never executed.

    Raises:
      InputError: the file is missing or damaged, asks for other objects than arrays, or
        a field is missing or of another shape, which is named.
    """
    content = unpickle_file(path, NUMPY_TABLE)
    if not isinstance(content, dict):
        raise InputError(path, "is a pickle, but no table of a sequence's arrays")
    poses, genders = content.get("poses"), content.get("genders")
    if not isinstance(poses, list) or not isinstance(genders, list):
        raise InputError(path, "has no list 'poses' or no list 'genders'")
    sequence = _text(content.get("sequence"))
    if sequence is None:
        raise InputError(path, "has no text 'sequence'")
    checker = Checker(path)
    camera = {
        name: _checked(checker, name, name, content.get(name), want)
        for name, want in _CAMERA.items()
    }
    actors = []
    for number in range(len(poses)):
        fields = {}
        for name, want in _PERSON.items():
            column = content.get(name)
            known = isinstance(column, list) and number < len(column)
            if not known and want.optional:
                continue
            label, value = f"{name}[{number}]", column[number] if known else None
            fields[name] = _checked(checker, name, label, value, want)
        gender = _text(genders[number]) if number < len(genders) else None
        if gender not in ("m", "f"):
            raise InputError(path, f"genders[{number}] is neither 'm' nor 'f'")
        if len(fields["betas"]) < _NUM_BETAS:
            raise InputError(path, f"betas[{number}] has fewer than {_NUM_BETAS}")
        actors.append(_actor(sequence, gender, fields, camera))
    return actors


def _checked(
    checker: Checker, name: str, label: str, value: object, want: Expected
) -> np.ndarray:
    try:
        array = to_numpy(value)
    except Refused as error:
        raise InputError(checker.path, f"{label} {error}") from error
    # Shapes are of one person: the number of shape coefficients may differ.
    checker.sizes.pop("S", None)
    checker.check_layout(label, array.shape, array.dtype, want)
    checker.check_values(label, array, want.kind)
    return array


def _text(value: object) -> str | None:
    """Returns a text, which may be a scalar of NumPy; None for anything else."""
    if isinstance(value, PickledArray):
        try:
            array = value.to_numpy()
        except Refused:
            return None
        return str(array) if array.dtype.kind == "U" and not array.shape else None
    return value if isinstance(value, str) else None


def _actor(
    sequence: str,
    gender: str,
    fields: Mapping[str, np.ndarray],
    camera: Mapping[str, np.ndarray],
) -> Actor:
    frames = len(fields["poses"])
    joints = fields.get("jointPositions")
    return Actor(
        sequence=sequence,
        gender=gender,
        pose=fields["poses"].reshape(frames, len(SMPL_24), 3),
        translation=fields["trans"],
        betas=fields["betas"][:_NUM_BETAS],
        detections=np.swapaxes(fields["poses2d"], 1, 2),
        valid=fields["campose_valid"] > 0,
        extrinsics=camera["cam_poses"][:, :3],
        intrinsics=camera["cam_intrinsics"],
        joints=None if joints is None else joints.reshape(frames, len(SMPL_24), 3),
    )
