"""Reads the people that 2D detectors have written to files.

Every person is returned in the order of BODY_25 and in image pixels, whatever the
format. A faulty file is refused as a whole (`InputError`). A person that cannot be used
is left out, with the reason, and the other people of the file are kept. A joint whose
numbers cannot be used counts as missing, and the other joints of the person are kept.
"""

import dataclasses
import os
from collections.abc import Callable

from prohmr_jax.errors import InputError
from prohmr_jax.files.detected_keypoints import (
    NO_KEYPOINTS,
    KeypointReader,
    UnusablePersonError,
    to_box,
)
from prohmr_jax.files.detection_formats.all_formats import (
    is_known_format,
    raw_people,
)
from prohmr_jax.files.detection_formats.raw import PLAIN_BOXES, RawPerson
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.structs import Box, Keypoints2D

# Fields that say who is seen where, as the format's reader found them.
_IDENTITY = "source", "image_name", "image_id", "image_size", "frame", "track_id"


@dataclasses.dataclass(frozen=True)
class Detection:
    """Holds one detected person."""

    keypoints: Keypoints2D
    """NumPy arrays in the order of BODY_25: xy [25, 2], image pixels, and confidence
    [25], in [0, 1]."""
    person_index: int
    """Position in the file's list of people, counting those that are left out."""
    source: str
    """Name of the format, one of the names in `detection_formats.raw`; or what a caller
    that detects people itself calls them."""
    image_name: str | None = None
    """File name of the photo, or None if the file does not name it."""
    image_id: str | None = None
    """What the file calls the picture, a name or a number; None if it says nothing."""
    image_size: tuple[int, int] | None = None
    """(width, height) of the picture in pixels, or None if the file does not say."""
    frame: int | None = None
    """Number of the video frame, or None if the file is not about a video."""
    track_id: str | None = None
    """Identity of the person across pictures, or None if the file does not say."""
    box: Box | None = None
    """Box of a person without keypoints, image pixels; all confidences are then zero.
    None if the person has keypoints."""


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Describes a person of the file that cannot be used."""

    person_index: int
    """Position in the file's list of people."""
    reason: str
    """Text that continues a sentence such as "person 3 ..."."""


@dataclasses.dataclass(frozen=True)
class Detections:
    """Holds the people of one file."""

    people: tuple[Detection, ...]
    """People that can be used; at least one."""
    left_out: tuple[LeftOut, ...]
    """People that cannot be used."""


def read_detections(
    path: str | os.PathLike,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    accept_boxes: bool = False,
    joint_order: str = "",
    photo_size: Callable[[RawPerson], tuple[int, int] | None] = lambda person: None,
) -> Detections:
    """Reads the people of a detector's JSON file.

    These formats are understood (docs/fit.md says how they are recognised):

    * OpenPose, with the joints of BODY_25, BODY_25B, BODY_135 or COCO (17 or 18);
      ControlNet, Pose2Sim, EasyMocap and two forms of AlphaPose are like it.
    * COCO's results, which AlphaPose, Detectron2 and OpenPifPaf write too, with the 17
      joints of COCO, 26 or 136 of Halpe, or 133 of COCO-WholeBody.
    * COCO's annotations.
    * MMPose's `instance_info` or `predictions`, for pictures and videos.
    * easy_ViTPose's frames.
    * Ultralytics' results, and the 33 landmarks of MediaPipe.
    * Arrays of keypoints of all people, as Detectron2 and torchvision hold them.
    * If `accept_boxes` is true, boxes without joints: `{"boxes": [[x, y, width,
      height]]}`, or COCO's results of object detectors.

    A joint has confidence zero if one of its numbers is absent, is not finite or cannot
    be the position of a pixel. Confidences are clipped to [0, 1]; COCO's
    visibility flags 0, 1, 2 become 0, 0.5, 1. Positions that are shares of the
    picture's size become pixels. `detected_keypoints.as_body25` says what happens to
    joints of BODY_25 that the file does not have.

    Args:
      path: the JSON file.
      min_confidence: confidence above which a joint counts as seen.
      accept_boxes: whether to accept people who have a box and no joints.
      joint_order: order of the joints, a name in `joint_orders.DETECTED_SETS`, of files
        that do not name their joints; empty to tell it from their number and, of
        OpenPose's 25, from their positions.
      photo_size: function that returns (width, height) of a person's photo in pixels,
        or None; it is asked where positions are shares of the photo's size.

    Returns:
      The people that can be used, and those left out with the reason. A person is left
      out if the number of joints is unknown, if fewer than two joints are seen, or if
      all seen joints lie in one point.

    Raises:
      InputError: the file is missing, empty, truncated or in another format, or it
        holds no person that can be used.
    """
    people = raw_people(path)
    if not people:
        raise InputError(path, "no people were detected")
    reader = KeypointReader(joint_order, min_confidence, photo_size).chosen_for(people)
    kept, left_out = [], []
    for index, person in enumerate(people):
        keypoints, box = NO_KEYPOINTS, None
        try:
            if person.source == PLAIN_BOXES and accept_boxes:
                box = to_box(person.box)
            else:
                keypoints = reader.keypoints(path, index, person)
        except UnusablePersonError as error:
            left_out.append(LeftOut(index, str(error)))
            continue
        identity = {name: getattr(person, name) for name in _IDENTITY}
        kept.append(Detection(keypoints, index, box=box, **identity))
    if not kept:
        first = left_out[0]
        raise InputError(
            path,
            f"none of its {len(people)} people can be used; "
            f"person {first.person_index} {first.reason}",
        )
    return Detections(tuple(kept), tuple(left_out))


def holds_detections(path: str | os.PathLike) -> bool:
    """Returns whether a JSON file is in one of the formats that are understood.

    A file that is damaged could be in one, and counts as such.

    Args:
      path: the JSON file.
    """
    try:
        return is_known_format(path)
    except InputError:
        return True
