"""Computes what fits minimise: Eq. 11 (keypoints) and Eq. 12 (several views).

The likelihood of a pose enters as |z|^2: the flow's change of volume does not depend on
z, so -ln p is |z|^2 / 2 plus a constant. `keypoints` and the two multi-view modules
minimise these functions.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.fitting.detector_terms import joints_as_detected
from prohmr_jax.geometry.cameras import project
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.prepared_flow import PreparedFlow, ProjectedContext
from prohmr_jax.models.prohmr import NUM_ROTATIONS
from prohmr_jax.priors.detector_errors import DetectorErrors
from prohmr_jax.structs import Body, Camera, Keypoints2D, SmplParams

# Weights of the official implementation (nkolot/ProHMR, keypoint_fitting_loss and
# multiview_loss), with which the published numbers were computed.
# Residuals much larger than this count as outliers.
GMOF_SIGMA_PX = 100.0
# The data term is in pixels of an image scaled to this larger side.
DATA_SIZE_PX = 1000.0
KEYPOINT_LATENT_WEIGHT = 16.0
# Weight of the data term, relative to the published one, where the model's input was
# the same keypoints: their evidence is in the distribution already. True poses of
# climbers are likeliest at 0.003 to 0.01 (`configs/choose_data_weight.py`).
SEEN_KEYPOINTS_WEIGHT = 0.01
BETAS_WEIGHT = 36.0
AGREEMENT_WEIGHT = 300.0**2
MULTIVIEW_LATENT_WEIGHT = 1.0


@struct.dataclass
class FittingModel:
    """Holds the trained weights that the fits of all people share."""

    flow: PreparedFlow
    """Flow of the trained ProHMR."""
    body: BodyModel
    """Body model that it was trained with."""
    detector: DetectorErrors | None = None
    """Detector that found the keypoints; None compares them with the body's joints."""


@struct.dataclass
class KeypointParams:
    """Holds the unknowns of a fit to keypoints."""

    z: Float[Array, "*b 144"]
    """Latent of the pose."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""
    translation: Float[Array, "*b 3"]
    """Translation of the body, metres, camera frame."""


@struct.dataclass
class KeypointData:
    """Holds what is known of one person in one image."""

    context: ProjectedContext
    """Context of the image, projected for the flow."""
    keypoints: Keypoints2D
    """Detections of JOINTS_44, pixels; positions with confidence 0 are not read."""
    focal_length: Float[Array, "*b 2"]
    """Focal lengths (x, y), pixels."""
    center: Float[Array, "*b 2"]
    """Principal point (x, y), pixels."""
    image_side: Float[Array, "*b"]
    """Larger side of the image, pixels."""


@struct.dataclass
class ViewsData:
    """Holds what a fusion knows of one person in N images."""

    context: ProjectedContext
    """Contexts of the images, projected for the flow, leading axis N."""
    valid: Float[Array, "*b N"]
    """1 for a view, 0 for padding."""


def gmof(
    residual: Float[Array, "*b"], sigma: float = GMOF_SIGMA_PX
) -> Float[Array, "*b"]:
    """Returns the robust square s^2 x^2 / (s^2 + x^2) (Geman and McClure, 1987).

    Args:
      residual: x, in the unit of sigma.
      sigma: s, the scale beyond which residuals count as outliers.
    """
    squared = residual**2
    return sigma**2 * squared / (sigma**2 + squared)


def decode_rotmats(
    flow: PreparedFlow, z: Float[Array, "*b 144"], context: ProjectedContext
) -> Float[Array, "*b 24 3 3"]:
    """Returns the rotation matrices of latents, the root's first.

    Args:
      flow: the folded flow.
      z: latents.
      context: projected contexts, which broadcast against the latents.
    """
    flat, _ = prepared_flow.inverse(flow, z, context)
    return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], NUM_ROTATIONS, 6))


def decode_body(
    model: FittingModel,
    z: Float[Array, "*b 144"],
    betas: Float[Array, "*b S"],
    context: ProjectedContext,
) -> tuple[SmplParams, Body]:
    """Returns the pose of latents, and the joints of the body without its mesh.

    Args:
      model: the flow and the body model.
      z: latents.
      betas: shape coefficients.
      context: projected contexts, which broadcast against the latents.

    Returns:
      Pose and shape, and the joints, metres, camera axes, before any translation.
    """
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
    """Returns the data term E_J of Eq. 11, summed over joints.

    Robust squares of the residuals are weighted by squared confidence. They are scaled
    as if the larger side of the image were `DATA_SIZE_PX`; only the robust function
    sees unscaled pixels, as in the official code.

    Args:
      joints: metres, camera axes, before the camera's translation.
      keypoints: detections of the same joints, pixels.
      camera: camera of the image, pixels.
      image_side: larger side of the image, pixels.
    """
    seen = keypoints.confidence > 0
    # Selecting before squaring keeps value and gradient finite if a missing position is
    # NaN.
    residual = project(joints, camera) - keypoints.xy
    residual = jnp.where(seen[..., None], residual, 0.0)
    robust = jnp.sum(gmof(residual), axis=-1)
    weight = jnp.where(seen, keypoints.confidence, 0.0) ** 2
    scale = (DATA_SIZE_PX / image_side) ** 2
    return scale * jnp.sum(weight * robust, axis=-1)


def keypoint_objective(
    model: FittingModel, params: KeypointParams, data: KeypointData
) -> Float[Array, ""]:
    """Returns Eq. 11 for one person: data term, likelihood of the pose and shape prior.

    Args:
      model: the flow and the body model.
      params: the unknowns.
      data: what is known.
    """
    smpl, body = decode_body(model, params.z, params.betas, data.context)
    joints = body.joints
    if model.detector is not None:
        joints = joints_as_detected(model.detector, body, smpl.rotmats)
    camera = Camera(params.translation, data.focal_length, data.center)
    return (
        reprojection(joints, data.keypoints, camera, data.image_side)
        + KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        + BETAS_WEIGHT * jnp.sum(params.betas**2)
    )


def disagreement(
    rotmats: Float[Array, "N R 3 3"], valid: Float[Array, " N"]
) -> Float[Array, ""]:
    """Returns the sum of squared distances of the views' rotations from their mean.

    The mean is the arithmetic mean of the matrices.

    Args:
      rotmats: R rotation matrices in each of N views.
      valid: 1 for a view, 0 for padding, which does not count.
    """
    weight = valid[:, None, None, None]
    mean = jnp.sum(weight * rotmats, axis=0) / jnp.maximum(jnp.sum(valid), 1.0)
    return jnp.sum(weight * (rotmats - mean) ** 2)


def multiview_objective(
    flow: PreparedFlow, z: Float[Array, "N 144"], data: ViewsData
) -> Float[Array, ""]:
    """Returns Eq. 12 for one person: disagreement of the views and likelihoods.

    The body poses of the views should agree and be likely in every view; each view has
    its own global orientation.

    Args:
      flow: the folded flow.
      z: latents of the views.
      data: what is known.
    """
    body_pose = decode_rotmats(flow, z, data.context)[:, 1:]
    agreement = AGREEMENT_WEIGHT * disagreement(body_pose, data.valid)
    # The latents of padding count too, so that they stay at zero.
    return agreement + MULTIVIEW_LATENT_WEIGHT * jnp.sum(z**2)


# The solver takes objectives in this form, so that the trained weights are arguments of
# the compiled loop and not constants in it.
def bind_keypoints(model: FittingModel) -> jax.tree_util.Partial:
    """Returns `keypoint_objective` of a given model, in the form the solver takes."""
    return jax.tree_util.Partial(keypoint_objective, model)


def bind_multiview(flow: PreparedFlow) -> jax.tree_util.Partial:
    """Returns `multiview_objective` of a given flow, in the form the solver takes."""
    return jax.tree_util.Partial(multiview_objective, flow)
