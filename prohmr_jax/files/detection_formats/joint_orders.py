"""Tells in which order the joints of a file are, from their number and positions.

`files.keypoint_checks` calls it for people of files that do not name their joints.
"""

from collections.abc import Sequence

import numpy as np

from prohmr_jax.files.detection_formats.raw import OPENPOSE, RawPerson
from prohmr_jax.skeleton import (
    BODY_25,
    BODY_25B,
    COCO_17,
    COCO_FEET_23,
    HALPE_26,
    MEDIAPIPE_33,
    OPENPOSE_18,
    JointSet,
)

# Whole-body files go on with 68 points of the face and 21 of each hand, BODY_135 with
# 70 and 20.
_FACE_AND_HANDS = 68 + 2 * 21
_FACE_AND_HANDS_OPENPOSE = 70 + 2 * 20
DETECTED_SETS = {
    **{
        joints.label: (joints, len(joints))
        for joints in (
            BODY_25, BODY_25B, OPENPOSE_18, COCO_17, COCO_FEET_23, HALPE_26,
            MEDIAPIPE_33,
        )
    },
    "COCO_WHOLEBODY_133": (COCO_FEET_23, len(COCO_FEET_23) + _FACE_AND_HANDS),
    "HALPE_136": (HALPE_26, len(HALPE_26) + _FACE_AND_HANDS),
    "BODY_135": (BODY_25B, len(BODY_25B) + _FACE_AND_HANDS_OPENPOSE),
}  # fmt: skip
"""Name of an order of joints in detectors' files -> the joints that come first, and the
number of all joints of a person."""
# Orders that are told by the number of joints; the first of two with one number wins.
_OF_ANY_FORMAT = (
    "COCO_17", "COCO_FEET_23", "HALPE_26", "MEDIAPIPE_33", "COCO_WHOLEBODY_133",
    "HALPE_136",
)  # fmt: skip
_OF_OPENPOSE = (*_OF_ANY_FORMAT, "OPENPOSE_18", "BODY_25", "BODY_135")
# Bones that are short on every body, whichever way it is turned.
_SHORT_BONES = (
    ("left_eye", "right_eye"), ("left_ear", "right_ear"),
    *((first.format(side=side), second.format(side=side))
      for side in ("left", "right")
      for first, second in (
          ("nose", "{side}_eye"), ("{side}_eye", "{side}_ear"), ("nose", "{side}_ear"),
          ("{side}_ankle", "{side}_heel"), ("{side}_ankle", "{side}_big_toe"),
      )),
)  # fmt: skip
# OpenPose puts the neck between the shoulders and the mid-hip between the hips; this
# distance from there, as a share of the person's larger side, contradicts BODY_25.
_OFF_THE_MIDDLE = 0.06
# Where neither is seen between its neighbours, the short bones must be shorter by this
# factor as BODY_25B numbers them.
_MUCH_SHORTER = 1 / 3
_SHORTER = 0.8
_MIN_SEEN = 0.05


def joint_names(person: RawPerson, number: int, order: str) -> tuple[str, ...] | None:
    """Returns the names of the joints that come first in a person's list, or None.

    None means that no order with this number of joints is known.

    Args:
      person: the person.
      number: number of joints that the person has.
      order: a name in `DETECTED_SETS` that the user chose, or empty.
    """
    if person.names is not None:
        return person.names if len(person.names) == number else None
    if order:
        joints, total = DETECTED_SETS[order]
        return joints.names if number == total else None
    known = _OF_OPENPOSE if person.source == OPENPOSE else _OF_ANY_FORMAT
    for joints, total in (DETECTED_SETS[name] for name in known):
        if number == total:
            return joints.names
    return None


def why_unknown(person: RawPerson, number: int, order: str) -> str:
    """Returns why a number of joints fits no order, to continue "person 3 has ...".

    Args:
      person: the person.
      number: number of joints that the person has.
      order: a name in `DETECTED_SETS` that the user chose, or empty.
    """
    if person.names is not None:
        return f"{number} joints, but the file names {len(person.names)}"
    if order:
        _, total = DETECTED_SETS[order]
        return f"{number} joints, but {order} has {total}"
    if person.source == OPENPOSE:
        return f"{number} joints instead of the 25 of OpenPose's BODY_25 or 18 of COCO"
    expected = "17 of COCO, 26 or 136 of Halpe, 33 of MediaPipe, or 133 of "
    note = ""
    same = [name for name, (_, total) in DETECTED_SETS.items() if total == number]
    if same:
        note = f" (if they are those of {' or '.join(same)}, set config.format)"
    return f"{number} joints instead of the {expected}COCO-WholeBody{note}"


def is_body_25b(people: Sequence[np.ndarray]) -> bool:
    """Returns whether people are in the order of BODY_25B rather than BODY_25.

    Both have 25 joints. The order is BODY_25B if neck or mid-hip, as BODY_25 numbers
    them, are not in the middle of shoulders or hips, and if the bones of head and feet
    are shorter as BODY_25B numbers them.

    Args:
      people: positions and confidences [25, 3] of each person of a file, any unit.
    """
    off_the_middle, log_ratios = [], []
    for person in people:
        seen = np.isfinite(person).all(axis=1) & (person[:, 2] > _MIN_SEEN)
        if not seen.any():
            continue
        size = max(np.ptp(person[seen, :2], axis=0).max(), 1e-9)
        off_the_middle += _off_the_middle(person[:, :2] / size, seen)
        lengths = [_mean_bone(person, seen, order) for order in (BODY_25B, BODY_25)]
        if min(lengths) > 0:
            log_ratios.append(np.log(lengths[0] / lengths[1]))
    if not log_ratios:
        return False
    ratio = np.exp(np.median(log_ratios))
    if not off_the_middle:
        return bool(ratio < _MUCH_SHORTER)
    return bool(ratio < _SHORTER and np.median(off_the_middle) > _OFF_THE_MIDDLE)


def _off_the_middle(xy: np.ndarray, seen: np.ndarray) -> list[float]:
    """Returns the larger distance of neck and mid-hip from their middles, if seen."""
    distances = []
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        between = BODY_25.index(middle)
        sides = list(BODY_25.indices(f"left_{part}", f"right_{part}"))
        if seen[[between, *sides]].all():
            distances.append(np.linalg.norm(xy[between] - xy[sides].mean(axis=0)))
    return [max(distances)] if distances else []


def _mean_bone(person: np.ndarray, seen: np.ndarray, order: JointSet) -> float:
    """Returns the mean length of the short bones that are seen; 0 if there are none."""
    first, second = (
        np.array([order.index(bone[end]) for bone in _SHORT_BONES]) for end in (0, 1)
    )
    both = seen[first] & seen[second]
    lengths = np.linalg.norm(person[first, :2] - person[second, :2], axis=1)
    return float(lengths[both].mean()) if both.any() else 0.0
