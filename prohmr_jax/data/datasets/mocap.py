"""Reads captured poses and shapes, which the discriminator learns to call real.

`modes.train_images` calls it. The official file (`cmu_mocap.npz`) has `body_pose`
[M, 72], of which the first three numbers turn the root and are not used, and `betas`
[M, 10]. Files of older projects call them `pose` and `shape`.
"""

import os

import numpy as np

from prohmr_jax.data.records import MocapArrays
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz
from prohmr_jax.skeleton import SMPL_24

_NUM_BETAS = 10
_NUM_POSE = 3 * (len(SMPL_24) - 1)
_POSE_NAMES, _BETAS_NAMES = ("body_pose", "pose"), ("betas", "shape")
_MAX_MEMBER_BYTES = 1 << 32


def read_mocap(path: str | os.PathLike) -> MocapArrays:
    """Returns the poses and shapes of a file, float32.

    Args:
      path: path of an `.npz` file with `body_pose` or `pose`, [M, 72], or [M, 69]
        without the root, axis-angles in radians; and `betas` or `shape`, [M, 10] or
        more.

    Raises:
      InputError: the file is missing or damaged, holds pickles, no poses, arrays of
        other shapes, or values that are not finite.
    """
    expected = {
        **{name: Expected(("M", "P"), optional=True) for name in _POSE_NAMES},
        **{name: Expected(("M", "S"), optional=True) for name in _BETAS_NAMES},
    }
    arrays = read_npz(path, expected, max_member_bytes=_MAX_MEMBER_BYTES)
    poses = _first(path, arrays, _POSE_NAMES)
    betas = _first(path, arrays, _BETAS_NAMES)
    if poses.shape[1] not in (_NUM_POSE, _NUM_POSE + 3):
        raise InputError(
            path,
            f"its poses have {poses.shape[1]} numbers, not {_NUM_POSE + 3}, or "
            f"{_NUM_POSE} without the root",
        )
    if betas.shape[1] < _NUM_BETAS:
        raise InputError(path, f"its shapes have fewer than {_NUM_BETAS} coefficients")
    if not len(poses):
        raise InputError(path, "holds no poses")
    return MocapArrays(
        body_pose=poses[:, -_NUM_POSE:].astype(np.float32),
        betas=betas[:, :_NUM_BETAS].astype(np.float32),
    )


def _first(
    path: str | os.PathLike, arrays: dict[str, np.ndarray], names: tuple[str, ...]
) -> np.ndarray:
    for name in names:
        if name in arrays:
            return arrays[name]
    raise InputError(path, f"has no array {' or '.join(map(repr, names))}")
