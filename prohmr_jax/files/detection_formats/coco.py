"""Reads COCO's annotations, and COCO's results, which many programs write.

Results are a list of `{"image_id", "keypoints": [x, y, c, ...], "score"}`. AlphaPose
puts the photo's name into `image_id`, and writes the 17 joints of COCO, 26 or 136 of
Halpe, or 133 of COCO-WholeBody; Detectron2 writes numbers of images; OpenPifPaf leaves
the image out. COCO-WholeBody has the feet in a list of their own, `foot_kpts`. The
categories of annotations name the joints, which PoseTrack and CrowdPose need.
"""

import os
from collections.abc import Mapping

from prohmr_jax.files.detection_formats.keypoint_values import flat_values
from prohmr_jax.files.detection_formats.raw import (
    COCO_ANNOTATIONS,
    COCO_RESULTS,
    RawPerson,
    list_of_objects,
    names_of_objects,
    picture_fields,
    picture_id,
    picture_size,
    stated_names,
    track_of,
    whole_number,
)


def is_coco(content: object) -> bool:
    """Returns whether the content of a file has people as COCO writes them."""
    if isinstance(content, dict):
        return isinstance(content.get("annotations"), list)
    return isinstance(content, list) and any(
        isinstance(item, dict) and "keypoints" in item for item in content
    )


def coco_people(path: str | os.PathLike, content: dict | list) -> list[RawPerson]:
    """Returns the people of a file, in its order.

    Args:
      path: path of the file, for messages.
      content: its JSON, which `is_coco` accepts.

    Raises:
      InputError: the file does not list people.
    """
    if isinstance(content, list):
        return [_person(p, {}, {}) for p in list_of_objects(path, content, "the file")]
    people = list_of_objects(path, content["annotations"], '"annotations"')
    images = list_of_objects(path, content.get("images", []), '"images"')
    by_id = {picture_id(image.get("id")): image for image in images}
    names = _names_by_category(content.get("categories"))
    return [_person(person, by_id, names) for person in people]


def _names_by_category(categories: object) -> dict[str | None, tuple[str, ...]]:
    """Returns the names of the joints of each category that names them."""
    known = {}
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, dict):
            names = stated_names(category.get("keypoints"))
            if names:
                known[picture_id(category.get("id"))] = names
    return known


def _person(
    person: dict,
    images: Mapping[str | None, dict],
    names_of: Mapping[str | None, tuple[str, ...]],
) -> RawPerson:
    values = flat_values(person.get("keypoints"))
    names = names_of_objects(person.get("keypoints"))
    names = names or names_of.get(picture_id(person.get("category_id")))
    feet = person.get("foot_kpts")
    if isinstance(values, list) and isinstance(feet, list) and any(feet):
        values = [*values, *feet]
        names = None  # only the body's joints are named
    # Annotations have visibility flags; results have a score and confidences.
    flags = "score" not in person and _are_visibility_flags(values)
    fields = picture_fields(person.get("image_id"))
    image = images.get(fields["image_id"], {})
    for name in (image.get("file_name"), person.get("file_name")):
        if isinstance(name, str) and name:
            fields["image_name"] = name
            break
    frames = [whole_number(place.get("frame_id")) for place in (person, image)]
    return RawPerson(
        values,
        COCO_ANNOTATIONS if flags else COCO_RESULTS,
        names,
        **fields,
        frame=next((frame for frame in frames if frame is not None), None),
        track_id=track_of(person),
        image_size=picture_size(image),
    )


def _are_visibility_flags(values: object) -> bool:
    if not isinstance(values, list):
        return False
    flags = [v for v in values[2::3] if type(v) in (int, float) and v == v]
    return bool(flags) and all(flag in (0, 1, 2) for flag in flags)
