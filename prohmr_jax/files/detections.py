"""Reads the 2D keypoints that OpenPose, COCO, AlphaPose, MMPose and ViTPose write.

Every person is returned in the order of BODY_25 and in image pixels, whatever the
format. A faulty file is refused as a whole (`InputError`). A person that cannot be used
is left out, with the reason, and the other people of the file are kept.
"""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.coco import coco_people, is_coco
from prohmr_jax.files.detection_formats.easy_vitpose import (
    easy_vitpose_people,
    is_easy_vitpose,
)
from prohmr_jax.files.detection_formats.mmpose import is_mmpose, mmpose_people
from prohmr_jax.files.detection_formats.openpose import is_openpose, openpose_people
from prohmr_jax.files.detection_formats.plain_boxes import (
    is_plain_boxes,
    plain_boxes_people,
)
from prohmr_jax.files.detection_formats.raw import (
    COCO_ANNOTATIONS,
    PLAIN_BOXES,
    RawPerson,
)
from prohmr_jax.files.json_text import read_json
from prohmr_jax.geometry.boxes import MARGIN, MIN_CONFIDENCE
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Box, Keypoints2D

_FORMATS = (
    (is_openpose, openpose_people),
    (is_easy_vitpose, easy_vitpose_people),
    (is_mmpose, mmpose_people),
    (is_plain_boxes, plain_boxes_people),
    (is_coco, coco_people),
)
# COCO's visibility flags: not labelled; labelled but hidden; labelled and visible.
_COCO_VISIBILITY_CONFIDENCE = np.array([0.0, 0.5, 1.0])
# No photograph is this wide, and float32 still resolves a tenth of a pixel here.
_LARGEST_POSITION_PX = 1e6
# OpenPose's scores pass 1 by a few per cent; percentages and logits are far above.
_LARGEST_CONFIDENCE = 1.5
# Keypoints within less than this are fractions of the image's size, or all one point.
_SMALLEST_EXTENT_PX = 2.0


@dataclasses.dataclass(frozen=True)
class Detection:
    """Holds one detected person."""

    keypoints: Keypoints2D
    """NumPy arrays in the order of BODY_25: xy [25, 2], image pixels, and confidence
    [25], in [0, 1]."""
    person_index: int
    """Position in the file's list of people, counting those that are left out."""
    source: str
    """Name of the format, one of the names in `detection_formats.raw`; or what a caller
    that detects people itself calls them."""
    image_name: str | None = None
    """File name of the photo, or None if the file does not name it."""
    frame: int | None = None
    """Number of the video frame, or None if the file is not about a video."""
    box: Box | None = None
    """Box of a person without keypoints, image pixels; all confidences are then zero.
    None if the person has keypoints."""


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Describes a person of the file that cannot be used."""

    person_index: int
    """Position in the file's list of people."""
    reason: str
    """Text that continues a sentence such as "person 3 ..."."""


@dataclasses.dataclass(frozen=True)
class Detections:
    """Holds the people of one file."""

    people: tuple[Detection, ...]
    """People that can be used; at least one."""
    left_out: tuple[LeftOut, ...]
    """People that cannot be used."""


def read_detections(
    path: str | os.PathLike,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    accept_boxes: bool = False,
) -> Detections:
    """Reads the people of a detector's JSON file.

    These formats are understood:

    * OpenPose (`people[].pose_keypoints_2d`, or the older `pose_keypoints`), with the
      25 joints of BODY_25 or the 17 of COCO.
    * COCO's results, which AlphaPose writes too (a list of objects with `keypoints`),
      with the 17 joints of COCO, 26 or 136 of Halpe, or 133 of COCO-WholeBody.
    * COCO's annotations.
    * MMPose's `instance_info` or `predictions`, for pictures and videos.
    * easy_ViTPose's frames.
    * If `accept_boxes` is true, boxes without joints: `{"boxes": [[x, y, width,
      height]]}`, or COCO's results of object detectors.

    Confidences are clipped to [0, 1]; COCO's visibility flags 0, 1, 2 become 0, 0.5, 1.
    `as_body25` says what happens to joints of BODY_25 that the file does not have.

    Args:
      path: the JSON file.
      min_confidence: confidence above which a joint counts as seen.
      accept_boxes: whether to accept people who have a box and no joints.

    Returns:
      The people that can be used, and those left out with the reason. A person is left
      out if the number of joints is unknown, if a number is not finite or cannot be a
      pixel or a confidence, if fewer than two joints are seen, or if all seen joints
      lie in one point.

    Raises:
      InputError: the file is missing, empty, truncated or in another format, or it
        holds no person that can be used.
    """
    people = _raw_people(path, read_json(path))
    if not people:
        raise InputError(path, "no people were detected")
    kept, left_out = [], []
    for index, person in enumerate(people):
        try:
            if person.source == PLAIN_BOXES and accept_boxes:
                keypoints, box = _NO_KEYPOINTS, _to_box(person.box)
            else:
                keypoints, box = _to_keypoints(person), None
                _require_usable(keypoints, min_confidence)
        except _UnusableError as error:
            left_out.append(LeftOut(index, str(error)))
            continue
        source = person.source, person.image_name, person.frame
        kept.append(Detection(keypoints, index, *source, box))
    if not kept:
        first = left_out[0]
        raise InputError(
            path,
            f"none of its {len(people)} people can be used; "
            f"person {first.person_index} {first.reason}",
        )
    return Detections(tuple(kept), tuple(left_out))


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


def _raw_people(path: str | os.PathLike, content: object) -> list[RawPerson]:
    """Returns the unchecked people of a file in any of the formats."""
    for is_format, people in _FORMATS:
        if is_format(content):
            return people(path, content)
    raise InputError(
        path,
        'is neither OpenPose JSON ("people"), COCO or AlphaPose JSON (a list, or '
        '"annotations"), MMPose JSON ("instance_info") nor easy_ViTPose JSON '
        '("keypoints" and "skeleton")',
    )


_NO_KEYPOINTS = Keypoints2D(
    np.zeros((len(BODY_25), 2), np.float32), np.zeros(len(BODY_25), np.float32)
)


class _UnusableError(ValueError):
    """Says what is wrong with a person; the text continues "person 3 ..."."""


def _to_keypoints(person: RawPerson) -> Keypoints2D:
    """Checks the numbers of a person and returns them in the order of BODY_25."""
    values = person.values
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise _UnusableError("has keypoints that are not a list of numbers")
    if not values:
        raise _UnusableError("has no body keypoints")
    joints, rest = divmod(len(values), 3)
    names = None if rest else person.names_of(joints)
    if names is None:
        raise _UnusableError(f"has {person.why_unknown(len(values))}")
    numbers = np.array([_to_float(v) for v in values]).reshape(joints, 3)
    numbers = numbers[: len(names)]
    for name, (x, y, confidence) in zip(names, numbers, strict=True):
        if not np.isfinite([x, y, confidence]).all():
            raise _UnusableError(f"has a value of {name} that is not finite")
        if max(abs(x), abs(y)) > _LARGEST_POSITION_PX:
            raise _UnusableError(f"has {name} at a position that no photo has")
        if person.source != COCO_ANNOTATIONS and confidence > _LARGEST_CONFIDENCE:
            raise _UnusableError(
                f"has confidence {confidence:g} of {name}; expected a number in [0, 1]"
            )
    xy, confidence = numbers[:, :2], numbers[:, 2]
    if person.source == COCO_ANNOTATIONS:
        confidence = _COCO_VISIBILITY_CONFIDENCE[confidence.astype(int)]
    keypoints = as_body25(Keypoints2D(xy, np.clip(confidence, 0.0, 1.0)), names)
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )


def _to_box(values: object) -> Box:
    """Returns the square around a box, with the margin that boxes of keypoints have."""
    sound = isinstance(values, list) and len(values) == 4
    if not sound or not all(map(_is_number, values)):
        raise _UnusableError("has a box that is not x, y, width, height")
    x, y, width, height = map(_to_float, values)
    if not max(map(abs, (x, y, width, height))) < _LARGEST_POSITION_PX:
        raise _UnusableError("has a box at a position that no photo has")
    if not min(width, height) >= _SMALLEST_EXTENT_PX:
        raise _UnusableError(f"has a box of {width:g} x {height:g} pixels")
    center = np.array([x + width / 2.0, y + height / 2.0], np.float32)
    return Box(center, np.float32(MARGIN * max(width, height)))


def _require_usable(keypoints: Keypoints2D, min_confidence: float) -> None:
    """Raises _UnusableError if the keypoints give no box around the person."""
    seen = keypoints.xy[keypoints.confidence > min_confidence]
    if len(seen) < 2:
        number = "only one joint" if len(seen) else "no joint"
        raise _UnusableError(f"has {number} with a confidence above {min_confidence:g}")
    if np.ptp(seen, axis=0).max() < _SMALLEST_EXTENT_PX:
        raise _UnusableError(
            f"has all its joints within {_SMALLEST_EXTENT_PX:g} pixels "
            "(keypoints must be in pixels, not in fractions of the image's size)"
        )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)  # not bool, which is an int


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return float("inf")
