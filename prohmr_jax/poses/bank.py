"""Reads and writes files of poses: banks to train on, and clips held out for tests.

The tools that build the files write them; training and evaluation read them.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.skeleton import SMPL_24

_POSES = Expected(("N", len(SMPL_24), 3))


@dataclasses.dataclass(frozen=True)
class PoseBank:
    """Holds poses of SMPL's joints in random order and with random headings."""

    axis_angle: np.ndarray
    """[N, 24, 3] float32, axis-angle rotations relative to the parent joint, radians;
    joint 0 is relative to a world with Y up."""
    source: np.ndarray
    """[N] uint8, position in `source_names` of the method that produced each pose."""
    source_names: tuple[str, ...]
    """Names of the methods that produced the poses."""

    def __len__(self) -> int:
        """Returns the number of poses."""
        return len(self.axis_angle)


@dataclasses.dataclass(frozen=True)
class HeldOutClip:
    """Holds one clip that training never sees."""

    name: str
    """Name of the clip, as in `Clip`."""
    split: Split
    """Reason why the clip is held out."""
    axis_angle: np.ndarray
    """[T, 24, 3] float32, axis-angle rotations relative to the parent joint at 30 Hz,
    radians; joint 0 is relative to a world with Y up."""


def write_pose_bank(path: str | pathlib.Path, bank: PoseBank) -> None:
    """Writes a bank as an NPZ file in one step.

    The poses are stored as float16, which changes an angle by at most 1e-3 radians.

    Args:
      path: file to write.
      bank: the poses.

    Raises:
      InputError: the file cannot be written.
    """
    arrays = {
        "axis_angle": bank.axis_angle.astype(np.float16),
        "source": bank.source.astype(np.uint8),
        "source_names": np.array(bank.source_names),
    }
    write_npz(path, arrays)


def read_pose_bank(path: str | pathlib.Path) -> PoseBank:
    """Returns the bank in a file that `write_pose_bank` wrote.

    Raises:
      InputError: the file is no pose bank, or a pose is malformed or not finite.
    """
    expected = {
        "axis_angle": _POSES,
        "source": Expected(("N",), "integer"),
        "source_names": Expected((None,), "text"),
    }
    arrays = read_npz(path, expected)
    axis_angle, source = arrays["axis_angle"], arrays["source"]
    names = tuple(map(str, arrays["source_names"]))
    if not len(axis_angle):
        raise InputError(path, "holds no pose")
    if source.min() < 0 or source.max() >= len(names):
        raise InputError(path, "source holds a number without a name in source_names")
    return PoseBank(axis_angle.astype(np.float32), source.astype(np.uint8), names)


def write_held_out_clips(
    path: str | pathlib.Path, clips: Iterable[tuple[Clip, Split]]
) -> None:
    """Writes the clips that are held out from training as an NPZ file in one step.

    Args:
      path: file to write.
      clips: pairs of a clip and its split; training clips are skipped.

    Raises:
      InputError: the file cannot be written.
    """
    held_out = [(c, s) for c, s in clips if s is not Split.TRAIN]
    poses = [clip.axis_angle for clip, _ in held_out]
    arrays = {
        "names": np.array([clip.name for clip, _ in held_out], dtype=str),
        "group": np.array([split.value for _, split in held_out], dtype=str),
        "num_frames": np.array([len(part) for part in poses], dtype=np.int64),
        "axis_angle": np.concatenate([*poses, np.zeros((0, len(SMPL_24), 3))]),
    }
    arrays["axis_angle"] = arrays["axis_angle"].astype(np.float32)
    write_npz(path, arrays)


def read_held_out_clips(
    path: str | pathlib.Path, splits: Sequence[str] = ()
) -> tuple[HeldOutClip, ...]:
    """Returns the clips in a file that `write_held_out_clips` wrote.

    Args:
      path: path of the file.
      splits: names of the splits whose clips are returned; empty for all.

    Raises:
      InputError: the file is of another kind, its arrays contradict each other, or it
        has no clip of these splits.
    """
    expected = {
        "names": Expected(("clips",), "text"),
        "group": Expected(("clips",), "text"),
        "num_frames": Expected(("clips",), "integer"),
        "axis_angle": _POSES,
    }
    arrays = read_npz(path, expected)
    poses, lengths = arrays["axis_angle"].astype(np.float32), arrays["num_frames"]
    if not len(lengths):
        raise InputError(path, "holds no clip")
    if lengths.min(initial=1) < 1 or lengths.sum() != len(poses):
        raise InputError(path, f"num_frames does not add up to {len(poses)} poses")
    parts = np.split(poses, np.cumsum(lengths)[:-1])
    known = {split.value: split for split in Split}
    unknown = sorted(set(map(str, arrays["group"])) - set(known))
    if unknown:
        raise InputError(path, f"group holds the unknown split {unknown[0]!r}")
    clips = tuple(
        HeldOutClip(str(name), known[str(group)], part)
        for name, group, part in zip(
            arrays["names"], arrays["group"], parts, strict=True
        )
        if not splits or str(group) in splits
    )
    if splits and not clips:
        raise InputError(path, f"has no clip of the splits {', '.join(splits)}")
    return clips
