"""People before and after, side by side over their photo."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_mesh
from prohmr_jax.boxes import MIN_CONFIDENCE
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.rotations import axis_angle_to_rotmat
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import SmplParams


@jax.jit
def placed_vertices(
    body: BodyModel,
    pose: Float[Array, "N 24 3"],
    betas: Float[Array, "N S"],
    translation: Float[Array, "N 3"],
) -> Float[Array, "N V 3"]:
    """Returns the meshes of poses (axis-angle), metres, camera frame."""
    rotmats = axis_angle_to_rotmat(pose)
    smpl = SmplParams(rotmats[:, 0], rotmats[:, 1:], betas)
    return body_mesh(body, smpl).vertices + translation[:, None]


def side_by_side(
    body: BodyModel,
    poses: Sequence[np.ndarray],
    betas: Sequence[np.ndarray],
    translations: Sequence[np.ndarray],
    *,
    intrinsics: np.ndarray,
    keypoints_px: np.ndarray,
    confidence: np.ndarray,
    photo: np.ndarray | None,
    longest_side_px: int,
) -> np.ndarray:
    """Returns bodies of one person, each over the same photo, from left to right.

    Args:
      body: the body.
      poses: [24, 3] each, axis-angle.
      betas: [S] each.
      translations: [3] each, metres, camera frame.
      intrinsics: [3, 3], photo pixels.
      keypoints_px: [J, 2], JOINTS_44; those of BODY_25 are drawn.
      confidence: [J].
      photo: [H, W, 3] uint8, or None for a plain canvas.
      longest_side_px: of one picture.
    """
    stacked = (np.stack(poses), np.stack(betas), np.stack(translations))
    focal, center = np.diagonal(intrinsics)[:2], intrinsics[:2, 2]
    view = Perspective(tuple(focal.tolist()), tuple(center.tolist()))
    drawn = slice(len(BODY_25))
    seen = np.where(confidence > MIN_CONFIDENCE, confidence, 0.0)[drawn]
    pictures = [
        overlay(
            photo,
            vertices,
            np.asarray(body.faces),
            view,
            keypoints=keypoints_px[drawn] if seen.any() else None,
            confidence=seen if seen.any() else None,
            longest_side=longest_side_px,
        )
        for vertices in np.asarray(placed_vertices(body, *stacked))
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
