"""Puts the people of a source into batches, always in the same order.

The sources of `sources` and `multiview_sources` implement `Source`; `run` reads them
through `person_batches`.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from prohmr_jax.data.crops import cut_person, decode_image
from prohmr_jax.data.prefetch import map_ahead
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import read_image
from prohmr_jax.geometry.lenses import Lens, undistort_photo
from prohmr_jax.structs import Box, Crop, Keypoints2D

_READER_THREADS = 2
# An item is small: one file of detections, or one record of a dataset.
_ITEMS_READ_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class PersonInput:
    """Holds one person to fit, in NumPy arrays.

    Positions are in pixels of the photo.
    """

    detection: Detection
    """Keypoints (BODY_25) that a keypoint encoder sees, and the person's place in the
    source."""
    keypoints: Keypoints2D
    """Keypoints (JOINTS_44) that the body is fitted to."""
    source: str
    """Name of the file of detections, or of the dataset."""
    photo: Path | bytes | None = None
    """Path of the photo, or the content of its file; None without a photo."""
    photo_name: str = ""
    """Name of the photo: that of its file, or without a file the one that the
    detections state; empty where there is neither."""
    image_size: tuple[int, int] = (0, 0)
    """(width, height) of the photo, pixels; zeros where it is not known."""
    intrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 3)))
    """Matrix K [3, 3] of the photo's camera, pixels; zeros where it is not known."""
    lens: Lens | None = None
    """Lens whose distortion is undone in the photo; it is undone in the keypoints
    already. None for a pinhole camera."""
    crop: Crop | None = None
    """Crop that an image encoder sees; None for a keypoint encoder."""

    @property
    def name(self) -> str:
        """Returns the name of this person in messages."""
        return f"{self.source}: person {self.detection.person_index}"

    def read_photo(self, exif: str) -> np.ndarray | None:
        """Returns the photo, [H, W, 3] uint8 RGB, or None if there is none.

        The distortion of a lens is undone.

        Args:
          exif: "honour" turns the photo as its EXIF data say, "ignore" does not;
            photos in a dataset are never turned.

        Raises:
          InputError: the photo cannot be read.
        """
        if isinstance(self.photo, bytes):
            return decode_image(self.photo, self.photo_name)
        if self.photo is None:
            return None
        photo = read_image(self.photo, exif=exif)
        return photo if self.lens is None else undistort_photo(self.lens, photo)

    def cropped(
        self, photo: np.ndarray | None, box: Box, side_px: int
    ) -> "PersonInput":
        """Returns this person with the crop that an image encoder sees.

        Args:
          photo: the photo as `read_photo` returns it.
          box: square around the person, pixels of the photo.
          side_px: side of the crop, pixels.

        Raises:
          InputError: there is no photo.
        """
        if photo is None:
            raise InputError(self.source, "has no photo, but the model needs photos")
        return dataclasses.replace(self, crop=cut_person(photo, box, side_px))


@dataclasses.dataclass(frozen=True)
class SourceItem:
    """Holds what a source reads in one step.

    That is a file of detections, a record of a dataset, or the views of one person.
    """

    people: Sequence[PersonInput] = ()
    """People that can be used."""
    left_out: Sequence[str] = ()
    """One line for each person or file that cannot be used, with the reason."""


@runtime_checkable
class Source(Protocol):
    """Gives the people to fit, as a sequence of items in a fixed order."""

    def __len__(self) -> int:
        """Returns the number of items."""

    def read(self, number: int) -> SourceItem:
        """Returns an item; faults are reported in `SourceItem.left_out`."""

    def fingerprint(self) -> str:
        """Returns a digest that changes whenever the input changes."""


@dataclasses.dataclass(frozen=True)
class SourcePosition:
    """Marks a position in a source: everyone before it has been read."""

    item: int = 0
    """Number of the next item."""
    person: int = 0
    """Number of people of that item that have been read already."""


@dataclasses.dataclass(frozen=True)
class PersonBatch:
    """Holds consecutive people of a source that are fitted and saved together."""

    people: Sequence[PersonInput]
    """People of the batch, in the order of the source."""
    left_out: Sequence[str]
    """One line for each person or file among them that cannot be used."""
    next: SourcePosition
    """Position after the batch."""


def person_batches(
    source: Source, start: SourcePosition, size: int
) -> Iterator[PersonBatch]:
    """Yields the people of a source in batches; only the last batch can be smaller.

    Starting from the `next` of any batch gives the batches that followed it. Threads
    read a few items ahead; nothing else is kept in memory.

    Args:
      source: the people.
      start: position of the first person.
      size: number of people in a batch.
    """
    with ThreadPoolExecutor(_READER_THREADS) as pool:
        numbers = range(start.item, len(source))
        items = map_ahead(pool, source.read, numbers, _ITEMS_READ_AHEAD)
        numbered = zip(numbers, items, strict=True)
        yield from _batches(numbered, start, size, len(source))


def _batches(
    numbered_items: Iterable[tuple[int, SourceItem]],
    start: SourcePosition,
    size: int,
    num_items: int,
) -> Iterator[PersonBatch]:
    people, left_out = [], []
    for number, item in numbered_items:
        num_read = start.person if number == start.item else 0
        if not num_read:
            left_out += item.left_out
        while len(item.people) - num_read >= (room := size - len(people)):
            people += item.people[num_read : num_read + room]
            num_read += room
            at_end = num_read == len(item.people)
            after = (
                SourcePosition(number + 1)
                if at_end
                else SourcePosition(number, num_read)
            )
            yield PersonBatch(people, left_out, after)
            people, left_out = [], []
            if at_end:
                break
        else:
            people += item.people[num_read:]
    if people or left_out:
        yield PersonBatch(people, left_out, SourcePosition(num_items))
