"""Names what the demo writes, so that no two files of a run have the same name."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.types import PersonInPicture


def output_names(files: Sequence[InputFile]) -> list[str]:
    """Returns the beginning of the names of what is written about each file.

    It is the name of the file without the ending, within the folders of the input.

    Args:
      files: all files of a run.
    """
    names: list[str] = []
    for file in files:
        path = PurePosixPath(file.name)
        # A list of files can name some outside its folder.
        parts = [part for part in path.parts if part not in ("/", "..")]
        stem = PurePosixPath(*parts).with_suffix("").as_posix()
        # Two photos may differ in their ending alone.
        whole = path.name.replace(".", "_")
        names.append(_unused([stem, PurePosixPath(stem).with_name(whole)], names))
    return names


def picture_labels(people: Sequence[PersonInPicture]) -> list[str]:
    """Returns what the names of overlays have after the name of the file.

    It is empty if the file is about one picture, and else names the picture.

    Args:
      people: one person of each picture of a file.
    """
    if len(people) == 1:
        return [""]
    labels: list[str] = []
    for person in people:
        frame = person.detection.frame
        stated = person.picture_name or person.detection.image_id or "no_photo"
        stem = PurePosixPath(stated.replace("\\", "/")).stem
        name = stem if frame is None else f"frame{frame:06d}"
        name = re.sub(r"[^\w.-]", "_", name)
        labels.append(_unused([f"_{name}"], labels))
    return labels


def _unused(wanted: Sequence[object], used: Sequence[str]) -> str:
    """Returns the first name that is not used; one with a number if all are."""
    numbered = [f"{wanted[-1]}_{number}" for number in range(2, 2 + len(used) + 1)]
    return next(name for name in map(str, [*wanted, *numbered]) if name not in used)
