"""Lists the photos and the files of detections that a run works on.

`people_reader` reads what is listed here, for the demo and for bulk fits.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from prohmr_jax.errors import InputError, one_line
from prohmr_jax.files.detections import holds_detections, read_detections
from prohmr_jax.files.photos import NO_PHOTO, PhotoFinder, is_picture_name

_LIST_SUFFIX = ".txt"
# What runs write, which is no input where they write beside their input.
_OWN_PICTURES = ("_overlay.png", "_sheet.png")
_OWN_FOLDERS = ("overlays", "meshes", "shards")
# A file of this ending is one of detections, whatever it holds.
_CERTAIN_ENDINGS = ("_keypoints.json", ".predictions.json")


@dataclasses.dataclass(frozen=True)
class InputFile:
    """Names one file that people are read from."""

    path: Path
    """Path of a photo, or of a file of detections."""
    name: str
    """Name in results and messages: the path within the input, with slashes; what no
    line of text can hold is escaped."""
    is_photo: bool
    """Whether the people are to be detected in the photo itself."""


def input_files(source: Path, output: Path, finder: PhotoFinder) -> list[InputFile]:
    """Returns the files to work on: those of detections first, then photos.

    A photo that has detections is not listed: the file of the detections is.

    Args:
      source: a photo, a file of detections, a folder of both, which is searched
        together with the folders inside it, or a `.txt` file with the path of a photo
        or of a file of detections on each line, relative to the list.
      output: folder that results are written to; what lies there is no input.
      finder: finds the photos of detections.

    Raises:
      InputError: the path does not exist or holds nothing to work on, or the input is a
        photo and no photo, or another one, is wanted.
    """
    if source.is_dir():
        files = _files_in(source, output)
        names = {path: path.relative_to(source).as_posix() for path in files}
    elif source.suffix.lower() == _LIST_SUFFIX:
        names = {source.parent / name: name for name in _listed_names(source)}
    elif not source.exists():
        raise InputError(source, "no such file or folder")
    else:
        return [_single_file(source, finder)]
    if source.is_dir() and finder.wanted not in ("", NO_PHOTO):
        raise InputError("config.photo", "names one photo, but the input is a folder")
    inputs = [
        InputFile(path, one_line(name), is_picture_name(path))
        for path, name in names.items()
    ]
    files = [file for file in inputs if not file.is_photo]
    photos = [file for file in inputs if file.is_photo]
    photos = [] if finder.wanted == NO_PHOTO else _undetected(photos, files, finder)
    if not files and not photos:
        no_photo = "" if finder.wanted == NO_PHOTO else " and no photo"
        raise InputError(source, "holds no .json file" + no_photo)
    return files + photos


def _single_file(source: Path, finder: PhotoFinder) -> InputFile:
    if not is_picture_name(source):
        return InputFile(source, one_line(source.name), False)
    if finder.wanted:
        what = f'is "{finder.wanted}", but the input is a photo'
        raise InputError("config.photo", what)
    beside = finder.detections_of(source)
    if beside is not None and _tells_of_people(beside):
        return InputFile(beside, one_line(beside.name), False)
    return InputFile(source, one_line(source.name), True)


def _files_in(source: Path, output: Path) -> Iterator[Path]:
    """Yields the `.json` files and pictures in a folder and below, sorted by path."""
    output, beside = output.resolve(), output.resolve() == source.resolve()
    for place, folders, names in os.walk(source, followlinks=True):
        folder = Path(place)
        at_top = beside and folder == source
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and not (at_top and name in _OWN_FOLDERS)
            and (folder / name).resolve() != output
        )
        for path in (folder / name for name in sorted(names)):
            if path.name.startswith(".") or not path.is_file():
                continue
            is_picture = is_picture_name(path)
            own = at_top and path.name.endswith(_OWN_PICTURES)
            if path.suffix.lower() == ".json" or (is_picture and not own):
                yield path


def _undetected(
    photos: Sequence[InputFile], files: Sequence[InputFile], finder: PhotoFinder
) -> list[InputFile]:
    """Returns the photos for which there are no detections in the files."""
    if not photos:
        return []
    detected, others = set(), []
    for file in files:
        photo = finder.photo_named_like(file.path)
        if photo is None:
            others.append(file.path)
        elif _tells_of_people(file.path):
            detected.add(os.path.abspath(photo))
    left = [p for p in photos if os.path.abspath(p.path) not in detected]
    # Only now is it worth while to read what photos the other files name.
    for path in others if left else ():
        try:
            named = finder.photos_of(path, read_detections(path).people)
        except InputError:  # It is reported when the people of the file are read.
            continue
        detected |= {os.path.abspath(photo) for photo in named if photo is not None}
    return [p for p in left if os.path.abspath(p.path) not in detected]


def _tells_of_people(file: Path) -> bool:
    """Returns whether a file with a photo's name is about the photo's people.

    Other programs put files of their own beside photos.
    """
    return file.name.endswith(_CERTAIN_ENDINGS) or holds_detections(file)


def _listed_names(path: Path) -> list[str]:
    """Returns the lines of a list of files, without comments and empty lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(path, "is empty")
    return names
