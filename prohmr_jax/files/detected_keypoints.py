"""Checks the numbers of detected people and brings their joints into one order.

`detections` calls it for what files say, and `detection` for what its networks find.
"""

import logging
import os
from collections.abc import Sequence

import numpy as np

from prohmr_jax.files.detection_formats.raw import COCO_ANNOTATIONS, RawPerson
from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Box, Keypoints2D

# COCO's visibility flags: not labelled; labelled but hidden; labelled and visible.
_COCO_VISIBILITY_CONFIDENCE = np.array([0.0, 0.5, 1.0])
# No photograph is this wide, and float32 still resolves a tenth of a pixel here.
_LARGEST_POSITION_PX = 1e6
# OpenPose's scores pass 1 by a few per cent; percentages and logits are far above.
_LARGEST_CONFIDENCE = 1.5
# Keypoints within less than this are fractions of the image's size, or all one point.
_SMALLEST_EXTENT_PX = 2.0
NO_KEYPOINTS = Keypoints2D(
    np.zeros((len(BODY_25), 2), np.float32), np.zeros(len(BODY_25), np.float32)
)
"""Keypoints of a person of whom only a box is known: all joints are missing."""
_LOG = logging.getLogger(__name__)


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


class UnusablePersonError(ValueError):
    """Says why a person cannot be used; the text continues "person 3 ..."."""


def to_keypoints(path: str | os.PathLike, index: int, person: RawPerson) -> Keypoints2D:
    """Returns the keypoints of a person in the order of BODY_25, float32.

    A joint has confidence zero if one of its numbers is absent, is not finite or cannot
    be the position of a pixel; a warning counts those that the file is sure of.

    Args:
      path: path of the file, for the warning.
      index: number of the person, for the warning.
      person: what the file says about the person.

    Raises:
      UnusablePersonError: the file has no body of the person, or a number of values
        that fits no set of joints, or a confidence that is none.
    """
    values = person.values
    if person.fault:
        raise UnusablePersonError(person.fault)
    if values is None or values == []:
        raise UnusablePersonError("has no body keypoints")
    if not isinstance(values, list) or not any(map(_is_number, values)):
        raise UnusablePersonError("has keypoints that are not a list of numbers")
    joints, rest = divmod(len(values), 3)
    names = None if rest else person.names_of(joints)
    if names is None:
        raise UnusablePersonError(f"has {person.why_unknown(len(values))}")
    numbers = np.array([_to_float(v) for v in values]).reshape(joints, 3)
    numbers = _without_bad_joints(path, index, numbers[: len(names)])
    for name, (_, _, confidence) in zip(names, numbers, strict=True):
        if person.source != COCO_ANNOTATIONS and confidence > _LARGEST_CONFIDENCE:
            raise UnusablePersonError(
                f"has confidence {confidence:g} of {name}; expected a number in [0, 1]"
            )
    xy, confidence = numbers[:, :2], numbers[:, 2]
    if person.source == COCO_ANNOTATIONS:
        confidence = _COCO_VISIBILITY_CONFIDENCE[confidence.astype(int)]
    keypoints = as_body25(Keypoints2D(xy, np.clip(confidence, 0.0, 1.0)), names)
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )


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


def to_box(values: object) -> Box:
    """Returns the square around a box, with the margin that boxes of keypoints have.

    Args:
      values: the file's JSON value; in a sound file a list of x, y, width and height,
        pixels.

    Raises:
      UnusablePersonError: the value is no such box, or the box is too small or at a
        position that no photo has.
    """
    sound = isinstance(values, list) and len(values) == 4
    if not sound or not all(map(_is_number, values)):
        raise UnusablePersonError("has a box that is not x, y, width, height")
    x, y, width, height = map(_to_float, values)
    if not max(map(abs, (x, y, width, height))) < _LARGEST_POSITION_PX:
        raise UnusablePersonError("has a box at a position that no photo has")
    if not min(width, height) >= _SMALLEST_EXTENT_PX:
        raise UnusablePersonError(f"has a box of {width:g} x {height:g} pixels")
    center = np.array([x + width / 2.0, y + height / 2.0], np.float32)
    return Box(center, np.float32(MARGIN * max(width, height)))


def require_usable(keypoints: Keypoints2D, min_confidence: float) -> None:
    """Refuses keypoints that give no box around the person.

    Args:
      keypoints: keypoints of one person, pixels.
      min_confidence: confidence above which a joint counts as seen.

    Raises:
      UnusablePersonError: fewer than two joints are seen, or all within two pixels.
    """
    seen = keypoints.xy[keypoints.confidence > min_confidence]
    if len(seen) < 2:
        number = "only one joint" if len(seen) else "no joint"
        raise UnusablePersonError(
            f"has {number} with a confidence above {min_confidence:g}"
        )
    if np.ptp(seen, axis=0).max() < _SMALLEST_EXTENT_PX:
        raise UnusablePersonError(
            f"has all its joints within {_SMALLEST_EXTENT_PX:g} pixels "
            "(keypoints must be in pixels, not in fractions of the image's size)"
        )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)  # not bool, which is an int


def _to_float(value: object) -> float:
    """Returns a value as a number; infinity or NaN if it cannot be used as one."""
    try:
        return float(value) if _is_number(value) else float("nan")
    except OverflowError:  # an integer beyond any float
        return float("inf")
