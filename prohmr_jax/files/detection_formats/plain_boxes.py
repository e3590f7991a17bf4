"""Reads files of boxes without keypoints, as object detectors write them.

Such a file is `{"boxes": [[x, y, width, height]]}`, or COCO's results: a list of
`{"image_id", "bbox", "score", "category_id"}`, of which only people (category 1) are
returned.
"""

import os

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.raw import (
    PLAIN_BOXES,
    RawPerson,
    list_of_objects,
    picture_fields,
    track_of,
)

_PERSON_CATEGORY = 1


def is_plain_boxes(content: object) -> bool:
    """Returns whether the content of a file has boxes and no keypoints at all."""
    if isinstance(content, dict):
        return "boxes" in content
    return (
        isinstance(content, list)
        and any(isinstance(item, dict) and "bbox" in item for item in content)
        and not any(isinstance(item, dict) and "keypoints" in item for item in content)
    )


def plain_boxes_people(
    path: str | os.PathLike, content: dict | list
) -> list[RawPerson]:
    """Returns the people of a file, in its order, with boxes and without keypoints.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_plain_boxes` accepts.

    Raises:
      InputError: the file does not list boxes.
    """
    if isinstance(content, dict):
        boxes = content["boxes"]
        if not isinstance(boxes, list):
            raise InputError(path, '"boxes" is not a list')
        return [RawPerson(None, PLAIN_BOXES, box=box) for box in boxes]
    people = [
        item
        for item in list_of_objects(path, content, "the file")
        if item.get("category_id", _PERSON_CATEGORY) == _PERSON_CATEGORY
    ]
    return [
        RawPerson(
            None,
            PLAIN_BOXES,
            **picture_fields(item.get("image_id")),
            track_id=track_of(item),
            box=item.get("bbox"),
        )
        for item in people
    ]
