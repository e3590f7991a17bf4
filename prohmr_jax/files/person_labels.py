"""Reads photos whose people were labelled by hand, in COCO's format of annotations.

`configs/evaluate_detector.py` compares what the detector says with these labels.
"""

import collections
import dataclasses
import os

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.errors import InputError
from prohmr_jax.files.json_text import read_json
from prohmr_jax.skeleton import COCO_17

_COUNT = len(COCO_17.names)
# Larger numbers, which are no places or areas in pictures, would overflow.
_LARGEST = 1e12


@dataclasses.dataclass(frozen=True)
class PictureLabels:
    """Holds the labels of one photo, which can be of nobody."""

    file_name: str
    """Name of the photo, relative to the folder of photos."""
    image_id: int | str
    """What the file of labels calls the photo."""
    xy: Float[np.ndarray, "n 17 2"]
    """Joints of the labelled people (COCO_17), pixels of the photo."""
    labelled: Bool[np.ndarray, "n 17"]
    """Whether a joint has a label, in sight or hidden."""
    area: Float[np.ndarray, " n"]
    """Areas of the people's outlines, or of their boxes, square pixels."""
    ignored_boxes: Float[np.ndarray, "m 4"]
    """Left, top, right and bottom of people without labels and of crowds, pixels."""


def read_person_labels(path: str | os.PathLike) -> tuple[PictureLabels, ...]:
    """Returns the labels of each photo that a file lists, in its order.

    Args:
      path: path of a JSON file with COCO's "images" and "annotations", such as
        `person_keypoints_val2017.json`.

    Raises:
      InputError: the file cannot be read, or is not of this format; the message names
        the annotation.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        content = {}
    images, annotations = (
        _objects(path, content, key) for key in ("images", "annotations")
    )
    names = {}
    for image in images:
        name, identity = image.get("file_name"), image.get("id")
        if not isinstance(name, str) or not name or type(identity) not in (int, str):
            raise InputError(path, "has an image without a file_name or an id")
        names[identity] = name
    people = collections.defaultdict(list)
    ignored = collections.defaultdict(list)
    for index, annotation in enumerate(annotations):
        where = f"annotations[{index}]"
        identity = annotation.get("image_id")
        if type(identity) not in (int, str) or identity not in names:
            raise InputError(path, f"{where} belongs to no image of the file")
        box = _numbers(path, f"{where}.bbox", annotation.get("bbox"), 4)
        values = annotation.get("keypoints") or [0] * (3 * _COUNT)
        joints = _numbers(path, f"{where}.keypoints", values, 3 * _COUNT)
        joints = joints.reshape(_COUNT, 3)
        if annotation.get("iscrowd") or not np.any(joints[:, 2] > 0):
            ignored[identity].append([*box[:2], *(box[:2] + box[2:])])
            continue
        area = annotation.get("area", float(box[2] * box[3]))
        area = float(_numbers(path, f"{where}.area", [area], 1)[0])
        if area <= 0:
            raise InputError(path, f"{where}.area is {area:g}, and must be positive")
        people[identity].append((joints, area))
    return tuple(
        _picture(name, identity, people[identity], ignored[identity])
        for identity, name in names.items()
    )


def _picture(name, identity, people, ignored) -> PictureLabels:
    joints = np.array([joints for joints, _ in people]).reshape(-1, _COUNT, 3)
    return PictureLabels(
        file_name=name,
        image_id=identity,
        xy=joints[..., :2],
        labelled=joints[..., 2] > 0,
        area=np.array([area for _, area in people]),
        ignored_boxes=np.array(ignored).reshape(-1, 4),
    )


def _objects(path, content: dict, key: str) -> list[dict]:
    values = content.get(key)
    if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
        what = f'is not a file of COCO\'s annotations: "{key}" is not a list of objects'
        raise InputError(path, what)
    return values


def _numbers(path, where: str, values: object, count: int) -> np.ndarray:
    numbers = isinstance(values, list) and all(
        type(v) in (int, float) and abs(v) <= _LARGEST for v in values
    )
    if not numbers or len(values) != count:
        raise InputError(path, f"{where} is not a list of {count} numbers")
    return np.array(values, np.float64)
