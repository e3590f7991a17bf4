"""Files of poses: the widened bank to train on and the clips held out for tests."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Iterable

import numpy as np

from prohmr_jax.data.poses.clips import Clip
from prohmr_jax.data.poses.splits import Split
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import SMPL_24

_POSE_SHAPE = (len(SMPL_24), 3)


@dataclasses.dataclass(frozen=True)
class PoseBank:
    """Poses of SMPL's joints, in no particular order, headings arbitrary."""

    axis_angle: np.ndarray
    """[N, 24, 3] float32, radians, local; joint 0 in a world with Y up."""
    source: np.ndarray
    """[N] uint8: position in `source_names` of how the pose was made."""
    source_names: tuple[str, ...]

    def __len__(self) -> int:
        """Returns the number of poses."""
        return len(self.axis_angle)


@dataclasses.dataclass(frozen=True)
class HeldOutClip:
    """One clip that training never sees."""

    name: str
    split: Split
    axis_angle: np.ndarray
    """[T, 24, 3] float32, radians, local, 30 Hz; joint 0 in a world with Y up."""


def write_pose_bank(path: str | pathlib.Path, bank: PoseBank) -> None:
    """Writes a bank as NPZ (float16: 1e-3 rad at most), atomically."""
    _save(
        path,
        axis_angle=bank.axis_angle.astype(np.float16),
        source=bank.source.astype(np.uint8),
        source_names=np.array(bank.source_names),
    )


def read_pose_bank(path: str | pathlib.Path) -> PoseBank:
    """Returns the bank of a file.

    Raises:
      InputError: not a pose bank, or a pose that is malformed or not finite.
    """
    arrays = _load(path, ("axis_angle", "source", "source_names"), "pose bank")
    axis_angle = _poses(path, "axis_angle", arrays["axis_angle"])
    source, names = arrays["source"], tuple(map(str, arrays["source_names"]))
    if source.shape != axis_angle.shape[:1] or source.dtype != np.uint8:
        raise InputError(path, f"source: {source.dtype} {source.shape} for "
                               f"{len(axis_angle)} poses")
    if source.max() >= len(names):
        raise InputError(path, "source: a number without a name in source_names")
    return PoseBank(axis_angle, source, names)


def write_held_out_clips(
    path: str | pathlib.Path, clips: Iterable[tuple[Clip, Split]]
) -> None:
    """Writes the clips of every split but the training one as NPZ, atomically."""
    held_out = [(c, s) for c, s in clips if s is not Split.TRAIN]
    _save(
        path,
        names=np.array([clip.name for clip, _ in held_out]),
        group=np.array([split.value for _, split in held_out]),
        num_frames=np.array([len(clip.axis_angle) for clip, _ in held_out]),
        axis_angle=np.concatenate([clip.axis_angle for clip, _ in held_out]),
    )


def read_held_out_clips(path: str | pathlib.Path) -> tuple[HeldOutClip, ...]:
    """Returns the held-out clips of a file.

    Raises:
      InputError: not such a file, or its parts do not fit together.
    """
    keys = ("names", "group", "num_frames", "axis_angle")
    arrays = _load(path, keys, "file of held-out clips")
    poses = _poses(path, "axis_angle", arrays["axis_angle"])
    names, groups, lengths = (arrays[key] for key in keys[:3])
    if not names.shape == groups.shape == lengths.shape == (len(names),):
        raise InputError(path, "names, group and num_frames differ in length")
    if lengths.dtype.kind not in "iu" or lengths.sum() != len(poses):
        raise InputError(path, f"num_frames does not add up to {len(poses)} poses")
    parts = np.split(poses, np.cumsum(lengths)[:-1])
    try:
        splits = [Split(str(group)) for group in groups]
    except ValueError as error:
        raise InputError(path, f"group: {error}") from None
    return tuple(
        HeldOutClip(str(name), split, part)
        for name, split, part in zip(names, splits, parts, strict=True)
    )


def _poses(path, key: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f" or values.shape[1:] != _POSE_SHAPE or not len(values):
        raise InputError(
            path, f"{key}: {values.dtype} {values.shape}, expected floats (N, 24, 3)"
        )
    if not np.isfinite(values).all():
        raise InputError(path, f"{key}: a value is not finite")
    return values.astype(np.float32)


def _load(path, keys: tuple[str, ...], what: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            absent = [key for key in keys if key not in archive.files]
            if absent:
                raise InputError(path, f"not a {what}: no array {absent[0]!r}")
            return {key: archive[key] for key in keys}
    except InputError:
        raise
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read") from None
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        raise InputError(path, f"not a {what}: not an NPZ of plain arrays") from None


def _save(path: str | pathlib.Path, **arrays: np.ndarray) -> None:
    path = pathlib.Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
