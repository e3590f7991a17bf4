"""All clips of several captures, each with its split."""

from collections.abc import Iterable

from prohmr_jax.errors import InputError
from prohmr_jax.poses.mocap.clips import Clip, read_clips
from prohmr_jax.poses.mocap.splits import Split, split_clips


def read_captures(paths: Iterable[str]) -> tuple[tuple[Clip, Split], ...]:
    """Returns the clips of prepared NPZ files and folders of original files.

    Raises:
      InputError: a path or file is missing or faulty.
    """
    clips: list[tuple[Clip, Split]] = []
    for path in paths:
        found = read_clips(path)
        splits = split_clips(clip.name for clip in found)
        clips += [(clip, splits[clip.name]) for clip in found]
    return tuple(clips)


def training_clips(paths: Iterable[str]) -> tuple[Clip, ...]:
    """Returns the clips of captures that are not held out for tests.

    Raises:
      InputError: as above, or every clip is held out.
    """
    paths = tuple(paths)
    training = tuple(c for c, split in read_captures(paths) if split is Split.TRAIN)
    if not training:
        raise InputError(paths[0], "every clip is held out for tests")
    return training
