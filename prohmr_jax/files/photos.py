"""Finds the photos of detected people and the detections of a photo, by their names.

`detection.people_reader` looks for photos with it, in the demo and in all bulk fits.
"""

import collections
import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.raw import RawPerson
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import PHOTO_SUFFIXES

NO_PHOTO = "none"
"""Value of a photo setting that asks for work without a photo."""

# Pictures that cannot be read, but should be named in a message rather than ignored.
_OTHER_SUFFIXES = (".jxl", ".jp2", ".dng", ".cr2", ".cr3", ".nef", ".arw")
# Folders that photos are looked for in, beside the folder of the detections or in it.
_PHOTO_FOLDERS = ("images", "imgs", "photos", "frames")
_DETECTION_FOLDERS = ("keypoints", "detections", "predictions")
# What programs add to the name of the photo: OpenPose; OpenPifPaf; others.
_ENDINGS = ("_keypoints", ".predictions", "_predictions")
# What the demos of MMPose put before it.
_BEGINNING = "results_"
# A number alone, or after the beginning of COCO's older names.
_NUMBERED = re.compile(r"(?:COCO_(?:train|val|test)20\d\d_)?(\d+)")


def is_picture_name(path: Path) -> bool:
    """Returns whether a file's name says that it is a picture, of any format."""
    return path.suffix.lower() in (*PHOTO_SUFFIXES, *_OTHER_SUFFIXES)


class PhotoFinder:
    """Finds photos, and remembers what the folders hold.

    The photo of detections is in their folder, or in a folder `images`, `imgs`,
    `photos` or `frames` in it or beside it.
    """

    def __init__(self, wanted: str = ""):
        """Starts without any folder read.

        Args:
          wanted: path of the photo of all detections; `NO_PHOTO` for none; or empty for
            the photo that the detections name, or whose name is like that of their
            file.
        """
        self.wanted = wanted
        self._folders: dict[Path, _Folder] = {}

    def photos_of(
        self, file: Path, people: Sequence[Detection | RawPerson]
    ) -> list[Path | None]:
        """Returns the photo of each person in a file, or None where there is none.

        A person's photo is the one that the detection names, or the same with the
        ending of another format, or the one whose number is the id that the detection
        gives the picture, with zeros before it or without. If all people of the file
        are in one picture, it can also be the photo of `photo_named_like`. Frames of a
        video have no photos but one that a single frame names.

        Args:
          file: path of the file of detections.
          people: people of that file.

        Raises:
          InputError: one photo is wanted, but the people are in several pictures.
        """
        if self.wanted == NO_PHOTO:
            return [None] * len(people)
        pictures = {(p.image_name, p.image_id, p.frame) for p in people}
        if self.wanted:
            if len(pictures) > 1:
                what = f"names one photo, but {file.name} is about {len(pictures)}"
                raise InputError("config.photo", what)
            return [Path(self.wanted)] * len(people)
        names = {p.image_name for p in people if p.image_name}
        distinct = len({_as_path(name).name for name in names}) == len(names)
        frames_of = collections.Counter(name for name, _, _ in pictures)
        photos = {}
        for name, image_id, frame in pictures:
            # A name that several frames have is not that of a photo.
            usable = None if frame is not None and frames_of[name] > 1 else name
            photos[name, image_id, frame] = self._find(
                file, usable, image_id, frame, distinct, len(pictures) == 1
            )
        return [photos[p.image_name, p.image_id, p.frame] for p in people]

    def photo_named_like(self, file: Path) -> Path | None:
        """Returns the photo whose name is like that of a file of detections, or None.

        The photo of `X_keypoints.json`, `X.predictions.json`, `X_predictions.json`,
        `results_X.json` or `X.json` is X with the ending of any format that is read, in
        lower or upper case; that of `X.jpg.predictions.json` or `X.jpg.json` is
        `X.jpg`.

        Args:
          file: path of the file of detections.
        """
        name = file.stem
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        for like in (name, name.removeprefix(_BEGINNING)):
            for place in _places(file.parent):
                photo = self._folder(place).photo(like)
                if photo is not None:
                    return photo
        return None

    def detections_of(self, photo: Path) -> Path | None:
        """Returns the file of detections with a name like that of a photo, or None.

        It is looked for in the folder of the photo, and in a folder `keypoints`,
        `detections` or `predictions` beside the folder of the photo.

        Args:
          photo: path of the photo; `photo_named_like` of the file returns it.
        """
        endings = [*(f"{ending}.json" for ending in _ENDINGS), ".json"]
        stems = photo.stem, photo.name
        names = [stem + ending for stem in stems for ending in endings]
        names.append(f"{_BEGINNING}{photo.stem}.json")
        absolute = Path(os.path.abspath(photo))
        folders = [photo.parent]
        if absolute.parent.name in _PHOTO_FOLDERS:
            beside = absolute.parent.parent
            folders += [beside / name for name in _DETECTION_FOLDERS]
        for file in (folder / name for folder in folders for name in names):
            if not file.is_file():
                continue
            its_photo = self.photo_named_like(file)
            if its_photo is not None and Path(os.path.abspath(its_photo)) == absolute:
                return file
        return None

    def _find(
        self,
        file: Path,
        name: str | None,
        image_id: str | None,
        frame: int | None,
        distinct: bool,
        alone: bool,
    ) -> Path | None:
        """Returns the photo of one picture of a file, or None if there is none."""
        places = list(_places(file.parent))
        photo = None
        if name:
            path = _as_path(name)
            photo = self._photo_at(places, path)
            # The name can hold folders of another machine, and the photo can have been
            # written in another format since.
            names = [path.name, *[path.stem] * is_picture_name(path)]
            for other in names if distinct else ():
                photo = photo or self._photo_at(places, Path(other))
        if frame is not None:  # Numbers, and the file's name, are those of a video.
            return photo
        if photo is None and image_id and image_id.isdecimal():
            numbers = (self._folder(place).numbered(image_id) for place in places)
            photo = next(filter(None, numbers), None)
        return self.photo_named_like(file) if photo is None and alone else photo

    def _photo_at(self, places: Sequence[Path], path: Path) -> Path | None:
        """Returns the photo of a path that is relative to one of several folders."""
        inside = not path.is_absolute() and ".." not in path.parts and path.name
        if not inside:
            return None
        photos = (self._folder(p / path.parent).photo(path.name) for p in places)
        return next(filter(None, photos), None)

    def _folder(self, path: Path) -> "_Folder":
        if path not in self._folders:
            self._folders[path] = _read_folder(path)
        return self._folders[path]


@dataclasses.dataclass(frozen=True)
class _Folder:
    """Holds the photos of a folder."""

    by_name: dict[str, Path]
    """Photos by their names, with the ending in lower case."""
    by_stem: dict[str, Path]
    """Photos by their names without the ending; of several the likeliest format."""
    by_number: dict[int, list[Path]]
    """Photos by their numbers, for names that are numbers."""

    def photo(self, name: str) -> Path | None:
        """Returns the photo with a name, or with a name without its ending, or None."""
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in PHOTO_SUFFIXES:
            return self.by_name.get(stem + suffix.lower())
        return self.by_stem.get(name)

    def numbered(self, number: str) -> Path | None:
        """Returns the photo whose name is a number, or None if not exactly one is."""
        photos = self.by_number.get(int(number), ())
        return photos[0] if len(photos) == 1 else None


def _read_folder(path: Path) -> _Folder:
    """Returns the photos of a folder; none if it does not exist."""
    try:
        files = [file for file in path.iterdir() if not file.name.startswith(".")]
    except OSError:
        files = []
    suffixes = {suffix: rank for rank, suffix in enumerate(PHOTO_SUFFIXES)}
    photos = [file for file in files if file.suffix.lower() in suffixes]
    photos.sort(key=lambda file: (suffixes[file.suffix.lower()], file.name))
    folder = _Folder({}, {}, {})
    for photo in photos:
        folder.by_name.setdefault(photo.stem + photo.suffix.lower(), photo)
        if photo.stem not in folder.by_stem:
            folder.by_stem[photo.stem] = photo
            if numbered := _NUMBERED.fullmatch(photo.stem):
                folder.by_number.setdefault(int(numbered[1]), []).append(photo)
    return folder


def _places(folder: Path) -> Iterator[Path]:
    """Yields the folders in which the photos of detections in a folder can be."""
    yield folder
    absolute = Path(os.path.abspath(folder))
    for name in _PHOTO_FOLDERS:
        yield folder / name
        yield absolute.parent / name
        yield absolute.parent.parent / name / absolute.name


def _as_path(name: str) -> Path:
    """Returns the path that a file gives a photo, with the slashes of this system."""
    return Path(os.path.normpath(name.replace("\\", "/")))
