"""Reads the clips of several captures together with their splits.

The tools that build pose banks and the pose prior call it.
"""

from collections.abc import Iterable

from prohmr_jax.errors import InputError
from prohmr_jax.poses.mocap.clips import Clip, read_clips
from prohmr_jax.poses.mocap.splits import Split, split_clips


def read_captures(paths: Iterable[str]) -> tuple[tuple[Clip, Split], ...]:
    """Returns the clips of several captures, each with its split.

    Args:
      paths: prepared NPZ files and folders of original files.

    Raises:
      InputError: a path or a file is missing or faulty.
    """
    labelled_clips: list[tuple[Clip, Split]] = []
    for path in paths:
        clips = read_clips(path)
        splits = split_clips(clip.name for clip in clips)
        labelled_clips += [(clip, splits[clip.name]) for clip in clips]
    return tuple(labelled_clips)


def training_clips(paths: Iterable[str]) -> tuple[Clip, ...]:
    """Returns the clips of several captures that are not held out for tests.

    Args:
      paths: prepared NPZ files and folders of original files.

    Raises:
      InputError: a path or a file is missing or faulty, or every clip is held out.
    """
    paths = tuple(paths)
    training = tuple(c for c, split in read_captures(paths) if split is Split.TRAIN)
    if not training:
        raise InputError(paths[0], "holds no clip but those held out for tests")
    return training
