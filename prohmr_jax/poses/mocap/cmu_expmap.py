"""Reads the CMU capture in its prepared form, the file `cmu_mocap_expmap.npz`.

The file has one array [frames, 117] per clip at about 30 Hz: the translation of the
root, then the axis-angles of 38 joints, as prepared by
chaneyddtt/Convolutional-Sequence-to-Sequence-Model-for-Human-Dynamics. That source
multiplies row vectors, so that its axis-angles are negated here.

In some clips the root turns over for a few frames while the body walks on, because its
angles were averaged across their wrap-around when the file was prepared. Frames whose
pelvis leans by more than 40 degrees, which no action of the file needs, are left out.
So is the T-pose for calibration at the start of every clip, whose root angles are
exactly zero.
"""

import pathlib
import zipfile

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz
from prohmr_jax.poses.mocap.acclaim import METRES_PER_INCH
from prohmr_jax.poses.mocap.cmu_motion import CmuMotion

_METRES_PER_UNIT = METRES_PER_INCH / 0.45

_MAX_LEAN = np.deg2rad(40.0)

_LEG = ("hipjoint", "femur", "tibia", "foot", "toes", "toes_end")
_ARM = ("clavicle", "humerus", "radius", "wrist", "hand", "fingers", "fingers_end",
        "thumb", "thumb_end")  # fmt: skip

EXPMAP_BONES = (
    "root",
    *("l" + part for part in _LEG),
    *("r" + part for part in _LEG),
    "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head", "head_end",
    *("l" + part for part in _ARM),
    *("r" + part for part in _ARM),
)  # fmt: skip
"""Names, in the original skeleton, of the 38 joints of the file."""


def read_expmap(path: str | pathlib.Path) -> dict[str, CmuMotion]:
    """Returns every clip of the file by its name `<action>__<clip>`, in file order.

    Raises:
      InputError: the file is of another kind, or a clip has another shape, a value
        that is not finite, or no frame with an upright body.
    """
    num_joints = len(EXPMAP_BONES)
    expected = {"skeleton_parents": Expected((num_joints,), "integer")}
    expected |= {
        name: Expected((None, 3 + 3 * num_joints)) for name in _clip_names(path)
    }
    arrays = read_npz(path, expected)
    parents = arrays.pop("skeleton_parents")
    if any(not -1 <= parent < joint for joint, parent in enumerate(parents)):
        raise InputError(path, "skeleton_parents is not a tree with parents first")
    if not arrays:
        raise InputError(path, "holds no clip named <action>__<clip>")
    return {name: _motion(path, name, v, parents) for name, v in arrays.items()}


def _clip_names(path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []  # read_npz then says what is wrong with the file.
    return [m.removesuffix(".npy") for m in members if "__" in m]


def _motion(path, name, values, parents) -> CmuMotion:
    axis_angle = -values[:, 3:].reshape(-1, 3).astype(np.float64)
    local = Rotation.from_rotvec(axis_angle).as_matrix()
    local = local.reshape(len(values), len(EXPMAP_BONES), 3, 3)
    world = np.empty_like(local)
    for joint, parent in enumerate(parents):
        world[:, joint] = (
            local[:, joint] if parent < 0 else world[:, parent] @ local[:, joint]
        )
    taken = (world[:, 0, 1, 1] > np.cos(_MAX_LEAN)) & np.any(values[:, 3:6], axis=1)
    if not taken.any():
        raise InputError(path, f"clip {name!r} has no frame with an upright body")
    position = values[:, :3].astype(np.float64) * _METRES_PER_UNIT
    return CmuMotion(EXPMAP_BONES, world[taken], position[taken])
