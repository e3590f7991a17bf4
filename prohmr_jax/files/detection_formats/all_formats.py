"""Finds the format of a file of detections, and returns its people unchecked.

`files.detections` calls it. A file may also hold several pictures, each in one of the
formats: as a list, one in each line of text, or in an object under the pictures' names.
"""

import dataclasses
import hashlib
import os

from prohmr_jax.errors import InputError, one_line
from prohmr_jax.files.detection_formats.array_dumps import (
    array_dump_people,
    is_array_dump,
    is_list_of_dumps,
)
from prohmr_jax.files.detection_formats.coco import coco_people, is_coco
from prohmr_jax.files.detection_formats.easy_vitpose import (
    easy_vitpose_people,
    is_easy_vitpose,
)
from prohmr_jax.files.detection_formats.easymocap import easymocap_people, is_easymocap
from prohmr_jax.files.detection_formats.mediapipe import is_mediapipe, mediapipe_people
from prohmr_jax.files.detection_formats.mmpose import is_mmpose, mmpose_people
from prohmr_jax.files.detection_formats.openpose import is_openpose, openpose_people
from prohmr_jax.files.detection_formats.plain_boxes import (
    is_plain_boxes,
    plain_boxes_people,
)
from prohmr_jax.files.detection_formats.raw import (
    RawPerson,
    picture_fields,
    whole_number,
)
from prohmr_jax.files.detection_formats.ultralytics import (
    is_ultralytics,
    ultralytics_people,
)
from prohmr_jax.files.json_text import read_json_lines

_FORMATS = (
    (is_openpose, openpose_people),
    (is_easymocap, easymocap_people),
    (is_easy_vitpose, easy_vitpose_people),
    (is_mmpose, mmpose_people),
    (is_ultralytics, ultralytics_people),
    (is_array_dump, array_dump_people),
    (is_mediapipe, mediapipe_people),
    (is_plain_boxes, plain_boxes_people),
    (is_coco, coco_people),
)
_FRAME_KEYS = ("frame", "frame_id", "frame_index", "frame_number")
_UNKNOWN = (
    "is in none of the formats that are read: OpenPose, COCO, AlphaPose, MMPose, "
    "ViTPose, Ultralytics, OpenPifPaf, Detectron2, MediaPipe or EasyMocap"
)


# Keys of objects that do nothing but hold a list of pictures.
_LISTS = ("predictions", "frames")
_MAX_DEPTH = 4
# Fields of people that are names; longer ones would fill tables, whose columns are as
# wide as their longest text.
_NAMES = ("image_name", "image_id", "track_id")
_LONGEST_NAME, _NAME_KEPT = 1000, 100


def raw_people(path: str | os.PathLike) -> list[RawPerson]:
    """Returns the people of a file of detections, in its order, unchecked.

    Raises:
      InputError: the file cannot be read, or is in no known format.
    """
    content = read_json_lines(path)
    people = _people(path, content, _MAX_DEPTH)
    if people is None:
        what = _UNKNOWN
        if isinstance(content, list):
            what = 'is a list, but nothing in it has "keypoints"'
        raise InputError(path, what)
    return [_with_sound_names(person) for person in people]


def _with_sound_names(person: RawPerson) -> RawPerson:
    """Returns a person whose names fit into a line of text and into a table."""
    names = {field: getattr(person, field) for field in _NAMES}
    sound = {field: name and _sound(name) for field, name in names.items()}
    return person if sound == names else dataclasses.replace(person, **sound)


def _sound(name: str) -> str:
    name = one_line(name)
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[:_NAME_KEPT]}...{digest[:16]}"


def is_known_format(path: str | os.PathLike) -> bool:
    """Returns whether a JSON file is in one of the formats, or holds several of them.

    Raises:
      InputError: the file cannot be read as JSON, or is damaged within its format.
    """
    return _people(path, read_json_lines(path), _MAX_DEPTH) is not None


def _people(
    path: str | os.PathLike, content: object, depth: int
) -> list[RawPerson] | None:
    """Returns the people of one or several pictures, or None in an unknown format."""
    if is_list_of_dumps(content) and depth:
        return _people_by_frame(path, content, depth - 1)
    for is_format, people in _FORMATS:
        if is_format(content):
            return people(path, content)
    if content == []:
        return []
    if not depth:
        return None
    if isinstance(content, list):
        return _people_by_frame(path, content, depth - 1)
    if isinstance(content, dict) and "keypoints" in content:
        return _people(path, [content], depth - 1)  # one person
    if isinstance(content, dict):
        for key in _LISTS:
            if isinstance(content.get(key), list):
                return _people(path, content[key], depth - 1)
        return _people_by_name(path, content, depth - 1)
    return None


def _people_by_frame(
    path: str | os.PathLike, frames: list, depth: int
) -> list[RawPerson] | None:
    """Returns the people of the pictures of a list, or None in an unknown format."""
    people, is_known = [], False
    for index, frame in enumerate(frames):
        in_frame = [] if frame is None else _people(path, frame, depth)
        if in_frame is None:
            return None
        is_known = is_known or bool(frame)
        for person in in_frame:
            if person.frame is None and len(frames) > 1:
                person = dataclasses.replace(person, frame=_frame_number(frame, index))
            people.append(person)
    return people if is_known else None


def _frame_number(frame: object, index: int) -> int:
    """Returns the number that a frame states, or else its index in the file."""
    stated = [frame.get(k) for k in _FRAME_KEYS] if isinstance(frame, dict) else []
    numbers = [number for s in stated if (number := whole_number(s)) is not None]
    return numbers[0] if numbers else index


def _people_by_name(
    path: str | os.PathLike, pictures: dict, depth: int
) -> list[RawPerson] | None:
    """Returns the people of pictures by name, or None in an unknown format."""
    people, is_known = [], False
    for name, picture in pictures.items():
        # A picture of nobody is no fault beside others.
        in_picture = _people(path, picture, depth) if picture else []
        if in_picture is None:
            return None
        is_known = is_known or bool(picture)
        frame = whole_number(name)
        fields = picture_fields(name) if frame is None else {"frame": frame}
        people += [dataclasses.replace(person, **fields) for person in in_picture]
    return people if is_known else None
