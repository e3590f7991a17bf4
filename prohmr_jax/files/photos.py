"""The photo of detected people: which it is, and whether it can be theirs."""

from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import find_photo
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE

NO_PHOTO = "none"


def photo_of(file: Path, person: Detection, wanted: str = "") -> Path | None:
    """Returns the photo of a person, or None; frames of a video have none.

    Args:
      file: with the detections.
      person: one of them.
      wanted: the photo; `NO_PHOTO`; or empty: what `find_photo` finds.
    """
    if wanted == NO_PHOTO or person.frame is not None:
        return None
    return Path(wanted) if wanted else find_photo(file, person.image_name)


def require_within(path: Path, size: tuple[int, int], person: Detection) -> None:
    """Refuses a photo that keypoints or box cannot be of, or not at this size.

    Args:
      path: of the photo.
      size: (width, height), pixels.
      person: who should be in it.

    Raises:
      InputError: most keypoints seen, or the middle of the box, are outside.
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
            f"{person.person_index} is outside: another photo, size or rotation",
        )
