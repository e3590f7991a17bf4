"""Reads OpenPose's files: `{"people": [{"pose_keypoints_2d": [x, y, c, ...]}]}`.

ControlNet, AlphaPose (`--format open` and `cmu`) and Pose2Sim write the same form.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    OPENPOSE,
    RawPerson,
    list_of_objects,
    picture_size,
    track_of,
)

_LISTS = ("people", "bodies")
_KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")


def is_openpose(content: object) -> bool:
    """Returns whether the content of a file has OpenPose's list of people."""
    return isinstance(content, dict) and any(key in content for key in _LISTS)


def openpose_people(path: str | os.PathLike, content: dict) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_openpose` accepts.

    Raises:
      InputError: the list of people is no list of objects.
    """
    key = next(key for key in _LISTS if key in content)
    people = list_of_objects(path, content[key], f'"{key}"')
    size = picture_size(content)
    return [
        RawPerson(
            flat_values(next((person[k] for k in _KEYS if person.get(k)), None)),
            OPENPOSE,
            track_id=track_of(person),
            image_size=size,
        )
        for person in people
    ]
