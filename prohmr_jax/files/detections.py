"""2D keypoints as detectors write them: OpenPose's JSON and COCO's.

Whatever the source, a person comes out in the order of BODY_25, in image pixels.
A file that is wrong is refused as a whole (`InputError`); a person that cannot be
used is left out with the reason, and the others of the file survive.
"""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

from prohmr_jax.boxes import MIN_CONFIDENCE
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Keypoints2D

OPENPOSE = "OpenPose"
COCO_RESULTS = "COCO results"
COCO_ANNOTATIONS = "COCO annotations"

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
    """OPENPOSE, COCO_RESULTS or COCO_ANNOTATIONS."""
    image_name: str | None = None
    """File name of the photo where the file says it."""


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


@dataclasses.dataclass(frozen=True)
class _Person:
    """What a file says of a person, before anything is checked."""

    values: object
    source: str
    image_name: str | None = None


def read_detections(
    path: str | os.PathLike, *, min_confidence: float = MIN_CONFIDENCE
) -> Detections:
    """Reads the people of a detector's JSON file.

    Understood are OpenPose's files (`people[].pose_keypoints_2d`, or the older
    `pose_keypoints`) with the 25 joints of BODY_25 or the 17 of COCO, and COCO's
    results (a list with `keypoints` of 51 values) and annotations (`annotations`).
    Confidences are clipped to [0, 1]; COCO's visibility flags 0, 1, 2 become
    0, 0.5, 1. Joints that COCO lacks: neck and mid-hip are midpoints with the lower
    confidence of their two joints, feet are missing.

    Args:
      path: the JSON file.
      min_confidence: a joint counts as seen above this; a person with fewer than two
        such joints, or with all of them in one point, is left out.

    Raises:
      InputError: the file is missing, empty, truncated or of another format; a number
        is not finite or cannot be a pixel; the number of joints is another; there are
        no people, or none can be used.
    """
    people = _list_people(path, _load_json(path))
    if not people:
        raise InputError(path, "no people were detected")
    kept, left_out = [], []
    for index, person in enumerate(people):
        keypoints = _to_keypoints(path, index, person)
        reason = _why_unusable(keypoints, min_confidence)
        if reason:
            left_out.append(LeftOut(index, reason))
        else:
            kept.append(Detection(keypoints, index, person.source, person.image_name))
    if not kept:
        first = left_out[0]
        raise InputError(
            path,
            f"none of its {len(people)} people can be used; "
            f"person {first.person_index} {first.reason}",
        )
    return Detections(tuple(kept), tuple(left_out))


def coco_to_body25(coco: Keypoints2D) -> Keypoints2D:
    """Returns keypoints in the order of BODY_25, of COCO_17 ones, over leading axes."""
    shape = (*coco.confidence.shape[:-1], len(BODY_25))
    xy, confidence = np.zeros((*shape, 2)), np.zeros(shape)
    shared = [n for n in BODY_25.names if n in COCO_17.names]
    here, there = BODY_25.indices(*shared), COCO_17.indices(*shared)
    xy[..., here, :] = coco.xy[..., there, :]
    confidence[..., here] = coco.confidence[..., there]
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        pair = COCO_17.indices(f"left_{part}", f"right_{part}")
        xy[..., BODY_25.index(middle), :] = coco.xy[..., pair, :].mean(-2)
        confidence[..., BODY_25.index(middle)] = coco.confidence[..., pair].min(-1)
    return Keypoints2D(xy, confidence)


def _load_json(path: str | os.PathLike) -> object:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise InputError(path, "is empty")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(path, "is not JSON: it is not text in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith(
            "Unterminated string"
        )
        fault = "is truncated, or not JSON" if cut else "is not JSON"
        raise InputError(path, f"{fault}: {error.msg} at {where}") from error
    except RecursionError as error:
        raise InputError(path, "is nested too deeply for keypoints") from error
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(path, "holds a number that is far too long") from error


def _list_people(path: str | os.PathLike, content: object) -> list[_Person]:
    """Finds the list of people in any of the formats."""
    if isinstance(content, dict) and "people" in content:
        people = _list_of_objects(path, content["people"], '"people"')
        return [_openpose_person(path, i, p) for i, p in enumerate(people)]
    if isinstance(content, dict) and "annotations" in content:
        people = _list_of_objects(path, content["annotations"], '"annotations"')
        images = _list_of_objects(path, content.get("images", []), '"images"')
        names = {
            image.get("id"): image.get("file_name")
            for image in images
            if _is_name_or_number(image.get("id"))
        }
        return [_coco_person(p, names) for p in people]
    if isinstance(content, list):
        people = _list_of_objects(path, content, "the file")
        if people and not any("keypoints" in p for p in people):
            raise InputError(path, 'is a list, but nothing in it has "keypoints"')
        return [_coco_person(p, {}) for p in people]
    raise InputError(
        path, 'is neither OpenPose JSON ("people") nor COCO JSON ("annotations")'
    )


def _openpose_person(path: str | os.PathLike, index: int, person: dict) -> _Person:
    for key in ("pose_keypoints_2d", "pose_keypoints"):
        if key in person:
            return _Person(person[key], OPENPOSE)
    raise InputError(path, f'person {index} has no "pose_keypoints_2d"')


def _coco_person(person: dict, file_names: dict) -> _Person:
    values = person.get("keypoints", [])
    # Annotations carry visibility flags, results a score and confidences.
    flags = "score" not in person and _are_visibility_flags(values)
    image = person.get("image_id")
    name = file_names.get(image) if _is_name_or_number(image) else None
    name = name or image  # some detectors put the file name there
    return _Person(
        values,
        COCO_ANNOTATIONS if flags else COCO_RESULTS,
        name if isinstance(name, str) else None,
    )


def _to_keypoints(
    path: str | os.PathLike, index: int, person: _Person
) -> Keypoints2D | None:
    """Checks the numbers of a person; None if there are no numbers at all."""
    who = f"person {index}"
    values = person.values
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise InputError(path, f"{who}: the keypoints are not a list of numbers")
    if not values:
        return None
    joints, rest = divmod(len(values), 3)
    coco = person.source != OPENPOSE or joints == len(COCO_17)
    expected = len(COCO_17 if coco else BODY_25)
    if rest or joints != expected:
        raise InputError(path, f"{who} has {_wrong_count(len(values), coco)}")
    names = COCO_17.names if coco else BODY_25.names
    numbers = np.array([_to_float(v) for v in values]).reshape(joints, 3)
    for name, (x, y, confidence) in zip(names, numbers, strict=True):
        if not np.isfinite([x, y, confidence]).all():
            raise InputError(path, f"{who}: {name} has a value that is not finite")
        if max(abs(x), abs(y)) > _LARGEST_POSITION_PX:
            raise InputError(path, f"{who}: {name} is at no possible pixel")
        if person.source != COCO_ANNOTATIONS and confidence > _LARGEST_CONFIDENCE:
            raise InputError(
                path,
                f"{who}: {name} has confidence {confidence:g}; expected in [0, 1]",
            )
    xy, confidence = numbers[:, :2], numbers[:, 2]
    if person.source == COCO_ANNOTATIONS:
        confidence = _COCO_VISIBILITY_CONFIDENCE[confidence.astype(int)]
    keypoints = Keypoints2D(xy, np.clip(confidence, 0.0, 1.0))
    keypoints = coco_to_body25(keypoints) if coco else keypoints
    return Keypoints2D(
        keypoints.xy.astype(np.float32), keypoints.confidence.astype(np.float32)
    )


def _why_unusable(keypoints: Keypoints2D | None, min_confidence: float) -> str:
    """Returns why no box can be drawn around the person, or nothing."""
    if keypoints is None:
        return "has no body keypoints"
    seen = keypoints.xy[keypoints.confidence > min_confidence]
    if not len(seen):
        return f"has no joint with a confidence above {min_confidence:g}"
    if len(seen) == 1:
        return f"has only one joint with a confidence above {min_confidence:g}"
    if np.ptp(seen, axis=0).max() < _SMALLEST_EXTENT_PX:
        return (
            f"has all its joints within {_SMALLEST_EXTENT_PX:g} pixels "
            "(keypoints must be in pixels, not in shares of the image)"
        )
    return ""


def _wrong_count(count: int, coco: bool) -> str:
    if count % 3:
        return f"{count} keypoint values, which is not a multiple of 3"
    expected = "17 of COCO" if coco else "25 of OpenPose's BODY_25 or 17 of COCO"
    note = ""
    if count == 18 * 3:
        note = " (18 are OpenPose's COCO model: run it with --model_pose BODY_25)"
    return f"{count // 3} joints instead of the {expected}{note}"


def _list_of_objects(path: str | os.PathLike, items: object, what: str) -> list[dict]:
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise InputError(path, f"{what} is not a list of JSON objects")
    return items


def _are_visibility_flags(values: object) -> bool:
    return isinstance(values, list) and all(
        type(v) in (int, float) and v in (0, 1, 2) for v in values[2::3]
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float)  # not bool, which is an int


def _is_name_or_number(value: object) -> bool:
    return isinstance(value, str | int)


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return float("inf")
