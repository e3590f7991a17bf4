"""Reads the files of MMPose, which the official ViTPose writes too.

A person has `keypoints` `[[x, y], ...]` and `keypoint_scores`. The demos write
`{"meta_info", "instance_info"}`; the inferencer writes a bare list or an object with
`predictions`. Each of these holds people, or for a video frames
`{"frame_id", "instances"}`, which hold people.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    MMPOSE,
    RawPerson,
    list_of_objects,
    names_of_objects,
    our_names,
    picture_fields,
    picture_size,
    track_of,
    whole_number,
)

_LISTS = ("instance_info", "predictions")
_NAMES = "keypoint_id2name"
_SCORES = ("keypoint_scores", "keypoints_scores", "keypoint_score", "scores")
_IMAGES = ("image_path", "img_path", "file_name", "image_name", "image_id")


def is_mmpose(content: object) -> bool:
    """Returns whether the content of a file is one of MMPose's lists or has one."""
    if isinstance(content, dict):
        return any(isinstance(content.get(key), list) for key in _LISTS)
    items = content if isinstance(content, list) else []
    return any(
        isinstance(item, dict)
        and ("instances" in item or any(key in item for key in _SCORES))
        for item in items
    )


def mmpose_people(path: str | os.PathLike, content: dict | list) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_mmpose` accepts.

    Raises:
      InputError: a part of the file is no list of people.
    """
    names, items, what, picture = None, content, "the file", {}
    if isinstance(content, dict):
        key = next(k for k in _LISTS if isinstance(content.get(k), list))
        items, what, picture = content[key], f'"{key}"', content
        meta = content.get("meta_info")
        if isinstance(meta, dict) and _NAMES in meta:
            names = our_names(path, meta[_NAMES], f'"{_NAMES}"')
    if items and all(isinstance(item, list) for item in items):
        # The inferencer's `predictions` hold a list of people for each picture.
        groups = [({}, frame, people) for frame, people in enumerate(items)]
        if len(groups) == 1:
            groups = [(picture, None, items[0])]
    else:
        items = list_of_objects(path, items, what)
        groups = [(picture, None, items)]
        if any("instances" in item for item in items):
            groups = [
                (item, whole_number(item.get("frame_id")), item.get("instances") or [])
                for item in items
            ]
    return [
        _person(person, names, frame, picture)
        for picture, frame, people in groups
        for person in list_of_objects(path, people, "a list of instances")
    ]


def _person(
    person: dict, names: tuple[str, ...] | None, frame: int | None, picture: dict
) -> RawPerson:
    keys = [key for key in _SCORES if key in person]
    scores = person[keys[0]] if keys else None
    described = [s[key] for s in (person, picture) for key in _IMAGES if key in s]
    joints, fault = person.get("keypoints"), ""
    if isinstance(joints, list) and isinstance(scores, list):
        if len(joints) != len(scores):
            fault = f"has {len(joints)} keypoints, but {len(scores)} scores"
    return RawPerson(
        flat_values(joints, scores),
        MMPOSE,
        names_of_objects(joints) or names,
        **(picture_fields(described[0]) if described else {}),
        frame=frame,
        track_id=track_of(person),
        image_size=picture_size(picture),
        fault=fault,
    )
