"""Checks the numbers of detected people and brings their joints into one order.

`detections` calls it for what files say, and `detection` for what its networks find.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Sequence

import numpy as np

from prohmr_jax.files.detection_formats.joint_orders import (
    is_body_25b,
    joint_names,
    why_unknown,
)
from prohmr_jax.files.detection_formats.keypoint_values import number
from prohmr_jax.files.detection_formats.raw import (
    COCO_ANNOTATIONS,
    OPENPOSE,
    RawPerson,
)
from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.skeleton import BODY_25, BODY_25B
from prohmr_jax.structs import Box, Keypoints2D

# COCO's visibility flags: not labelled; labelled but hidden; labelled and visible.
_COCO_VISIBILITY_CONFIDENCE = np.array([0.0, 0.5, 1.0])
# No photograph is this wide, and float32 still resolves a tenth of a pixel here.
_LARGEST_POSITION_PX = 1e6
# OpenPose's scores pass 1 by rounding; larger ones are on another scale.
_LARGEST_CONFIDENCE = 1.1
# Keypoints within less than this are shares of the image's size, or all one point.
_SMALLEST_EXTENT_PX = 2.0
NO_KEYPOINTS = Keypoints2D(
    np.zeros((len(BODY_25), 2), np.float32), np.zeros(len(BODY_25), np.float32)
)
"""Keypoints of a person of whom only a box is known: all joints are missing."""
_LOG = logging.getLogger(__name__)


class UnusablePersonError(ValueError):
    """Says why a person cannot be used; the text continues "person 3 ..."."""


@dataclasses.dataclass(frozen=True)
class KeypointReader:
    """Turns the keypoints of a file's people into those of BODY_25 in pixels."""

    order: str
    """Order of the joints that the user chose, a name in `DETECTED_SETS`; or empty."""
    min_confidence: float
    """Confidence above which a joint counts as seen."""
    photo_size: Callable[[RawPerson], tuple[int, int] | None]
    """Function that returns (width, height) of a person's photo, pixels, or None; it
    is asked only if the keypoints are shares of it and the file does not say it."""

    def chosen_for(self, people: Sequence[RawPerson]) -> "KeypointReader":
        """Returns a reader that knows BODY_25B where a file's people are in it.

        Args:
          people: all people of the file.
        """
        if self.order or not people or people[0].source != OPENPOSE:
            return self
        arrays = [_joint_array(person) for person in people]
        same_number = [a for a in arrays if a is not None and len(a) == len(BODY_25)]
        if not is_body_25b(same_number):
            return self
        warn_once(
            "keypoints are read in the order of BODY_25B, because neck and hips are "
            "not where BODY_25 has them (config.format chooses the order)"
        )
        return dataclasses.replace(self, order=BODY_25B.label)

    def keypoints(
        self, path: str | os.PathLike, index: int, person: RawPerson
    ) -> Keypoints2D:
        """Returns the keypoints of a person, in the order of BODY_25, image pixels.

        A joint has confidence zero if one of its numbers is absent, is not finite or
        cannot be the position of a pixel; a warning counts those that the file is sure
        of. Scores above 1 are taken as 1, with a warning.

        Args:
          path: path of the file, for the warning.
          index: number of the person, for the warning.
          person: what the file says about the person.

        Raises:
          UnusablePersonError: the file has no body of the person, or a number of values
            that fits no order of joints; or fewer than two joints are seen, or all in
            one point.
        """
        numbers, names = self._named_joints(person)
        numbers = _without_bad_joints(path, index, numbers)
        xy, confidence = numbers[:, :2], numbers[:, 2]
        if person.source == COCO_ANNOTATIONS:
            confidence = _COCO_VISIBILITY_CONFIDENCE[confidence.astype(int)]
        if (confidence > _LARGEST_CONFIDENCE).any():
            warn_once("keypoints have scores above 1, which are taken as 1")
        keypoints = as_body25(Keypoints2D(xy, np.clip(confidence, 0.0, 1.0)), names)
        xy = self._in_pixels(person, keypoints)
        self._require_usable(Keypoints2D(xy, keypoints.confidence))
        return Keypoints2D(
            xy.astype(np.float32), keypoints.confidence.astype(np.float32)
        )

    def _named_joints(self, person: RawPerson) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns the joints [J, 3] that have names, and the names."""
        values = person.values
        if person.fault:
            raise UnusablePersonError(person.fault)
        if values is None or values == []:
            raise UnusablePersonError("has no body keypoints")
        array = _joint_array(person)
        if array is None:
            raise UnusablePersonError("has keypoints that are not a list of numbers")
        if len(values) % 3:
            raise UnusablePersonError(
                f"has {len(values)} keypoint values, which is not a multiple of 3"
            )
        names = joint_names(person, len(array), self.order)
        if names is None:
            why = why_unknown(person, len(array), self.order)
            raise UnusablePersonError(f"has {why}")
        return array[: len(names)], names

    def _in_pixels(self, person: RawPerson, keypoints: Keypoints2D) -> np.ndarray:
        """Returns positions in pixels, which may be shares of the picture's size."""
        seen = keypoints.xy[keypoints.confidence > self.min_confidence]
        if len(seen) < 2 or np.ptp(seen, axis=0).max() >= _SMALLEST_EXTENT_PX:
            return keypoints.xy
        if np.abs(seen).max() > _SMALLEST_EXTENT_PX or np.ptp(seen, axis=0).max() == 0:
            return keypoints.xy
        if person.source == OPENPOSE and seen.min() < 0:
            raise UnusablePersonError(
                "has negative shares of the image's size as positions (OpenPose's "
                "--keypoint_scale 4), which are not read: use pixels"
            )
        size = self.photo_size(person) or person.image_size
        if size is None:
            raise UnusablePersonError(
                "has keypoints in fractions of the image's size, and that size is not "
                "known: give config.image_size, or put the photo beside the file"
            )
        return keypoints.xy * np.array(size, float)

    def _require_usable(self, keypoints: Keypoints2D) -> None:
        """Raises UnusablePersonError if the keypoints give no box around the person."""
        seen = keypoints.xy[keypoints.confidence > self.min_confidence]
        if len(seen) < 2:
            which = "only one joint" if len(seen) else "no joint"
            raise UnusablePersonError(
                f"has {which} with a confidence above {self.min_confidence:g}"
            )
        if np.ptp(seen, axis=0).max() < _SMALLEST_EXTENT_PX:
            raise UnusablePersonError(
                f"has all its joints within {_SMALLEST_EXTENT_PX:g} pixels"
            )


def to_box(values: object) -> Box:
    """Returns the square around a box, with the margin that boxes of keypoints have.

    Args:
      values: any JSON; in a sound file a list of x, y, width and height in pixels.

    Raises:
      UnusablePersonError: the values are no box.
    """
    numbers = [number(v) for v in values] if isinstance(values, list) else []
    if len(numbers) != 4 or None in numbers:
        raise UnusablePersonError("has a box that is not x, y, width, height")
    x, y, width, height = numbers
    if not max(map(abs, numbers)) < _LARGEST_POSITION_PX:
        raise UnusablePersonError("has a box at a position that no photo has")
    if not min(width, height) >= _SMALLEST_EXTENT_PX:
        raise UnusablePersonError(f"has a box of {width:g} x {height:g} pixels")
    center = np.array([x + width / 2.0, y + height / 2.0], np.float32)
    return Box(center, np.float32(MARGIN * max(width, height)))


def as_body25(keypoints: Keypoints2D, names: Sequence[str]) -> Keypoints2D:
    """Returns NumPy keypoints in the order of BODY_25, over any leading axes.

    If `names` lacks the neck or the mid-hip, it is the midpoint of the shoulders or of
    the hips, with the lower of their confidences. Other joints of BODY_25 that `names`
    lacks get position and confidence zero.

    Args:
      keypoints: positions [*b, J, 2], any unit, and confidences [*b, J] of J joints.
      names: names of the J joints; joints that BODY_25 does not have are dropped.
    """
    shape = (*keypoints.confidence.shape[:-1], len(BODY_25))
    xy, confidence = np.zeros((*shape, 2)), np.zeros(shape)
    shared = [n for n in BODY_25.names if n in names]
    here, there = BODY_25.indices(*shared), [names.index(n) for n in shared]
    xy[..., here, :] = keypoints.xy[..., there, :]
    confidence[..., here] = keypoints.confidence[..., there]
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        sides = [f"left_{part}", f"right_{part}"]
        if middle in names or not set(sides) <= set(names):
            continue
        pair = [names.index(side) for side in sides]
        xy[..., BODY_25.index(middle), :] = keypoints.xy[..., pair, :].mean(-2)
        least = keypoints.confidence[..., pair].min(-1)
        confidence[..., BODY_25.index(middle)] = least
    return Keypoints2D(xy, confidence)


def _joint_array(person: RawPerson) -> np.ndarray | None:
    """Returns x, y and confidence [J, 3] of a person's joints; None without numbers.

    What is missing or no number is NaN; values after the last whole joint are left out.
    """
    if not isinstance(person.values, list):
        return None
    numbers = [None if v is None else number(v) for v in person.values]
    if all(n is None for n in numbers):
        return None
    whole = len(numbers) - len(numbers) % 3
    filled = [np.nan if n is None else n for n in numbers[:whole]]
    return np.array(filled).reshape(-1, 3)


def _without_bad_joints(
    path: str | os.PathLike, index: int, numbers: np.ndarray
) -> np.ndarray:
    """Returns rows x, y, confidence, with zeros for joints that cannot be used."""
    bad = ~np.isfinite(numbers).all(axis=1)
    bad |= np.abs(np.nan_to_num(numbers[:, :2])).max(axis=1) > _LARGEST_POSITION_PX
    # Detectors that mark missing joints so give them no confidence either.
    odd = np.sum(bad & ~(numbers[:, 2] <= 0) & ~np.isnan(numbers[:, 2]))
    if bad.all():
        raise UnusablePersonError("has no joint at a position that a photo can have")
    if odd:
        text = "%s: person %d: joints at no usable position, which count as missing: %d"
        _LOG.warning(text, path, index, odd)
    return np.where(bad[:, None], 0.0, numbers)


@functools.cache
def warn_once(text: str) -> None:
    """Logs a warning, unless this process has logged it before.

    Args:
      text: the warning.
    """
    _LOG.warning(text)
