"""Defines what detection returns: people with keypoints in pixels of the photo."""

import dataclasses
from collections.abc import Hashable
from pathlib import Path

import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.errors import one_line
from prohmr_jax.files.detections import Detection, LeftOut
from prohmr_jax.structs import Keypoints2D

# The square that is looked at is so much larger than the extent of the joints, and has
# at least this side, in pixels of the photo.
_MARGIN = 1.35
_LEAST_SIDE = 4.0


@struct.dataclass
class DetectedPerson:
    """Holds one person in the image frame, or several along leading axes.

    The image frame is that of `structs`: pixels of the photo, x right, y down, (0, 0)
    the centre of the first pixel.
    """

    keypoints: Keypoints2D
    """[*b, 17], COCO_17, image frame; see `detect_people` for the confidences.
    `files.detected_keypoints.as_body25(keypoints, COCO_17.names)` gives BODY_25."""
    box: Float[Array, "*b 4"]
    """x and y of the left upper corner, then of the right lower one; image frame. It is
    the tight box of the joints that are seen, and holds neither hair nor shoes."""
    score: Float[Array, "*b"]
    """Mean confidence of the eight surest joints, in [0, 1]."""


def joints_seen(keypoints: Keypoints2D, least: float = 0.2) -> np.ndarray:
    """Returns which joints count as seen, [*b, 17] bool.

    Where fewer than two are surer than `least`, the three surest are taken.
    """
    confidence = np.asarray(keypoints.confidence)
    third = np.sort(confidence, axis=-1)[..., -3, None]
    seen = confidence > least
    few = np.sum(seen, axis=-1, keepdims=True) < 2
    return np.where(few, confidence >= third, seen)


def tight_box(keypoints: Keypoints2D) -> np.ndarray:
    """Returns the box of the joints seen, [*b, 4]: left, top, right, bottom."""
    seen = joints_seen(keypoints)[..., None]
    low = np.min(np.where(seen, keypoints.xy, np.inf), axis=-2)
    high = np.max(np.where(seen, keypoints.xy, -np.inf), axis=-2)
    return np.concatenate([low, high], axis=-1)


def square_around(keypoints: Keypoints2D) -> np.ndarray:
    """Returns x and y of the centre and the side of the square to look at, [*b, 3]."""
    box = tight_box(keypoints)
    low, high = box[..., :2], box[..., 2:]
    side = _MARGIN * np.max(high - low, axis=-1, keepdims=True)
    return np.concatenate([(low + high) / 2, np.maximum(side, _LEAST_SIDE)], axis=-1)


@dataclasses.dataclass(frozen=True)
class PersonInPicture:
    """Holds a detected person together with the picture."""

    detection: Detection
    """Keypoints or box, pixels of the picture."""
    photo: Path | None
    """Path of the photo; None if there is none."""
    image_size: tuple[int, int]
    """(width, height) of the picture, pixels; zeros where it is not known."""

    @property
    def picture_name(self) -> str:
        """Returns the name of the photo, or the one that the detections state."""
        photo = one_line(self.photo.name) if self.photo else ""
        return photo or self.detection.image_name or ""

    @property
    def picture(self) -> Hashable:
        """Returns what tells the picture from the others of its file."""
        person = self.detection
        stated = person.image_name or person.image_id
        return self.photo or stated, person.frame

    def describe_picture(self) -> str:
        """Returns the picture and the person's identity as text; empty if unknown."""
        person = self.detection
        parts = [self.picture_name or person.image_id or ""]
        parts += [f"frame {person.frame}"] * (person.frame is not None)
        parts += [f"track {person.track_id}"] * (person.track_id is not None)
        return ", ".join(filter(None, parts))


@dataclasses.dataclass(frozen=True)
class FilePeople:
    """Holds the people of one photo or of one file of detections."""

    people: tuple[PersonInPicture, ...]
    """People that can be used; at least one."""
    left_out: tuple[LeftOut, ...]
    """People that cannot be used."""
