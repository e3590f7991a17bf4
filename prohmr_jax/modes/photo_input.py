"""Lists the photos and detections that the demo works on, and reads their people.

A photo with a file of detections beside it is not detected again. The detector is
loaded when the first photo needs it, and only once.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from prohmr_jax.detection.detector import Detector, load_detector
from prohmr_jax.detection.photo_people import people_in_photo
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import (
    Detection,
    Detections,
    LeftOut,
    read_detections,
)
from prohmr_jax.files.images import read_image
from prohmr_jax.files.photos import NO_PHOTO, detections_beside, is_picture_name
from prohmr_jax.geometry.boxes import box_from_keypoints

EVERYBODY = "all"
LARGEST = "largest"
# Pictures that a run writes, which are no input where it writes beside its input.
_OWN_PICTURES = ("_overlay.png", "_sheet.png")


@dataclasses.dataclass(frozen=True)
class InputFile:
    """Names one file that people are read from."""

    path: Path
    """Path of a photo, or of a file of detections."""
    name: str
    """Beginning of the names of what is written about the file's people."""
    is_photo: bool
    """Whether the people are to be detected in the photo itself."""


def input_files(source: Path, output: Path, photo: str) -> list[InputFile]:
    """Returns the files to work on: those of detections first, then photos.

    Args:
      source: a photo, a file of detections, or a folder of both.
      output: folder that results are written to; its pictures are no input.
      photo: the photo setting of the config; `NO_PHOTO` leaves all photos out.

    Raises:
      InputError: the folder holds nothing to work on, or the input is a photo and no
        photo, or another one, is to be used.
    """
    if not source.is_dir():
        return [_single_file(source, photo)]
    entries = sorted(path for path in source.iterdir() if path.is_file())
    files = [path for path in entries if path.suffix.lower() == ".json"]
    photos = []
    if photo != NO_PHOTO:
        own = _OWN_PICTURES if output.resolve() == source.resolve() else ()
        photos = [
            path
            for path in entries
            if is_picture_name(path)
            and not detections_beside(path)
            and not path.name.endswith(own or "/")
        ]
    if not files and not photos:
        raise InputError(source, "holds no .json file" + " and no photo" * (not photo))
    inputs = [InputFile(path, path.stem, False) for path in files]
    names = {entry.name for entry in inputs}
    for path in photos:
        # Two photos may differ in their suffix alone.
        name = path.stem if path.stem not in names else path.name.replace(".", "_")
        names.add(name)
        inputs.append(InputFile(path, name, True))
    return inputs


def _single_file(source: Path, photo: str) -> InputFile:
    if not is_picture_name(source):
        return InputFile(source, source.stem, False)
    if photo:
        raise InputError("config.photo", f'is "{photo}", but the input is a photo')
    beside = detections_beside(source) if source.is_file() else None
    return InputFile(beside or source, (beside or source).stem, beside is None)


@dataclasses.dataclass(frozen=True)
class PeopleReader:
    """Reads the people of photos and of files of detections."""

    exif: str
    """"honour" turns photos as their EXIF data say, "ignore" does not."""
    min_score: float
    """Least score of people who are detected in photos, in [0, 1]."""
    chosen: str
    """"all", "largest", or numbers of people such as "0,2"."""
    _last_photo: dict[Path, np.ndarray] = dataclasses.field(default_factory=dict)

    def __call__(self, file: InputFile, *, accept_boxes: bool) -> Detections:
        """Returns the people of a file who are wanted.

        Args:
          file: the photo, or the file of detections.
          accept_boxes: whether people of files may have a box and no joints.

        Raises:
          InputError: the file cannot be used, or shows nobody who is wanted.
        """
        if file.is_photo:
            detections = people_in_photo(
                self._detector,
                file.path,
                self.photo(file.path),
                min_score=self.min_score,
            )
        else:
            detections = read_detections(file.path, accept_boxes=accept_boxes)
        return _chosen_people(file.path, detections, self.chosen)

    def photo(self, path: Path) -> np.ndarray:
        """Returns a photo [H, W, 3] uint8 RGB; the last one is remembered.

        Raises:
          InputError: the file is no photo that can be read.
        """
        if path not in self._last_photo:
            self._last_photo.clear()
            self._last_photo[path] = read_image(path, exif=self.exif)
        return self._last_photo[path]

    @functools.cached_property
    def _detector(self) -> Detector:
        return load_detector()


def require_people_words(chosen: str) -> None:
    """Refuses a choice of people that is no word and no list of numbers.

    Raises:
      InputError: the choice is not "all", "largest", or numbers with commas between.
    """
    if chosen not in (EVERYBODY, LARGEST) and not all(
        part.strip().isdecimal() for part in chosen.split(",")
    ):
        raise InputError(
            "config.people",
            f'"{chosen}" is not "all", "largest" or numbers such as "0,2"',
        )


def _chosen_people(path: Path, detections: Detections, chosen: str) -> Detections:
    """Returns those people of a file who are wanted; the largest is one per image."""
    if chosen == EVERYBODY:
        return detections
    if chosen == LARGEST:
        largest: dict[tuple[str | None, int | None], Detection] = {}
        for person in detections.people:
            image = person.image_name, person.frame
            if image not in largest or _size(person) > _size(largest[image]):
                largest[image] = person
        return dataclasses.replace(detections, people=tuple(largest.values()))
    numbers = {int(part) for part in chosen.split(",")}
    people = tuple(p for p in detections.people if p.person_index in numbers)
    left_out = tuple(p for p in detections.left_out if p.person_index in numbers)
    known = {p.person_index for p in (*detections.people, *detections.left_out)}
    missing = sorted(numbers - known)
    if not people:
        here = ", ".join(str(p.person_index) for p in detections.people)
        raise InputError(path, f"has no person {chosen} to reconstruct, but has {here}")
    absent = tuple(LeftOut(number, "does not exist") for number in missing)
    return Detections(people, (*left_out, *absent))


def _size(person: Detection) -> float:
    """Returns the side of the square box around a person, pixels."""
    box = person.box if person.box is not None else box_from_keypoints(person.keypoints)
    return float(box.size)
