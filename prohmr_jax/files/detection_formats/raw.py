"""Defines the common form of a detected person before the numbers are checked.

All modules of `detection_formats` return `RawPerson`s, and use the helpers below.
"""

import dataclasses
import os
from collections.abc import Mapping

from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, COCO_17, COCO_FEET_23, HALPE_26

OPENPOSE = "OpenPose"
COCO_RESULTS = "COCO results"
COCO_ANNOTATIONS = "COCO annotations"
MMPOSE = "MMPose"
EASY_VITPOSE = "easy_ViTPose"
PLAIN_BOXES = "plain boxes"

# Whole-body layouts go on with 68 points of the face and 21 of each hand, which are not
# read.
_FACE_AND_HANDS = 68 + 2 * 21
# Sets of joints by the number of joints in the file.
_OPENPOSE_LAYOUTS = {len(joints): joints for joints in (BODY_25, COCO_17)}
_COCO_LAYOUTS = {
    **{len(joints): joints for joints in (COCO_17, HALPE_26)},
    **{len(joints) + _FACE_AND_HANDS: joints for joints in (COCO_FEET_23, HALPE_26)},
}
# Names that other skeletons use for joints of BODY_25.
_ALIASES = {"hip": "mid_hip", "pelvis": "mid_hip", "thorax": "neck"}


@dataclasses.dataclass(frozen=True)
class RawPerson:
    """Holds what a file says about one person; numbers and types are not checked."""

    values: object
    """In a sound file a flat list: x and y (pixels) and confidence of every joint, in
    the file's own order of joints. None if the file has no body of this person."""
    source: str
    """Name of the format, one of the constants of this module."""
    names: tuple[str, ...] | None = None
    """Names of the joints, or None if the file does not name them."""
    image_name: str | None = None
    """File name of the photo, or None if the file does not name it."""
    image_id: str | None = None
    """What the file calls the picture, a name or a number; None if it says nothing."""
    image_size: tuple[int, int] | None = None
    """(width, height) of the picture in pixels, or None if the file does not say."""
    frame: int | None = None
    """Number of the video frame, or None if the file is not about a video."""
    track_id: str | None = None
    """Identity of the person across pictures, or None if the file does not say."""
    box: object = None
    """In a sound file of plain boxes a list: x, y, width and height in pixels; None in
    other formats."""

    fault: str = ""
    """Why the person cannot be used, as text that continues "person 3 ..."; empty if
    the format's reader found no fault."""

    def names_of(self, joints: int) -> tuple[str, ...] | None:
        """Returns the joint names of a person with a given number of joints, or None.

        The names may be fewer than the joints; they then name the first joints. None
        means that no layout with this number of joints is known.
        """
        if self.names is not None:
            return self.names if len(self.names) == joints else None
        openpose = self.source == OPENPOSE
        layout = (_OPENPOSE_LAYOUTS if openpose else _COCO_LAYOUTS).get(joints)
        return None if layout is None else layout.names

    def why_unknown(self, count: int) -> str:
        """Returns why a number of keypoint values fits no layout, for a message."""
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
    """Returns the joint names of a table `{"0": "nose", ...}`, spelt as in BODY_25.

    Args:
      path: path of the file, for messages.
      table: the table, which may be any JSON.
      what: name of the table in the file, for messages.

    Raises:
      InputError: the table does not number names, or names no joint of BODY_25.
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


# Keys of a person's identity across pictures: MMPose and PoseTrack, COCO's trackers,
# AlphaPose, OpenPifPaf, OpenPose.
_TRACK_KEYS = ("track_id", "tracking_id", "idx", "id_", "person_id")


def track_of(person: Mapping[str, object]) -> str | None:
    """Returns a person's identity across pictures, or None if there is none.

    Args:
      person: the person's JSON object. AlphaPose and OpenPose write a list of one
        number, and OpenPose writes -1 for nobody in particular.
    """
    for key in _TRACK_KEYS:
        value = person.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int and value >= 0 or isinstance(value, str) and value:
            return str(value)
    return None


def picture_id(value: object) -> str | None:
    """Returns what a file calls a picture as text, or None if it is no name or number.

    Args:
      value: the file's JSON value, such as COCO's `image_id`.
    """
    return str(value) if type(value) in (int, str) and value != "" else None


def picture_size(width: object, height: object) -> tuple[int, int] | None:
    """Returns (width, height) of a picture, pixels; None if they are no sizes.

    Args:
      width: the file's JSON value.
      height: the file's JSON value.
    """
    sound = all(type(side) in (int, float) for side in (width, height))
    # No photograph has longer sides; infinity and NaN are refused as well.
    sound = sound and all(1 <= side < 1e6 for side in (width, height))
    return (int(width), int(height)) if sound else None


def list_of_objects(path: str | os.PathLike, items: object, what: str) -> list[dict]:
    """Returns the JSON objects of a list; other elements become empty objects.

    One bad element costs itself alone: what it should have said is missing later.

    Args:
      path: path of the file, for messages.
      items: any JSON.
      what: name of the list in the file, for messages.

    Raises:
      InputError: `items` is no list, or has elements but no JSON object.
    """
    sound = isinstance(items, list)
    if not sound or (items and not any(isinstance(item, dict) for item in items)):
        raise InputError(path, f"{what} is not a list of JSON objects")
    return [item if isinstance(item, dict) else {} for item in items]


def flat_values(joints: object, columns: tuple[int, int, int]) -> object:
    """Returns the rows of joints as one flat list of x, y, confidence.

    Args:
      joints: any JSON; in a sound file a list of rows with three numbers.
      columns: columns of x, y and confidence in each row.

    Returns:
      The flat list, with None for the numbers of a joint that is no such row; or
      `joints` unchanged if no joint is, which the check of the numbers refuses later.
    """
    if not isinstance(joints, list):
        return joints
    sound = [isinstance(row, list) and len(row) == len(columns) for row in joints]
    if not any(sound):
        return joints
    missing = [None] * len(columns)
    rows = [
        row if is_sound else missing
        for row, is_sound in zip(joints, sound, strict=True)
    ]
    return [row[c] for row in rows for c in columns]
