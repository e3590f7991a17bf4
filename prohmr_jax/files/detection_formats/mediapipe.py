"""Reads the 33 landmarks of MediaPipe (BlazePose), which are shares of the picture.

MediaPipe has no file format of its own. Its results become JSON as `{"landmark": [{"x",
"y", "z", "visibility"}]}` (the message of `mp.solutions.pose`), or as
`{"landmarks": [[...]]}` or `{"poseLandmarks": [[...]]}` with a list for each person
(the tasks of Python and JavaScript), or as a bare list of landmarks.
"""

import os

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    MEDIAPIPE,
    RawPerson,
    picture_fields,
    picture_size,
    whole_number,
)
from prohmr_jax.skeleton import MEDIAPIPE_33

_KEYS = (
    "landmark", "landmarks", "pose_landmarks", "poseLandmarks", "normalized_landmarks",
)  # fmt: skip
_X_Y_VISIBILITY = (0, 1, 3)


def is_mediapipe(content: object) -> bool:
    """Returns whether the content of a file has landmarks."""
    if isinstance(content, dict):
        return any(content.get(key) is not None for key in _KEYS)
    return _is_person(content)


def mediapipe_people(path: str | os.PathLike, content: dict | list) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_mediapipe` accepts.

    Raises:
      InputError: the landmarks are no list.
    """
    fields, landmarks = {}, content
    while isinstance(landmarks, dict):
        key = next((k for k in _KEYS if landmarks.get(k) is not None), None)
        if key is None:
            raise InputError(path, "has no list of landmarks")
        fields = {**fields, **_picture(landmarks)}
        landmarks = landmarks[key]
    if not isinstance(landmarks, list):
        raise InputError(path, "has landmarks that are no list")
    people = landmarks
    if _is_person(landmarks):
        people = [landmarks]
    people = [_landmarks(person) for person in people]
    return [
        RawPerson(
            flat_values(
                person, columns=_X_Y_VISIBILITY if _has_depth(person) else (0, 1, 2)
            ),
            MEDIAPIPE,
            **fields,
        )
        for person in people
    ]


def _is_person(landmarks: object) -> bool:
    """Returns whether a list holds the landmarks of one person."""
    if not isinstance(landmarks, list) or len(landmarks) != len(MEDIAPIPE_33):
        return False
    return all(
        isinstance(point, dict)
        and {"x", "y"} <= set(point)
        and "keypoints" not in point
        for point in landmarks
    )


def _landmarks(person: object) -> object:
    """Returns the list of a person's landmarks, which may be in an object."""
    if isinstance(person, dict):
        return next((person[key] for key in _KEYS if key in person), [])
    return person


def _has_depth(person: object) -> bool:
    return isinstance(person, list) and all(
        isinstance(point, list) and len(point) == 1 + max(_X_Y_VISIBILITY)
        for point in person
    )


def _picture(content: dict) -> dict:
    """Returns the fields of a person that describe the picture."""
    size = picture_size(content)
    frame = next(
        (whole_number(content[k]) for k in ("frame", "frame_id") if k in content), None
    )
    name = next((content[k] for k in ("image", "file_name") if k in content), None)
    fields = picture_fields(name) if isinstance(name, str) else {}
    fields |= {"frame": frame} if frame is not None else {}
    return fields | ({"image_size": size} if size else {})
