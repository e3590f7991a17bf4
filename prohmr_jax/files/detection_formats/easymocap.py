"""Reads EasyMocap's annotations of one picture.

They are `{"annots": [{"personID", "keypoints": [[x, y, c], ...]}]}`, with the 25 joints
of OpenPose.
"""

import os

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    OPENPOSE,
    RawPerson,
    list_of_objects,
    picture_fields,
    picture_size,
    track_of,
)


def is_easymocap(content: object) -> bool:
    """Returns whether the content of a file has EasyMocap's list of people."""
    return isinstance(content, dict) and "annots" in content


def easymocap_people(path: str | os.PathLike, content: dict) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_easymocap` accepts.

    Raises:
      InputError: the list of people is no list of objects.
    """
    name = content.get("filename")
    fields = picture_fields(name) if isinstance(name, str) else {}
    return [
        RawPerson(
            flat_values(person.get("keypoints")),
            OPENPOSE,
            **fields,
            track_id=track_of(person),
            image_size=picture_size(content),
        )
        for person in list_of_objects(path, content["annots"], '"annots"')
    ]
