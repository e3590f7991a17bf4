"""Finds the photo of detected people and the detections of a photo."""

from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import find_photo
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE

NO_PHOTO = "none"
"""Value of a photo setting that asks for work without a photo."""

# Formats that are read, and others that should be named in a message, not ignored.
_PICTURE_SUFFIXES = frozenset(
    """
    .jpg .jpeg .jfif .png .webp .tif .tiff .bmp .gif .ppm .pgm
    .heic .heif .avif .jxl .jp2 .dng .cr2 .cr3 .nef .arw
    """.split()
)


def is_picture_name(path: Path) -> bool:
    """Returns whether a file's name says that it is a picture, of any format."""
    return path.suffix.lower() in _PICTURE_SUFFIXES


def detections_beside(photo: Path) -> Path | None:
    """Returns the path of the detections beside a photo, or None if there are none.

    Args:
      photo: path of the photo; the detections of `X.jpg` are in `X_keypoints.json` or
        `X.json` in the same folder.
    """
    for ending in ("_keypoints.json", ".json"):
        file = photo.with_name(photo.stem + ending)
        if file.is_file():
            return file
    return None


def photo_of(file: Path, person: Detection, wanted: str = "") -> Path | None:
    """Returns the path of the photo that shows a person, or None if there is none.

    A person in a frame of a video has no photo.

    Args:
      file: path of the file that holds the detections.
      person: a detection of that file.
      wanted: path of the photo; `NO_PHOTO` for None; or empty, and then the photo is
        the one that `find_photo` finds.
    """
    if wanted == NO_PHOTO or person.frame is not None:
        return None
    return Path(wanted) if wanted else find_photo(file, person.image_name)


def require_within(path: Path, size: tuple[int, int], person: Detection) -> None:
    """Raises InputError unless a person can be in a photo of a given size.

    Args:
      path: path of the photo, for the message.
      size: (width, height) of the photo, pixels.
      person: the person that the photo should show.

    Raises:
      InputError: more than half of the seen keypoints, or the centre of the box, lie
        outside the photo.
    """
    seen = person.keypoints.xy[person.keypoints.confidence > MIN_CONFIDENCE]
    if person.box is not None:
        seen = person.box.center[None]
    inside = np.all((seen >= 0) & (seen < size), axis=1)
    if inside.mean() < 0.5:
        width, height = size
        raise InputError(
            path,
            f"is {width} x {height} pixels, but most of person "
            f"{person.person_index} is outside: it must be another photo, or this one "
            "in another size or rotation",
        )
