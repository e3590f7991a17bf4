"""Joins a detected person with the photo.

`sources` and `multiview_sources` call it.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import image_size, read_image
from prohmr_jax.files.photos import photo_of, require_within
from prohmr_jax.fitting.keypoints import body_25_as_44
from prohmr_jax.geometry.boxes import box_from_keypoints


@dataclasses.dataclass(frozen=True)
class PhotoSettings:
    """Says how the photos of detections are located and read."""

    photo: str = ""
    """"none" to use no photos; empty for the photo beside the detections, if any."""
    exif: str = "honour"
    """"honour" turns photos as their EXIF data say, "ignore" does not."""
    image_size: tuple[int, int] = (0, 0)
    """(width, height) of photos that are absent, pixels; zeros where not known."""
    crop_px: int | None = None
    """Side of the crops that an image encoder sees, pixels; None for a keypoint
    encoder."""


class PhotoReader:
    """Reads the photos of one file of detections.

    Each photo is opened once, and only the last one is kept in memory.
    """

    def __init__(self, settings: PhotoSettings):
        """Starts without any photo read."""
        self._settings = settings
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._last: tuple[Path, np.ndarray] | None = None

    def person_input(
        self, path: Path, name: str, person: Detection, photo: str = ""
    ) -> PersonInput:
        """Returns a detected person together with the photo.

        Args:
          path: the file of detections.
          name: name of that file in results.
          person: one of the people in it.
          photo: path of this person's photo; empty to follow the settings.

        Raises:
          InputError: the photo cannot be used, or the model needs one and there is
            none.
        """
        settings = self._settings
        photo_path, size = photo_of(path, person, photo or settings.photo), None
        if photo_path is not None:
            size = self._size(photo_path)
            require_within(photo_path, size, person)
        person_input = PersonInput(
            detection=person,
            keypoints=body_25_as_44(person.keypoints),
            source=name,
            photo=photo_path,
            photo_name="" if photo_path is None else photo_path.name,
            image_size=size or settings.image_size,
        )
        if settings.crop_px is None:
            return person_input
        box = jax.device_get(box_from_keypoints(person.keypoints))
        pixels = None if photo_path is None else self._pixels(photo_path)
        return person_input.cropped(pixels, box, settings.crop_px)

    def _size(self, path: Path) -> tuple[int, int]:
        if path not in self._sizes:
            if self._settings.crop_px is None:
                self._sizes[path] = image_size(path, exif=self._settings.exif)
            else:
                self._sizes[path] = self._pixels(path).shape[1::-1]
        return self._sizes[path]

    def _pixels(self, path: Path) -> np.ndarray:
        if self._last is None or self._last[0] != path:
            self._last = path, read_image(path, exif=self._settings.exif)
        return self._last[1]
