"""Reads the files of easy_ViTPose.

They hold `{"keypoints": [{"0": [[y, x, score], ...]}], "skeleton": {...}}`: one object
per frame with one entry per person, under the number that the tracker gives the person,
and the names of the joints in `skeleton`.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    EASY_VITPOSE,
    RawPerson,
    list_of_objects,
    our_names,
)

_X_Y_SCORE = (1, 0, 2)


def is_easy_vitpose(content: object) -> bool:
    """Returns whether the content of a file has keypoints and their skeleton."""
    return isinstance(content, dict) and {"keypoints", "skeleton"} <= set(content)


def easy_vitpose_people(path: str | os.PathLike, content: dict) -> list[RawPerson]:
    """Returns the people of a file, frame by frame, in the order of the file.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_easy_vitpose` accepts.

    Raises:
      InputError: the skeleton does not name joints, or a frame is no JSON object.
    """
    names = our_names(path, content["skeleton"], '"skeleton"')
    frames = list_of_objects(path, content["keypoints"], '"keypoints"')
    in_video = len(frames) > 1
    return [
        RawPerson(
            flat_values(joints, columns=_X_Y_SCORE),
            EASY_VITPOSE,
            names,
            frame=frame if in_video else None,
            track_id=number,
        )
        for frame, people in enumerate(frames)
        for number, joints in people.items()
    ]
