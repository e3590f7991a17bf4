"""2D keypoints as OpenPose, COCO, AlphaPose, MMPose and ViTPose write them.

Whatever the source, a person comes out in the order of BODY_25, in image pixels.
A file that is wrong is refused as a whole (`InputError`); a person that cannot be
used is left out with the reason, and the others of the file survive.
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
# Below this extent the "pixels" are shares of the image, or all one point.
_SMALLEST_EXTENT_PX = 2.0


@dataclasses.dataclass(frozen=True)
class Detection:
    """One detected person."""

    keypoints: Keypoints2D
    """NumPy, xy [25, 2] in image pixels and confidence [25], order of BODY_25."""
    person_index: int
    """Position in the file's list of people, those left out included."""
    source: str
    """Name of the format, one of `detection_formats.raw`."""
    image_name: str | None = None
    """File name of the photo where the file says it."""
    frame: int | None = None
    """Number of the frame, where the file is of a video."""
    box: Box | None = None
    """Where the file has boxes only; the confidences are then all zero."""


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A person of the file that cannot be used."""

    person_index: int
    reason: str


@dataclasses.dataclass(frozen=True)
class Detections:
    """The people of a file; at least one."""

    people: tuple[Detection, ...]
    left_out: tuple[LeftOut, ...]


def read_detections(
    path: str | os.PathLike,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    accept_boxes: bool = False,
) -> Detections:
    """Reads the people of a detector's JSON file.

    Understood are OpenPose's files (`people[].pose_keypoints_2d`, or the older
    `pose_keypoints`) with the 25 joints of BODY_25 or the 17 of COCO; COCO's results
    (a list with `keypoints`), which are AlphaPose's too, with 17 joints of COCO, 26 or
    136 of Halpe, or 133 of COCO-WholeBody; COCO's annotations; MMPose's `instance_info`
    or `predictions`, of pictures and videos; easy_ViTPose's frames; and, where asked
    for, boxes without joints (`{"boxes": [[x, y, width, height]]}`, or COCO's results
    of object detectors). Confidences
    are clipped to [0, 1]; COCO's visibility flags 0, 1, 2 become 0, 0.5, 1. What
    BODY_25 has and the file has not: see `as_body25`.

    Args:
      path: the JSON file.
      min_confidence: a joint counts as seen above this.
      accept_boxes: also takes people of whom the file has a box and no joints.

    Returns:
      The people that can be used. Left out is one with another number of joints, with
      a number that is not finite or cannot be a pixel or a confidence, with fewer than
      two joints seen, or with all of them in one point.

    Raises:
      InputError: the file is missing, empty, truncated or of another format; there are
        no people, or none can be used.
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
    """Returns keypoints in the order of BODY_25, over leading axes.

    Where neck and mid-hip have no name, they are midpoints of shoulders and hips, with
    the lower confidence of the two; other joints without a name are missing.

    Args:
      keypoints: any joints.
      names: of those joints; what BODY_25 does not know is left.
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
    """Finds the people, in whichever format they are."""
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
    """What is wrong with a person, as goes on "person 3 ..."."""


def _to_keypoints(person: RawPerson) -> Keypoints2D:
    """Checks the numbers of a person, and brings them into the order of BODY_25."""
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
            raise _UnusableError(f"has {name} at no possible pixel")
        if person.source != COCO_ANNOTATIONS and confidence > _LARGEST_CONFIDENCE:
            raise _UnusableError(
                f"has confidence {confidence:g} of {name}; expected in [0, 1]"
            )
    xy, confidence = numbers[:, :2], numbers[:, 2]
    if person.source == COCO_ANNOTATIONS:
        confidence = _COCO_VISIBILITY_CONFIDENCE[confidence.astype(int)]
    keypoints = as_body25(Keypoints2D(xy, np.clip(confidence, 0.0, 1.0)), names)
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )


def _to_box(values: object) -> Box:
    """Returns the square around a box with the margin that keypoints get."""
    sound = isinstance(values, list) and len(values) == 4
    if not sound or not all(map(_is_number, values)):
        raise _UnusableError("has a box that is not x, y, width, height")
    x, y, width, height = map(_to_float, values)
    if not max(map(abs, (x, y, width, height))) < _LARGEST_POSITION_PX:
        raise _UnusableError("has a box at no possible pixel")
    if not min(width, height) >= _SMALLEST_EXTENT_PX:
        raise _UnusableError(f"has a box of {width:g} x {height:g} pixels")
    center = np.array([x + width / 2.0, y + height / 2.0], np.float32)
    return Box(center, np.float32(MARGIN * max(width, height)))


def _require_usable(keypoints: Keypoints2D, min_confidence: float) -> None:
    """Refuses a person around whom no box can be drawn."""
    seen = keypoints.xy[keypoints.confidence > min_confidence]
    if len(seen) < 2:
        number = "only one joint" if len(seen) else "no joint"
        raise _UnusableError(f"has {number} with a confidence above {min_confidence:g}")
    if np.ptp(seen, axis=0).max() < _SMALLEST_EXTENT_PX:
        raise _UnusableError(
            f"has all its joints within {_SMALLEST_EXTENT_PX:g} pixels "
            "(keypoints must be in pixels, not in shares of the image)"
        )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)  # not bool, which is an int


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return float("inf")
