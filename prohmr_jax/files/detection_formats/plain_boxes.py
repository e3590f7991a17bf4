"""Boxes without keypoints: `{"boxes": [[x, y, width, height]]}`, or COCO's results.

The results of object detectors are a list of `{"image_id", "bbox", "score",
"category_id"}`; other categories than people (1) are left.
"""

import os

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.raw import (
    PLAIN_BOXES,
    RawPerson,
    list_of_objects,
)

_PERSON = 1


def is_plain_boxes(content: object) -> bool:
    """Returns whether a file has boxes and no keypoints at all."""
    if isinstance(content, dict):
        return "boxes" in content
    return (
        isinstance(content, list)
        and any(isinstance(item, dict) and "bbox" in item for item in content)
        and not any(isinstance(item, dict) and "keypoints" in item for item in content)
    )


def plain_boxes_people(path: str | os.PathLike, content: dict | list):
    """Returns the people of a file; InputError if it lists other things."""
    if isinstance(content, dict):
        boxes = content["boxes"]
        if not isinstance(boxes, list):
            raise InputError(path, '"boxes" is not a list')
        return [RawPerson([], PLAIN_BOXES, box=box) for box in boxes]
    found = list_of_objects(path, content, "the file")
    people = [item for item in found if item.get("category_id", _PERSON) == _PERSON]
    names = [item.get("image_id") for item in people]
    return [
        RawPerson(
            [],
            PLAIN_BOXES,
            image_name=name if isinstance(name, str) else None,
            box=item.get("bbox"),
        )
        for item, name in zip(people, names, strict=True)
    ]
