"""Reads motions of DeepMimic's humanoid (Peng et al., 2018) as clips of SMPL's joints.

A file `humanoid3d_<action>.txt` is JSON; its "Frames" hold 44 numbers each: seconds
until the next frame, the position of the root (metres), then quaternions w, x, y, z of
the root and of the joints relative to their parents, and one angle (radians) about z
for each knee and elbow. There X is forward, Y up and Z to the right, and at rest the
humanoid stands with its arms hanging down.
"""

import pathlib

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.json_text import read_json
from prohmr_jax.poses.kinematics import (
    REST_OFFSETS,
    local_rotations,
    shortest_turn,
    to_axis_angle,
    to_rotmat,
    turn,
    world_rotations,
)
from prohmr_jax.poses.mocap.clips import CLIP_RATE_HZ, Clip
from prohmr_jax.skeleton import SMPL_24

# SMPL's left is the humanoid's -Z, and SMPL's forward its X.
_TO_SMPL_AXES = turn("y", -np.pi / 2)

# Joints in the order of a frame, with the numbers that each has.
_NUMBERS = {
    "root": 4, "chest": 4, "neck": 4,
    **{f"{side}_{joint}": count
       for side in ("right", "left")
       for joint, count in (
           ("hip", 4), ("knee", 1), ("ankle", 4), ("shoulder", 4), ("elbow", 1),
       )},
}  # fmt: skip
_ROOT_POSITION = slice(1, 4)
_FIRST_JOINT = 4
_NUM_NUMBERS = _FIRST_JOINT + sum(_NUMBERS.values())

# SMPL's joints that share the rotation of one joint of the humanoid in equal parts. The
# joints of SMPL that are absent stay at rest.
_PARTS = {
    "root": ("pelvis",), "chest": ("spine1", "spine2", "spine3"),
    "neck": ("neck", "head"),
} | {joint: (joint,) for joint in _NUMBERS if "_" in joint}  # fmt: skip


def _rest_corrections() -> np.ndarray:
    """Returns [24, 3, 3], world rotations of SMPL's joints in the humanoid's rest pose.

    They turn thighs, shanks and arms down; all else is alike in both rest poses.
    """
    corrections = np.tile(np.eye(3), (len(SMPL_24), 1, 1))
    for side in ("left", "right"):
        for joint, child in (
            ("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"),
            ("elbow", "wrist"),
        ):  # fmt: skip
            bone = REST_OFFSETS[SMPL_24.index(f"{side}_{child}")]
            downward = shortest_turn(bone, np.array([0.0, -1.0, 0.0]))
            corrections[SMPL_24.index(f"{side}_{joint}")] = downward
        for joint in ("wrist", "hand"):
            hanging = corrections[SMPL_24.index(f"{side}_elbow")]
            corrections[SMPL_24.index(f"{side}_{joint}")] = hanging
    return corrections


_CORRECTIONS = _rest_corrections()


def read_deepmimic(folder: str | pathlib.Path) -> tuple[Clip, ...]:
    """Returns the clips `<action>__<file>` of a folder of `humanoid3d_*.txt`.

    The clips have 30 frames a second, between which the files' frames are interpolated.

    Args:
      folder: for example `pybullet_data/data/motions` of the package pybullet.

    Raises:
      InputError: there is no such file, or one is faulty.
    """
    files = sorted(pathlib.Path(folder).glob("humanoid3d_*.txt"))
    if not files:
        raise InputError(folder, "holds no file humanoid3d_*.txt")
    return tuple(_read_clip(file) for file in files)


def _read_clip(path: pathlib.Path) -> Clip:
    frames = _read_frames(path)
    times = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    # The small margin keeps a last frame that rounding would lose.
    ticks = np.arange(0.0, times[-1] + 1e-6, 1.0 / CLIP_RATE_HZ).clip(max=times[-1])
    turns = np.tile(np.eye(3), (len(ticks), len(SMPL_24), 1, 1))
    start = _FIRST_JOINT
    for joint, count in _NUMBERS.items():
        rotations = _rotations(path, frames[:, start : start + count])
        start += count
        at_ticks = _TO_SMPL_AXES @ Slerp(times, rotations)(ticks).as_matrix()
        axis_angle = to_axis_angle(at_ticks @ _TO_SMPL_AXES.T)
        parts = SMPL_24.indices(*_PARTS[joint])
        turns[:, parts] = to_rotmat(axis_angle / len(parts))[:, None]
    local = local_rotations(world_rotations(turns) @ _CORRECTIONS)
    root = frames[:, _ROOT_POSITION] @ _TO_SMPL_AXES.T
    position = np.stack([np.interp(ticks, times, xyz) for xyz in root.T], axis=-1)
    action = path.stem.split("_")[1]
    return Clip(
        f"{action}__{path.stem}",
        to_axis_angle(local).astype(np.float32),
        position.astype(np.float32),
    )


def _read_frames(path: pathlib.Path) -> Float[np.ndarray, "T n"]:
    content = read_json(path)
    if not isinstance(content, dict) or "Frames" not in content:
        raise InputError(path, 'is no motion of DeepMimic: it has no "Frames"')
    try:
        frames = np.array(content["Frames"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(path, '"Frames" is no table of numbers') from error
    checker = Checker(path)
    expected = Expected((None, _NUM_NUMBERS))
    checker.check_layout('"Frames"', frames.shape, frames.dtype, expected)
    checker.check_values('"Frames"', frames)
    if len(frames) < 2 or (frames[:-1, 0] <= 0.0).any():
        raise InputError(path, "needs two frames or more, each with a duration")
    return frames


def _rotations(path: pathlib.Path, numbers: Float[np.ndarray, "T n"]) -> Rotation:
    """Returns T rotations of n = 4 numbers, a quaternion, or 1, an angle about z."""
    if numbers.shape[-1] == 1:
        return Rotation.from_euler("z", numbers)
    if not numbers.any(axis=-1).all():
        raise InputError(path, "holds a quaternion of zeros")
    return Rotation.from_quat(numbers, scalar_first=True)
