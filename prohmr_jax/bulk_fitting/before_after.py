"""Draws people before and after a fit, side by side over their photo.

The modes "fit" and "multiview" draw their overlays with it.
"""

import logging
from collections.abc import Sequence

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_mesh
from prohmr_jax.bulk_fitting.jobs import Row
from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.rendering.warning_mark import mark_with_warning
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import SmplParams

_LOG = logging.getLogger(__name__)

PICTURE_COLUMNS = "intrinsics", "keypoints_px", "keypoint_confidence"
"""Columns that say where a person is seen in a photo."""


@struct.dataclass
class PlacedBody:
    """Holds bodies that are placed in front of a camera."""

    pose: Float[Array, "*b 24 3"]
    """Pose as axis-angle, radians; the root turns body axes to camera axes."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""
    translation: Float[Array, "*b 3"]
    """Translation in front of the camera, metres, camera axes."""


@jax.jit
def placed_vertices(body: BodyModel, placed: PlacedBody) -> Float[Array, "*b V 3"]:
    """Returns the vertices of placed bodies, metres, camera frame."""
    smpl = SmplParams.from_rotmats(axis_angle_to_rotmat(placed.pose), placed.betas)
    return body_mesh(body, smpl).vertices + placed.translation[..., None, :]


def photo_to_draw_over(person: PersonInput, exif: str) -> np.ndarray | None:
    """Returns the photo of a person, [H, W, 3] uint8; None if it cannot be read.

    A photo that cannot be read costs the picture its background, and not the fit.

    Args:
      person: the person.
      exif: see `PersonInput.read_photo`.
    """
    try:
        return person.read_photo(exif)
    except InputError as error:
        _LOG.warning("drawn without its photo: %s", error)
        return None


def side_by_side(
    body: BodyModel,
    bodies: Sequence[PlacedBody],
    row: Row,
    photo: np.ndarray | None,
    longest_side_px: int,
    implausible: str = "",
) -> np.ndarray:
    """Returns bodies of one person, each over the same photo, from left to right.

    Args:
      body: body model that the bodies belong to.
      bodies: bodies of the person, without leading axes.
      row: values of the person, with those of `PICTURE_COLUMNS`.
      photo: photo [H, W, 3] uint8, or None for a plain canvas.
      longest_side_px: longer side of the picture of one body, pixels.
      implausible: why the last body is not plausible, which its picture then says;
        empty if it is.

    Returns:
      A picture [h, w, 3] uint8.
    """
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *bodies)
    intrinsics = row["intrinsics"]
    view = Perspective(
        tuple(np.diagonal(intrinsics)[:2].tolist()), tuple(intrinsics[:2, 2].tolist())
    )
    detected = slice(len(BODY_25))
    confidence = row["keypoint_confidence"][detected]
    confidence = np.where(confidence > MIN_CONFIDENCE, confidence, 0.0)
    any_seen = confidence.any()
    pictures = [
        overlay(
            photo,
            vertices,
            np.asarray(body.faces),
            view,
            keypoints=row["keypoints_px"][detected] if any_seen else None,
            confidence=confidence if any_seen else None,
            longest_side=longest_side_px,
        )
        for vertices in np.asarray(placed_vertices(body, stacked))
    ]
    if implausible:
        pictures[-1] = mark_with_warning(pictures[-1], f"implausible: {implausible}")
    return np.concatenate(pictures, axis=1)


def in_one_column(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Returns pictures one below the other; narrower ones get a white margin.

    Args:
      pictures: pictures [h, w, 3] uint8, of any sizes.
    """
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate(
        [
            np.pad(
                picture,
                ((0, 0), (0, width - picture.shape[1]), (0, 0)),
                constant_values=255,
            )
            for picture in pictures
        ]
    )
