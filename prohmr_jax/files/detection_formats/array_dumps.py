"""Reads arrays that programs hold of one picture and that users write to JSON.

Detectron2's instances have `pred_keypoints` [people, joints, 3]; torchvision's
Keypoint R-CNN has `keypoints` [people, joints, 3] and `keypoints_scores`; RTMLib has
`keypoints` [people, joints, 2] and `scores`.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import (
    array_of_text,
    flat_values,
)
from prohmr_jax.files.detection_formats.raw import (
    ARRAYS,
    RawPerson,
    picture_fields,
    picture_size,
)

_INSTANCES = "instances"
_KEYPOINTS = ("pred_keypoints", "keypoints")
_SCORES = ("keypoints_scores", "keypoint_scores", "scores")


def is_array_dump(content: object) -> bool:
    """Returns whether the content of a file has keypoints of people in one array."""
    return isinstance(content, dict) and bool(_people(content))


def is_list_of_dumps(content: object) -> bool:
    """Returns whether the content of a file lists such arrays, one for each picture."""
    return isinstance(content, list) and any(is_array_dump(item) for item in content)


def array_dump_people(path: str | os.PathLike, content: dict) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_array_dump` accepts.
    """
    del path  # every fault is one of a person
    name = content.get("file_name", content.get("image_id"))
    people = _people(content)
    return [
        RawPerson(
            flat_values(_positions(person, scores), scores),
            ARRAYS,
            **picture_fields(name),
            image_size=picture_size(content),
        )
        for person, scores in zip(people, _scores(content, people), strict=True)
    ]


def _instances(content: dict) -> dict:
    instances = content.get(_INSTANCES)
    return instances if isinstance(instances, dict) else content


def _people(content: dict) -> list:
    """Returns the rows of joints of each person; nothing if there is no such array."""
    content = _instances(content)
    key = next((key for key in _KEYPOINTS if key in content), None)
    people = array_of_text(content.get(key))
    nested = (
        isinstance(people, list)
        and isinstance(people[:1], list)
        and all(isinstance(p, list) and isinstance((p or [0])[0], list) for p in people)
    )
    return people if nested else []


def _scores(content: dict, people: list) -> list:
    """Returns the scores of joints of each person, or None for each person."""
    content = _instances(content)
    for key in _SCORES:
        scores = array_of_text(content.get(key))
        if (
            isinstance(scores, list)
            and len(scores) == len(people)
            and all(isinstance(score, list) for score in scores)
        ):
            return scores
    return [None] * len(people)


def _positions(person: list, scores: object) -> list:
    """Returns rows of x and y where scores are beside rows of three numbers."""
    if scores is None:
        return person
    return [r[:2] if isinstance(r, list) and len(r) == 3 else r for r in person]
