"""Reads OpenPose's files: `{"people": [{"pose_keypoints_2d": [x, y, c, ...]}]}`."""

import os

from prohmr_jax.files.detection_formats.raw import (
    OPENPOSE,
    RawPerson,
    list_of_objects,
    track_of,
)

_KEYS = ("pose_keypoints_2d", "pose_keypoints")


def is_openpose(content: object) -> bool:
    """Returns whether the content of a file has OpenPose's list "people"."""
    return isinstance(content, dict) and "people" in content


def openpose_people(path: str | os.PathLike, content: dict) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_openpose` accepts.

    Raises:
      InputError: "people" is no list of objects.
    """
    people = list_of_objects(path, content["people"], '"people"')
    return [_person(person) for person in people]


def _person(person: dict) -> RawPerson:
    values = next((person[key] for key in _KEYS if key in person), None)
    return RawPerson(values, OPENPOSE, track_id=track_of(person))
