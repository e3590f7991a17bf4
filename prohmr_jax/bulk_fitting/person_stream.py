"""People to fit, one after another, in an order that stays: windows of a source."""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from prohmr_jax.data.crops import cut_person, decode_image
from prohmr_jax.data.prefetch import map_ahead
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import read_image
from prohmr_jax.structs import Box, Crop, Keypoints2D

_READERS = 2
# Several small files, or the records of one.
_UNITS_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class Sighting:
    """One person to fit, NumPy, pixels of the photo."""

    detection: Detection
    """What a keypoint encoder is shown, and the person's place in the source."""
    keypoints: Keypoints2D
    """JOINTS_44, what is fitted to."""
    source: str
    """File or dataset."""
    photo: Path | bytes | None = None
    """A file, or what is in one."""
    photo_name: str = ""
    image_size: tuple[int, int] = (0, 0)
    """(width, height); zeros where it is not known."""
    intrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 3)))
    """K of the photo's camera; zeros where it is not known."""
    crop: Crop | None = None
    """What an image encoder is shown."""

    @property
    def name(self) -> str:
        """What messages call this person."""
        return f"{self.source}: person {self.detection.person_index}"

    def read_photo(self, exif: str) -> np.ndarray | None:
        """Returns the photo [H, W, 3], uint8, if there is one; InputError if bad."""
        if isinstance(self.photo, bytes):
            return decode_image(self.photo, self.photo_name)
        return None if self.photo is None else read_image(self.photo, exif=exif)

    def cropped(self, photo: np.ndarray | None, box: Box, side_px: int) -> "Sighting":
        """Returns the person with what an image encoder is shown.

        Args:
          photo: as `read_photo` returns it.
          box: around the person.
          side_px: of the crop.

        Raises:
          InputError: there is no photo.
        """
        if photo is None:
            raise InputError(self.source, "has no photo, which the model looks at")
        return dataclasses.replace(self, crop=cut_person(photo, box, side_px))


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is read at once: a file, or a record."""

    people: Sequence[Sighting] = ()
    left_out: Sequence[str] = ()
    """A line with the reason for each person, or file, that cannot be used."""


class Source(Protocol):
    """People in units of a fixed order."""

    def __len__(self) -> int:
        """Returns the number of units."""

    def read(self, number: int) -> Unit:
        """Returns a unit; what is wrong with it is in `Unit.left_out`."""

    def fingerprint(self) -> str:
        """Returns what changes when the input does."""


@dataclasses.dataclass(frozen=True)
class Position:
    """A place between two people of a source."""

    unit: int = 0
    person: int = 0
    """Of the people of that unit that can be used."""


@dataclasses.dataclass(frozen=True)
class Window:
    """People in a row; the windows of a source are always the same."""

    people: Sequence[Sighting]
    left_out: Sequence[str]
    next: Position


def windows(source: Source, start: Position, size: int) -> Iterator[Window]:
    """Yields the people from a position on, `size` at a time; the last may be fewer.

    In memory are one window and a few units, which threads read ahead.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        numbers = range(start.unit, len(source))
        units = map_ahead(pool, source.read, numbers, _UNITS_AHEAD)
        yield from _windows(zip(numbers, units, strict=True), start, size, len(source))


def _windows(units, start: Position, size: int, end: int) -> Iterator[Window]:
    people, left_out = [], []
    for number, unit in units:
        done = start.person if number == start.unit else 0
        if not done:
            left_out += unit.left_out
        while len(unit.people) - done >= (room := size - len(people)):
            people += unit.people[done : done + room]
            done += room
            whole = done == len(unit.people)
            after = Position(number + 1) if whole else Position(number, done)
            yield Window(people, left_out, after)
            people, left_out = [], []
            if whole:
                break
        else:
            people += unit.people[done:]
    if people or left_out:
        yield Window(people, left_out, Position(end))
