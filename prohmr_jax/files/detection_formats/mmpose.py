"""Reads the files of MMPose, which the official ViTPose writes too.

A person has `keypoints` `[[x, y], ...]` and `keypoint_scores`. The demos write
`{"meta_info", "instance_info"}`; the inferencer writes a bare list or an object with
`predictions`. Each of these holds people, or for a video frames
`{"frame_id", "instances"}`, which hold people.
"""

import os

from prohmr_jax.files.detection_formats.raw import (
    MMPOSE,
    RawPerson,
    flat_values,
    list_of_objects,
    our_names,
    track_of,
)

_LISTS = ("instance_info", "predictions")
_NAMES = "keypoint_id2name"
_X_Y_SCORE = (0, 1, 2)


def is_mmpose(content: object) -> bool:
    """Returns whether the content of a file is one of MMPose's lists or has one."""
    if isinstance(content, dict):
        return any(key in content for key in _LISTS)
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and (
        "keypoint_scores" in first or "instances" in first
    )


def mmpose_people(path: str | os.PathLike, content: dict | list) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_mmpose` accepts.

    Raises:
      InputError: a part of the file is no list of people.
    """
    names, items, what = None, content, "the file"
    if isinstance(content, dict):
        key = next(key for key in _LISTS if key in content)
        items, what = content[key], f'"{key}"'
        meta = content.get("meta_info")
        if isinstance(meta, dict) and _NAMES in meta:
            names = our_names(path, meta[_NAMES], f'"{_NAMES}"')
    if isinstance(items, list) and items and all(isinstance(i, list) for i in items):
        # The inferencer's `predictions` hold a list of people for each picture.
        groups = list(enumerate(items)) if len(items) > 1 else [(None, items[0])]
    else:
        items = list_of_objects(path, items, what)
        frames = any("instances" in item for item in items)
        groups = [(None, items)]
        if frames:
            # A frame without people can lack the list.
            groups = [(i.get("frame_id"), i.get("instances") or []) for i in items]
    return [
        _person(person, names, frame)
        for frame, people in groups
        for person in list_of_objects(path, people, "a list of instances")
    ]


def _person(person: dict, names: tuple[str, ...] | None, frame: object) -> RawPerson:
    joints, scores = person.get("keypoints"), person.get("keypoint_scores")
    fault, values = "", None
    if not isinstance(joints, list) or not isinstance(scores, list):
        fault = 'lacks "keypoints" or "keypoint_scores"'
    elif len(joints) != len(scores):
        fault = f"has {len(joints)} keypoints, but {len(scores)} scores"
    else:
        # Joints that are no pairs, such as 3D joints, become None.
        rows = [
            [*joint, score] if isinstance(joint, list) and len(joint) == 2 else None
            for joint, score in zip(joints, scores, strict=True)
        ]
        values = flat_values(rows, _X_Y_SCORE)
    return RawPerson(
        values,
        MMPOSE,
        names,
        frame=frame if type(frame) is int else None,
        track_id=track_of(person),
        fault=fault,
    )
