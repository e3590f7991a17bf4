"""Defines the common form of a detected person before the numbers are checked.

All modules of `detection_formats` return `RawPerson`s, and use the helpers below.
"""

import dataclasses
import os
import re
from collections.abc import Mapping

from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25

OPENPOSE = "OpenPose"
COCO_RESULTS = "COCO results"
COCO_ANNOTATIONS = "COCO annotations"
MMPOSE = "MMPose"
EASY_VITPOSE = "easy_ViTPose"
ULTRALYTICS = "Ultralytics"
MEDIAPIPE = "MediaPipe"
ARRAYS = "arrays of keypoints"
PLAIN_BOXES = "plain boxes"

# Names that other skeletons use for joints of BODY_25.
_ALIASES = {
    "hip": "mid_hip", "pelvis": "mid_hip", "thorax": "neck",
    "left_foot_index": "left_big_toe", "right_foot_index": "right_big_toe",
}  # fmt: skip
# Keys under which objects that are joints have their names: TensorFlow.js, its PoseNet,
# Roboflow.
_NAME_KEYS = ("name", "part", "class", "class_name", "label")
# Keys under which programs write the size of the picture.
_WIDTH_KEYS = ("width", "image_width", "imageWidth", "canvas_width")
_HEIGHT_KEYS = ("height", "image_height", "imageHeight", "canvas_height")
# Keys of a person's identity across pictures: MMPose, Ultralytics and PoseTrack, COCO's
# trackers, AlphaPose, OpenPifPaf, OpenPose, EasyMocap.
_TRACK_KEYS = ("track_id", "tracking_id", "idx", "id_", "person_id", "personID")


@dataclasses.dataclass(frozen=True)
class RawPerson:
    """Holds what a file says about one person; numbers and types are not checked."""

    values: object
    """Flat list, in a sound file, of x and y (pixels, or shares of the picture's size)
    and confidence of every joint, in the file's own order of joints. None if the file
    has no body of this person."""
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
    """List, in a sound file of plain boxes, of x, y, width and height in pixels; None
    in other formats."""
    fault: str = ""
    """Why the person cannot be used, as text that continues "person 3 ..."; empty if
    the format's reader found no fault."""


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
    names = tuple(our_name(name) for name in names)
    if not set(names) & set(BODY_25.names):
        raise InputError(path, f"{what} names no joint of a human body")
    return names


def our_name(name: str) -> str:
    """Returns the name of a joint as BODY_25 spells it; "leftEye" is "left_eye"."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|[ -]", "_", name).lower()
    return _ALIASES.get(name, name)


def stated_names(names: object) -> tuple[str, ...] | None:
    """Returns joint names that a file may state, spelt as in BODY_25, or None.

    Names of which most are unknown are another program's own, and do not count.

    Args:
      names: any JSON; in a sound file a list of the names.
    """
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        return None
    ours = tuple(our_name(name) for name in names)
    known = len(set(ours) & set(BODY_25.names))
    return ours if 2 * known > len(ours) else None


def names_of_objects(joints: object) -> tuple[str, ...] | None:
    """Returns the names of joints that are objects with a name each, or None.

    Args:
      joints: any JSON; `{"x", "y", "score", "name"}` of TensorFlow.js, for instance.
    """
    if not isinstance(joints, list) or not all(isinstance(j, dict) for j in joints):
        return None
    key = next((key for key in _NAME_KEYS if joints and key in joints[0]), None)
    return stated_names([joint.get(key) for joint in joints]) if key else None


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
    if not isinstance(items, list) or (
        items and not any(isinstance(item, dict) for item in items)
    ):
        raise InputError(path, f"{what} is not a list of JSON objects")
    return [item if isinstance(item, dict) else {} for item in items]


def whole_number(value: object) -> int | None:
    """Returns a number that a file may write as 3, 3.0, "3" or [3]; otherwise None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 16:
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value if type(value) is int and abs(value) < 1e15 else None


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
    if type(value) is float and value.is_integer():
        value = int(value)
    return str(value) if type(value) in (int, str) and value != "" else None


def picture_fields(value: object) -> dict[str, str | None]:
    """Returns the fields `image_name` and `image_id` of what a file calls a picture.

    Args:
      value: the file's JSON value; some programs write the name of the file as its id.
    """
    name = value if isinstance(value, str) else None
    return {"image_name": name, "image_id": picture_id(value)}


def picture_size(content: Mapping[str, object]) -> tuple[int, int] | None:
    """Returns the (width, height) in pixels that a JSON object states, or None."""
    sides = [
        next((content[key] for key in keys if key in content), None)
        for keys in (_WIDTH_KEYS, _HEIGHT_KEYS)
    ]
    sound = all(type(side) in (int, float) for side in sides)
    # No photograph has longer sides; infinity and NaN are refused as well.
    sound = sound and all(1 <= side < 1e6 for side in sides)
    return (int(sides[0]), int(sides[1])) if sound else None
