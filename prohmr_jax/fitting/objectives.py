"""What is minimised, of one person: Eq. 11 (keypoints) and Eq. 12 (several views).

The likelihood enters as |z|^2: the flow's volume change does not depend on z, so that
-ln p is |z|^2 / 2 and a constant.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.geometry.cameras import project
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.prepared_flow import PreparedFlow, ProjectedContext
from prohmr_jax.models.prohmr import NUM_ROTATIONS
from prohmr_jax.structs import Body, Camera, Keypoints2D, SmplParams

# Weights of the official implementation (nkolot/ProHMR, keypoint_fitting_loss and
# multiview_loss), on which published numbers rest.
GMOF_SIGMA_PX = 100.0
"""Residuals much larger than this are outliers."""
DATA_SIZE_PX = 1000.0
"""The data term counts pixels of an image of this larger side."""
KEYPOINT_LATENT_WEIGHT = 16.0
BETAS_WEIGHT = 36.0
AGREEMENT_WEIGHT = 300.0**2
MULTIVIEW_LATENT_WEIGHT = 1.0


@struct.dataclass
class FittingModel:
    """The weights that every person shares."""

    flow: PreparedFlow
    body: BodyModel


@struct.dataclass
class KeypointParams:
    """Unknowns of a fit."""

    z: Float[Array, "*b 144"]
    betas: Float[Array, "*b S"]
    translation: Float[Array, "*b 3"]
    """Of the body, metres, camera frame."""


@struct.dataclass
class KeypointData:
    """What is known of one person in one image."""

    context: ProjectedContext
    keypoints: Keypoints2D
    """JOINTS_44, pixels; a confidence of zero leaves the position unread."""
    focal_length: Float[Array, "*b 2"]
    """Pixels."""
    center: Float[Array, "*b 2"]
    """Principal point, pixels."""
    image_side: Float[Array, "*b"]
    """The larger side of the image, pixels."""


@struct.dataclass
class ViewsData:
    """What is known of one person in N images."""

    context: ProjectedContext
    """Leading axis N."""
    valid: Float[Array, "*b N"]
    """1 for a view, 0 for padding."""


def gmof(
    residual: Float[Array, "*b"], sigma: float = GMOF_SIGMA_PX
) -> Float[Array, "*b"]:
    """Returns the robust square s^2 x^2 / (s^2 + x^2) (Geman and McClure, 1987)."""
    squared = residual**2
    return sigma**2 * squared / (sigma**2 + squared)


def decode_rotmats(
    flow: PreparedFlow, z: Float[Array, "*b 144"], context: ProjectedContext
) -> Float[Array, "*b 24 3 3"]:
    """Returns the rotations, the global one first, of latents."""
    flat, _ = prepared_flow.inverse(flow, z, context)
    return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], NUM_ROTATIONS, 6))


def decode_body(
    model: FittingModel,
    z: Float[Array, "*b 144"],
    betas: Float[Array, "*b S"],
    context: ProjectedContext,
) -> tuple[SmplParams, Body]:
    """Returns the pose of latents and the joints of the body; no mesh is computed."""
    rotmats = decode_rotmats(model.flow, z, context)
    smpl = SmplParams.from_rotmats(rotmats, betas)
    shaped = shape_body(model.body, betas, with_vertices=False)
    return smpl, pose_joints(shaped, smpl.global_orient, smpl.body_pose)


def reprojection(
    joints: Float[Array, "*b J 3"],
    keypoints: Keypoints2D,
    camera: Camera,
    image_side: Float[Array, "*b"],
) -> Float[Array, "*b"]:
    """Returns the data term E_J: robust, weighted by squared confidence, summed.

    It is in pixels of an image scaled to a larger side of `DATA_SIZE_PX`, but for the
    robust function, which sees the pixels as they are: so does the official code.
    """
    seen = keypoints.confidence > 0
    # Chosen before it is squared, so that a missing position may even be NaN.
    residual = jnp.where(
        seen[..., None], project(joints, camera) - keypoints.xy, 0.0
    )  # fmt: skip
    robust = jnp.sum(gmof(residual), axis=-1)
    weight = jnp.where(seen, keypoints.confidence, 0.0) ** 2
    scale = (DATA_SIZE_PX / image_side) ** 2
    return scale * jnp.sum(weight * robust, axis=-1)


def keypoint_objective(
    model: FittingModel, params: KeypointParams, data: KeypointData
) -> Float[Array, ""]:
    """Returns Eq. 11 of one person: keypoints, likelihood of the pose, shape prior."""
    _, body = decode_body(model, params.z, params.betas, data.context)
    camera = Camera(params.translation, data.focal_length, data.center)
    return (
        reprojection(body.joints, data.keypoints, camera, data.image_side)
        + KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        + BETAS_WEIGHT * jnp.sum(params.betas**2)
    )


def disagreement(
    rotmats: Float[Array, "N R 3 3"], valid: Float[Array, " N"]
) -> Float[Array, ""]:
    """Returns the squared distances of the views' rotations from their mean, summed.

    The mean is the plain mean of matrices; padded views do not count.
    """
    weight = valid[:, None, None, None]
    mean = jnp.sum(weight * rotmats, axis=0) / jnp.maximum(jnp.sum(valid), 1.0)
    return jnp.sum(weight * (rotmats - mean) ** 2)


def multiview_objective(
    flow: PreparedFlow, z: Float[Array, "N 144"], data: ViewsData
) -> Float[Array, ""]:
    """Returns Eq. 12 of one person: body poses agree, and are likely in every view.

    The global orientation is each view's own.
    """
    body_pose = decode_rotmats(flow, z, data.context)[:, 1:]
    agreement = AGREEMENT_WEIGHT * disagreement(body_pose, data.valid)
    # Of padding too, which then stays at zero.
    return agreement + MULTIVIEW_LATENT_WEIGHT * jnp.sum(z**2)


# Objectives as a compiled loop takes them: the weights are arguments, not constants.
def bind_keypoints(model: FittingModel) -> jax.tree_util.Partial:
    """Returns `keypoint_objective` of these weights, for `minimise`."""
    return jax.tree_util.Partial(keypoint_objective, model)


def bind_multiview(flow: PreparedFlow) -> jax.tree_util.Partial:
    """Returns `multiview_objective` of these weights, for `minimise`."""
    return jax.tree_util.Partial(multiview_objective, flow)
