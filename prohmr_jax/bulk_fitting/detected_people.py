"""From a detection and its photo to a person to fit."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from prohmr_jax.bulk_fitting.person_stream import Sighting
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import image_size, read_image
from prohmr_jax.files.photos import photo_of, require_within
from prohmr_jax.geometry.boxes import box_from_keypoints
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from prohmr_jax.structs import Keypoints2D


@dataclasses.dataclass(frozen=True)
class PhotoSettings:
    """What is known of the photos of detections."""

    photo: str = ""
    """"none", or empty for the photo beside the detections, if any."""
    exif: str = "honour"
    image_size: tuple[int, int] = (0, 0)
    """(width, height) of photos that are not there; zeros: not known."""
    crop_px: int | None = None
    """Side of the crops that the model looks at, if it looks at photos."""


class Photos:
    """The photos of one file: each is opened once, and only the last one is kept."""

    def __init__(self, settings: PhotoSettings):
        """Starts with none."""
        self._settings = settings
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._last: tuple[Path, np.ndarray] | None = None

    def sighting(
        self, path: Path, name: str, person: Detection, photo: str = ""
    ) -> Sighting:
        """Returns a person with the photo.

        Args:
          path: of the detections.
          name: what results call that file.
          person: one of them.
          photo: of this person; empty: as the settings say.

        Raises:
          InputError: the photo cannot be used, or the model needs one.
        """
        settings = self._settings
        found, size = photo_of(path, person, photo or settings.photo), None
        if found is not None:
            size = self._size(found)
            require_within(found, size, person)
        sighting = Sighting(
            detection=person,
            keypoints=_as_44(person.keypoints),
            source=name,
            photo=found,
            photo_name="" if found is None else found.name,
            image_size=size or settings.image_size,
        )
        if settings.crop_px is None:
            return sighting
        box = jax.device_get(box_from_keypoints(person.keypoints))
        pixels = None if found is None else self._pixels(found)
        return sighting.cropped(pixels, box, settings.crop_px)

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


def _as_44(body_25: Keypoints2D) -> Keypoints2D:
    """The same people with the joints that detectors do not know missing."""
    missing = len(JOINTS_44) - len(BODY_25)
    return Keypoints2D(
        np.pad(body_25.xy, ((0, missing), (0, 0))),
        np.pad(body_25.confidence, (0, missing)),
    )
