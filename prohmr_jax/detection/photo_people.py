"""Finds the people in a photo and returns them as files of detections return theirs.

`people_reader` calls `people_in_photo` for photos that have no file of detections.
"""

import os

import numpy as np
from jaxtyping import UInt8

from prohmr_jax.detection.detector import (
    MIN_SCORE,
    SMALLEST_PERSON,
    Detector,
    detect_people,
)
from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.errors import InputError
from prohmr_jax.files.detected_keypoints import as_body25
from prohmr_jax.files.detections import Detection, Detections, LeftOut
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Keypoints2D

PHOTO_PIXELS = "photo pixels"
"""Value of `Detection.source` for people that were detected in the photo itself."""

_COCO = np.array(COCO_17.positions_in(BODY_25))
# In a photo whose longer side has fewer pixels nobody is recognised.
_SMALLEST_PHOTO_PX = 32
# Joints of a person with a smaller extent are wrong by a tenth of it or more.
_SMALLEST_PERSON_PX = 20.0
# The detector guesses joints that it does not see, with a low confidence, and puts
# those outside the photo at its border, also with a high one. So joints of a confidence
# up to the first number count as missing, and joints nearer to the border than the
# second, in sides of the person. This was measured on eleven photos of three people
# that were cut at random: of 497 joints outside, 8 % still count as seen, where 64 %
# had a confidence above 0.1; of 1,181 joints in sight 94 % do; and of all joints that
# do, 4 % are wrong by more than a tenth of the person's side, where 13 % were.
_GUESSED_CONFIDENCE = 0.25
_BORDER = 0.03


def people_in_photo(
    detector: Detector,
    path: str | os.PathLike,
    image: UInt8[np.ndarray, "H W 3"],
    *,
    min_score: float = MIN_SCORE,
) -> Detections:
    """Returns the people that a photo shows, the surest first.

    Keypoints are in the order of BODY_25 and in pixels of the photo; `as_body25` says
    what happens to joints that the detector does not know. A joint that the detector
    only guesses, or that it sees at the photo's border, has confidence zero. A person's
    index is its place in the order of scores.

    Args:
      detector: the detector of `load_detector`.
      path: path of the photo, for messages.
      image: photo [H, W, 3], uint8 RGB, upright.
      min_score: people with a lower score are left out; `detect_people` says what
        the score of a person is.

    Raises:
      InputError: the photo is too small, all pixels have one colour, or the photo shows
        nobody who can be used.
    """
    height, width = image.shape[:2]
    if max(height, width) < _SMALLEST_PHOTO_PX:
        what = f"is only {width} x {height} pixels, too few to recognise people"
        raise InputError(path, what)
    if (image == image[0, 0]).all():
        raise InputError(path, "is blank: all its pixels have one colour")
    detections = people_in_frame(detector, image, min_score=min_score)
    if not detections.people and not detections.left_out:
        raise InputError(path, "nobody was found in this photo")
    if not detections.people:
        reason = detections.left_out[0].reason
        raise InputError(path, f"shows nobody clearly: the surest {reason}")
    return detections


def people_in_frame(
    detector: Detector,
    image: UInt8[np.ndarray, "H W 3"],
    *,
    min_score: float = MIN_SCORE,
    smallest: float = SMALLEST_PERSON,
    known: Keypoints2D | None = None,
    search: bool = True,
) -> Detections:
    """Returns the people that a picture shows, the surest first, who may be none.

    Args:
      detector: the detector of `load_detector`.
      image: picture [H, W, 3], uint8 RGB, upright.
      min_score: see `people_in_photo`.
      smallest: see `detect_people`.
      known: [m, 25], people of the frame before in a video (BODY_25), whom
        `detect_people` looks for as well.
      search: see `detect_people`.
    """
    if known is not None:
        known = Keypoints2D(known.xy[:, _COCO], known.confidence[:, _COCO])
    candidates = detect_people(
        detector,
        image,
        min_score=min(min_score, MIN_SCORE),
        smallest=smallest,
        known=known,
        search=search,
    )
    kept, left_out = [], []
    for index, candidate in enumerate(candidates):
        seen = candidate.replace(keypoints=_without_guesses(candidate, image))
        fault = _fault(seen, min_score)
        if fault:
            left_out.append(LeftOut(index, fault))
        else:
            kept.append(Detection(_keypoints(seen), index, PHOTO_PIXELS))
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


def _without_guesses(
    person: DetectedPerson, image: UInt8[np.ndarray, "H W 3"]
) -> Keypoints2D:
    """Returns the keypoints of a person with confidence zero for guessed joints."""
    keypoints = person.keypoints
    border = _BORDER * float(np.max(person.box[2:] - person.box[:2]))
    limit = np.array(image.shape[1::-1]) - 1 - border
    inside = np.all((keypoints.xy > border) & (keypoints.xy < limit), axis=-1)
    seen = inside & (keypoints.confidence > _GUESSED_CONFIDENCE)
    return keypoints.replace(confidence=np.where(seen, keypoints.confidence, 0.0))


def _keypoints(person: DetectedPerson) -> Keypoints2D:
    keypoints = as_body25(person.keypoints, COCO_17.names)
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )
