"""Reads COCO's annotations, and COCO's results, which AlphaPose and others write.

Results are a list of `{"image_id", "keypoints": [x, y, c, ...], "score"}`. AlphaPose
puts the photo's name into `image_id`; it writes the 17 joints of COCO, 26 or 136 of
Halpe, or 133 of COCO-WholeBody.
"""

import os
from collections.abc import Mapping

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.raw import (
    COCO_ANNOTATIONS,
    COCO_RESULTS,
    RawPerson,
    list_of_objects,
    picture_id,
    picture_size,
    track_of,
)


def is_coco(content: object) -> bool:
    """Returns whether the content of a file is a list or has "annotations"."""
    return isinstance(content, list) or (
        isinstance(content, dict) and "annotations" in content
    )


def coco_people(path: str | os.PathLike, content: dict | list) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_coco` accepts.

    Raises:
      InputError: the file does not list people.
    """
    if isinstance(content, dict):
        people = list_of_objects(path, content["annotations"], '"annotations"')
        images = list_of_objects(path, content.get("images", []), '"images"')
        by_id = {picture_id(image.get("id")): image for image in images}
        return [_person(person, by_id) for person in people]
    people = list_of_objects(path, content, "the file")
    if people and not any("keypoints" in person for person in people):
        raise InputError(path, 'is a list, but nothing in it has "keypoints"')
    return [_person(person, {}) for person in people]


def _person(person: dict, images: Mapping[str | None, dict]) -> RawPerson:
    values = person.get("keypoints")
    # Annotations have visibility flags; results have a score and confidences.
    flags = "score" not in person and _are_visibility_flags(values)
    image_id = picture_id(person.get("image_id"))
    image = images.get(image_id, {})
    name = image.get("file_name") or person.get("image_id")
    return RawPerson(
        values,
        COCO_ANNOTATIONS if flags else COCO_RESULTS,
        # Some detectors write the name of the file as the id of the picture.
        image_name=name if isinstance(name, str) else None,
        image_id=image_id,
        image_size=picture_size(image.get("width"), image.get("height")),
        track_id=track_of(person),
    )


def _are_visibility_flags(values: object) -> bool:
    if not isinstance(values, list):
        return False
    flags = [v for v in values[2::3] if type(v) in (int, float) and v == v]
    return bool(flags) and all(flag in (0, 1, 2) for flag in flags)
