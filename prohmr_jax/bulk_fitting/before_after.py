"""People before and after, side by side over their photo."""

from collections.abc import Sequence

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_mesh
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import SmplParams

# Columns that say where a person was seen.
OF_PICTURES = "intrinsics", "keypoints_px", "keypoint_confidence"


@struct.dataclass
class Placed:
    """Bodies before a camera."""

    pose: Float[Array, "*b 24 3"]
    """Axis-angle."""
    betas: Float[Array, "*b S"]
    translation: Float[Array, "*b 3"]
    """Metres, camera frame."""


@jax.jit
def placed_vertices(body: BodyModel, placed: Placed) -> Float[Array, "*b V 3"]:
    """Returns the meshes of bodies, metres, camera frame."""
    rotmats = axis_angle_to_rotmat(placed.pose)
    smpl = SmplParams.from_rotmats(rotmats, placed.betas)
    return body_mesh(body, smpl).vertices + placed.translation[..., None, :]


def side_by_side(
    body: BodyModel,
    bodies: Sequence[Placed],
    of: Columns,
    photo: np.ndarray | None,
    longest_side_px: int,
) -> np.ndarray:
    """Returns bodies of one person, each over the same photo, from left to right.

    Args:
      body: the body model.
      bodies: of the person.
      of: the person's row of `OF_PICTURES`.
      photo: [H, W, 3] uint8, or None for a plain canvas.
      longest_side_px: of one picture.
    """
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *bodies)
    focal, center = np.diagonal(of["intrinsics"])[:2], of["intrinsics"][:2, 2]
    view = Perspective(tuple(focal.tolist()), tuple(center.tolist()))
    drawn = slice(len(BODY_25))
    confidence = of["keypoint_confidence"][drawn]
    seen = np.where(confidence > MIN_CONFIDENCE, confidence, 0.0)
    pictures = [
        overlay(
            photo,
            vertices,
            np.asarray(body.faces),
            view,
            keypoints=of["keypoints_px"][drawn] if seen.any() else None,
            confidence=seen if seen.any() else None,
            longest_side=longest_side_px,
        )
        for vertices in np.asarray(placed_vertices(body, stacked))
    ]
    return np.concatenate(pictures, axis=1)


def one_above_the_other(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Returns pictures in a column, the narrower ones with white beside them."""
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
