"""Reads the people of photos and of files of detections, each with the photo.

The demo and all bulk fits read their people with it, so that they accept the same
inputs and leave out the same people. The detector is loaded when the first photo needs
it, and only once.
"""

import dataclasses
import functools
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.detection.chosen_people import (
    EVERYBODY,
    choose_people,
    require_people_words,
)
from prohmr_jax.detection.detector import MIN_SCORE, Detector, load_detector
from prohmr_jax.detection.input_files import InputFile, input_files
from prohmr_jax.detection.photo_people import people_in_photo
from prohmr_jax.detection.types import FilePeople, PersonInPicture
from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.raw import RawPerson
from prohmr_jax.files.detections import (
    Detection,
    Detections,
    LeftOut,
    read_detections,
)
from prohmr_jax.files.images import image_size, read_image
from prohmr_jax.files.photos import PhotoFinder
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.geometry.field_of_view import (
    MAX_VIEW_DEG,
    impossible_view,
    view_angle,
)
from prohmr_jax.structs import Keypoints2D

_LOG = logging.getLogger(__name__)
MIN_INSIDE = 0.8
"""Least share of a person's joints that a picture whose size was stated must hold."""
# Detectors put some joints of people whom the border cuts a little outside, here in
# shares of the picture's longer side.
_BORDER = 0.05
# A reader has this many threads, and each may be at another photo.
_PHOTOS_KEPT = 2


@dataclasses.dataclass(frozen=True)
class ReadingSettings:
    """Says whose bodies are wanted, and how photos are located and read."""

    photo: str = ""
    """Path of the photo; "none" to use no photos; empty for the photos that
    `PhotoFinder` finds."""
    exif: str = "honour"
    """"honour" turns photos as their EXIF data say, "ignore" does not."""
    image_size: tuple[int, int] = (0, 0)
    """(width, height) of photos that are absent, pixels; zeros where not known."""
    people: str = EVERYBODY
    """"all", "largest", or numbers of people such as "0,2"."""
    min_score: float = MIN_SCORE
    """Least score of people who are detected in photos, in [0, 1]."""
    needs_photo: bool = False
    """Whether the model looks at photos, so that people without one are left out."""
    accept_boxes: bool = False
    """Whether people of files may have a box and no joints."""
    focal_length_px: float = 0.0
    """Focal length of the photos' camera, pixels, by which people are left out who
    cannot be seen with it; 0 where it is not known or not used."""
    joint_order: str = ""
    """Order of the joints of files that do not name them; see `read_detections`."""


class PeopleReader:
    """Reads the people of any number of files; several threads can call it."""

    def __init__(
        self,
        settings: ReadingSettings,
        load: Callable[[], Detector] = load_detector,
    ):
        """Starts without any photo read and without the detector.

        Args:
          settings: whose bodies are wanted, and how photos are read.
          load: loads the detector.

        Raises:
          InputError: `settings.people` is neither a word nor numbers, or
            `settings.image_size` has one side alone.
        """
        require_people_words(settings.people)
        if min(settings.image_size) <= 0 < max(settings.image_size):
            raise InputError(
                "config.image_size", "needs both, the width and the height"
            )
        self.settings = settings
        self._finder = PhotoFinder(settings.photo)
        self._load, self._detector_lock = functools.cache(load), threading.Lock()
        read = functools.partial(read_image, exif=settings.exif)
        self.read_photo = functools.lru_cache(_PHOTOS_KEPT)(read)
        """Function that returns the photo [H, W, 3] uint8 RGB of a path, and raises
        InputError; the last photos are kept."""
        measure = functools.partial(image_size, exif=settings.exif)
        self._warn_once = functools.cache(_LOG.warning)
        self._photo_size = functools.lru_cache(maxsize=1024)(measure)

    def files(self, source: Path, output: Path) -> list[InputFile]:
        """Returns the files to work on; see `input_files`."""
        return input_files(source, output, self._finder)

    def read(self, file: InputFile, photo: str = "") -> FilePeople:
        """Returns the people of a file who are wanted and can be used.

        Args:
          file: the photo, or the file of detections.
          photo: path of the photo of all people in a file of detections; empty to
            follow the settings.

        Raises:
          InputError: the file or its one photo cannot be used, or shows nobody who is
            wanted and can be used.
        """
        if file.is_photo:
            pixels = self.read_photo(file.path)
            with self._detector_lock:
                detections = people_in_photo(
                    self._load(),
                    file.path,
                    pixels,
                    min_score=self.settings.min_score,
                )
            photos = [file.path] * len(detections.people)
        else:
            finder = PhotoFinder(photo) if photo else self._finder
            detections = read_detections(
                file.path,
                accept_boxes=self.settings.accept_boxes,
                joint_order=self.settings.joint_order,
                photo_size=functools.partial(self._size_for_shares, finder, file.path),
            )
            photos = finder.photos_of(file.path, detections.people)
        return self._placed(file.path, detections, photos)

    def _size_for_shares(
        self, finder: PhotoFinder, path: Path, person: RawPerson
    ) -> tuple[int, int] | None:
        """Returns the size of a picture in which positions are shares of its size."""
        (photo,) = finder.photos_of(path, [person])
        if photo is None:
            size = self.settings.image_size
            return size if min(size) > 0 else None
        try:
            return self._photo_size(photo)
        except InputError:
            return None  # The person is then left out.

    def _placed(
        self, path: Path, detections: Detections, photos: Sequence[Path | None]
    ) -> FilePeople:
        """Returns the people whose photos can be used and show them."""
        people, left_out = [], list(detections.left_out)
        faults = []
        for person, photo in zip(detections.people, photos, strict=True):
            try:
                people.append(self._in_picture(person, photo))
            except InputError as error:
                faults.append(error)
                what = f"cannot be seen: the photo ({photo.name}) {error.what}"
                left_out.append(LeftOut(person.person_index, what))
            except _OutsideError as error:
                left_out.append(LeftOut(person.person_index, str(error)))
        people, left_out = choose_people(path, people, left_out, self.settings.people)
        left_out = sorted(left_out, key=lambda person: person.person_index)
        if not people:
            if len(faults) == len(left_out):  # The fault is the photo's alone.
                raise faults[0]
            first = left_out[0]
            raise InputError(
                path,
                f"none of its {len(left_out)} people can be used; "
                f"person {first.person_index} {first.reason}",
            )
        return FilePeople(tuple(people), tuple(left_out))

    def _in_picture(self, person: Detection, photo: Path | None) -> PersonInPicture:
        """Returns a person with the photo.

        Raises:
          InputError: the photo cannot be used.
          _OutsideError: the person is not in the photo, or has none and needs one.
        """
        if photo is None:
            if self.settings.needs_photo:
                raise _OutsideError("has no photo, but the model looks at photos")
            size = person.image_size or self.settings.image_size
            self._require_holding(person, size)
            self._require_seen(person, size)
            return PersonInPicture(person, None, size)
        size = self._photo_size(photo)
        if min(self.settings.image_size) > 0 and size != self.settings.image_size:
            self._warn_once(
                "config.image_size is not used for photos that are there; some have "
                "another size"
            )
        if person.image_size not in (None, size):
            raise _OutsideError(
                f"was detected in a picture of another size "
                f"({_text(person.image_size)}) than the photo ({photo.name}, "
                f"{_text(size)} pixels)"
            )
        self._require_seen(person, size)
        seen = person.keypoints.xy[person.keypoints.confidence > MIN_CONFIDENCE]
        if person.box is not None:
            seen = person.box.center[None]
        if np.all((seen >= 0) & (seen < size), axis=1).mean() < 0.5:
            raise _OutsideError(
                f"is mostly outside the photo ({photo.name}, {_text(size)} pixels): it "
                "must be another photo, or this one in another size or rotation"
            )
        return PersonInPicture(person, photo, size)

    def _require_holding(self, person: Detection, size: tuple[int, int]) -> None:
        """Refuses a person who is not in a picture of a size that was stated."""
        if min(size) > 0 and share_inside(person.keypoints, size) < MIN_INSIDE:
            by = "in the detections" if person.image_size else "by config.image_size"
            raise _OutsideError(
                f"is outside the picture, whose size is {_text(size)} {by}"
            )

    def _require_seen(self, person: Detection, size: tuple[int, int]) -> None:
        """Refuses a focal length by which no camera shows the person."""
        focal_length, side = self.settings.focal_length_px, float(max(size))
        seen = person.keypoints.confidence > MIN_CONFIDENCE
        if focal_length <= 0:
            return
        what = impossible_view(focal_length, side) if side > 0 else ""
        if side <= 0 and seen.any():
            # The picture is at least as large as the person in it.
            angle = view_angle(
                focal_length, float(np.ptp(person.keypoints.xy[seen], axis=0).max())
            )
            if angle > MAX_VIEW_DEG:
                what = (
                    f"means that the person alone fills {angle:.0f} degrees of the "
                    "view; it is in pixels, and depends on the size of the picture"
                )
        if what:
            raise _OutsideError(
                f"cannot be seen: config.focal_length_px={focal_length:g} {what}"
            )


def share_inside(keypoints: Keypoints2D, size: tuple[int, int]) -> float:
    """Returns the share of the joints seen that lie in a picture, or a little outside.

    It is 1 if no joint is seen.

    Args:
      keypoints: joints of a person in NumPy, pixels of the picture.
      size: (width, height) of the picture, pixels.
    """
    border = _BORDER * max(size)
    xy = keypoints.xy[keypoints.confidence > MIN_CONFIDENCE]
    is_inside = np.all((xy >= -border) & (xy < np.array(size) + border), axis=1)
    return float(is_inside.mean()) if len(xy) else 1.0


class _OutsideError(ValueError):
    """Says why a person is not in the photo; the text continues "person 3 ..."."""


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
