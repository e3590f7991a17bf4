"""Finds the people in a photo and returns them as files of detections return theirs.

The mode "demo" calls `people_in_photo` for photos that have no file of detections.
"""

import os

import numpy as np
from jaxtyping import UInt8

from prohmr_jax.detection.detector import MIN_SCORE, Detector, detect_people
from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.errors import InputError
from prohmr_jax.files.detected_keypoints import as_body25
from prohmr_jax.files.detections import Detection, Detections, LeftOut
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.skeleton import COCO_17
from prohmr_jax.structs import Keypoints2D

PHOTO_PIXELS = "photo pixels"
"""Value of `Detection.source` for people that were detected in the photo itself."""

# A person whose joints lie within fewer pixels has no pose that could be seen.
_SMALLEST_PERSON_PX = 4.0


def people_in_photo(
    detector: Detector,
    path: str | os.PathLike,
    image: UInt8[np.ndarray, "H W 3"],
    *,
    min_score: float = MIN_SCORE,
) -> Detections:
    """Returns the people that a photo shows, the surest first.

    Keypoints are in the order of BODY_25 and in pixels of the photo; `as_body25` says
    what happens to joints that the detector does not know. A person's index is its
    place in the order of scores.

    Args:
      detector: the detector of `load_detector`.
      path: path of the photo, for messages.
      image: photo [H, W, 3], uint8 RGB, upright.
      min_score: people with a lower score are left out; `detect_people` says what
        the score of a person is.

    Raises:
      InputError: all pixels have one colour, or the photo shows nobody who can be used.
    """
    if (image == image[0, 0]).all():
        raise InputError(path, "is blank: all its pixels have one colour")
    candidates = detect_people(detector, image, min_score=min(min_score, MIN_SCORE))
    if not candidates:
        raise InputError(path, "nobody was found in this photo")
    kept, left_out = [], []
    for index, candidate in enumerate(candidates):
        fault = _fault(candidate, min_score)
        if fault:
            left_out.append(LeftOut(index, fault))
        else:
            kept.append(Detection(_keypoints(candidate), index, PHOTO_PIXELS))
    if not kept:
        raise InputError(path, f"shows nobody clearly: the surest {left_out[0].reason}")
    return Detections(tuple(kept), tuple(left_out))


def _fault(person: DetectedPerson, min_score: float) -> str:
    """Returns why a person cannot be used, or an empty string."""
    if person.score < min_score:
        return f"has a score of {person.score:.2f}, which is less than {min_score:g}"
    extent = float(np.max(person.box[2:] - person.box[:2]))
    if extent < _SMALLEST_PERSON_PX:
        return f"is only {extent:.0f} pixels large"
    if np.sum(person.keypoints.confidence > MIN_CONFIDENCE) < 2:
        return "has fewer than two joints in sight"
    return ""


def _keypoints(person: DetectedPerson) -> Keypoints2D:
    keypoints = as_body25(person.keypoints, COCO_17.names)
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )
