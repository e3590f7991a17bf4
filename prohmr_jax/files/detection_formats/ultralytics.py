"""Reads the files of Ultralytics (YOLO): what `Results.to_json` and `summary` return.

That is a list of `{"name": "person", "box", "confidence", "keypoints": {"x": [...],
"y": [...], "visible": [...]}}`, with `track_id` where people are tracked. Older
versions call the confidence of joints `visibility`.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    ULTRALYTICS,
    RawPerson,
    list_of_objects,
    track_of,
)


def is_ultralytics(content: object) -> bool:
    """Returns whether the content of a file lists keypoints by axis."""
    return isinstance(content, list) and any(
        isinstance(item, dict)
        and isinstance(item.get("keypoints"), dict)
        and {"x", "y"} <= set(item["keypoints"])
        for item in content
    )


def ultralytics_people(path: str | os.PathLike, content: list) -> list[RawPerson]:
    """Returns the people of a file, in its order; other things are not returned.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_ultralytics` accepts.
    """
    return [
        RawPerson(
            flat_values(item.get("keypoints")), ULTRALYTICS, track_id=track_of(item)
        )
        for item in list_of_objects(path, content, "the file")
        if "keypoints" in item or item.get("name", "person") == "person"
    ]
