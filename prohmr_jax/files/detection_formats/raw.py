"""What a file says of a person, before its numbers are checked."""

import dataclasses
import os

from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, COCO_17, COCO_FEET_23, HALPE_26

OPENPOSE = "OpenPose"
COCO_RESULTS = "COCO results"
COCO_ANNOTATIONS = "COCO annotations"
MMPOSE = "MMPose"
EASY_VITPOSE = "easy_ViTPose"
PLAIN_BOXES = "plain boxes"

# What follows the body in whole bodies, and is left: the face's 68 and two hands.
_FACE_AND_HANDS = 68 + 2 * 21
# Sets of joints by the number of joints in the file.
_OPENPOSE_LAYOUTS = {len(joints): joints for joints in (BODY_25, COCO_17)}
_COCO_LAYOUTS = {
    **{len(joints): joints for joints in (COCO_17, HALPE_26)},
    **{len(joints) + _FACE_AND_HANDS: joints for joints in (COCO_FEET_23, HALPE_26)},
}
# Joints of BODY_25 under the names of others.
_ALIASES = {"hip": "mid_hip", "pelvis": "mid_hip", "thorax": "neck"}


@dataclasses.dataclass(frozen=True)
class RawPerson:
    """One person of a file, in its own order of joints."""

    values: object
    """x, y, confidence of every joint, one after another; if the file is sound."""
    source: str
    """One of the names above."""
    names: tuple[str, ...] | None = None
    """Of the joints, where the file says them."""
    image_name: str | None = None
    """File name of the photo, where the file says it."""
    frame: int | None = None
    """Number of the frame, where the file is of a video."""
    box: object = None
    """x, y, width, height, where that is all the file says; if it is sound."""

    def names_of(self, joints: int) -> tuple[str, ...] | None:
        """Returns the names of so many joints (the first ones at least), or None."""
        if self.names is not None:
            return self.names if len(self.names) == joints else None
        openpose = self.source == OPENPOSE
        layout = (_OPENPOSE_LAYOUTS if openpose else _COCO_LAYOUTS).get(joints)
        return None if layout is None else layout.names

    def why_unknown(self, count: int) -> str:
        """Returns what is wrong with a number of values that `names_of` refuses."""
        if count % 3:
            return f"{count} keypoint values, which is not a multiple of 3"
        joints = count // 3
        if self.names is not None:
            return f"{joints} joints, but the file names {len(self.names)}"
        expected = "17 of COCO, 26 or 136 of Halpe, or 133 of COCO-WholeBody"
        if self.source == OPENPOSE:
            expected = "25 of OpenPose's BODY_25 or 17 of COCO"
        note = ""
        if joints == 18:
            note = " (18 are OpenPose's COCO model: run it with --model_pose BODY_25)"
        return f"{joints} joints instead of the {expected}{note}"


def our_names(
    path: str | os.PathLike, table: object, what: str
) -> tuple[str, ...] | None:
    """Returns joint names of a table `{"0": "nose", ...}`, in our words.

    Raises:
      InputError: it is no such table, or names no joint of BODY_25.
    """
    try:
        numbered = {int(number): str(name) for number, name in dict(table).items()}
        names = [numbered[number] for number in range(len(numbered))]
    except (TypeError, ValueError, KeyError):
        raise InputError(path, f"{what} does not number the joints' names") from None
    names = [name.lower().replace(" ", "_") for name in names]
    names = tuple(_ALIASES.get(name, name) for name in names)
    if not set(names) & set(BODY_25.names):
        raise InputError(path, f"{what} names no joint of a human body")
    return names


def list_of_objects(path: str | os.PathLike, items: object, what: str) -> list[dict]:
    """Returns a list whose elements are all JSON objects; InputError otherwise."""
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise InputError(path, f"{what} is not a list of JSON objects")
    return items


def flat_values(joints: object, columns: tuple[int, int, int]) -> object:
    """Returns rows as one list of x, y, confidence, which are in those columns.

    Anything but rows of three comes back as it is, to be refused.
    """
    rows = isinstance(joints, list) and all(
        isinstance(row, list) and len(row) == len(columns) for row in joints
    )
    return [row[c] for row in joints for c in columns] if rows else joints
