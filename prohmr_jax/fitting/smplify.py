"""Runs SMPLify (Bogo et al., 2016; Eq. 10), a baseline whose prior sees no image.

  prior = GaussianMixture(load_pose_prior())       the kind of prior in that paper
  prior = GenericFlow(load_pose_flow())            a learned prior
  fit = fit_smplify(body, prior, smpl, view)

The objective is the data term of Eq. 11 plus penalties for an unlikely pose, for elbows
and knees that bend backwards, and for an unusual shape. As in the original, camera and
orientation are fitted to the torso first, and everything together afterwards. The body
starts at the prediction of a regressor (as in SPIN; Kolotouros et al., ICCV 2019), so
that the pose needs only the last stage of the original, with its weakest prior.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.fitting.keypoints import View
from prohmr_jax.fitting.objectives import DATA_SIZE_PX, reprojection
from prohmr_jax.geometry.cameras import CROP_SIZE_PX
from prohmr_jax.geometry.rotations import (
    axis_angle_to_rotmat,
    pose_6d_to_rotmat,
    rotmat_to_axis_angle,
    rotmat_to_pose_6d,
)
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.prepared_flow import PreparedFlow, project_context
from prohmr_jax.priors.gaussian_mixture import PosePrior, log_prob
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.structs import Body, Camera, SmplParams

_NUM_BODY = len(skeleton.SMPL_24) - 1


@struct.dataclass
class Weights:
    """Holds the weights of the terms, for a data term in squared pixels of a 224 crop.

    The defaults are the published ones of the last stage (Bogo et al.; SPIN).
    """

    pose: float = 4.78**2
    """Weight of the negative log-density of the pose, per nat."""
    angle: float = 15.2**2
    """Weight of elbows and knees that bend backwards."""
    shape: float = 5.0**2
    """Weight of the squared shape coefficients."""


# The data term is in pixels of an image of side 1000, the published weights are for
# pixels of the crop.
_PUBLISHED_SCALE = (DATA_SIZE_PX / CROP_SIZE_PX) ** 2

# Joints, and axis and sign of the rotation that bends them backwards.
_BACKWARDS = (
    ("left_elbow", "y", 1.0),
    ("right_elbow", "y", -1.0),
    ("left_knee", "x", -1.0),
    ("right_knee", "x", -1.0),
)
_BENT = np.array([skeleton.SMPL_24.index(joint) - 1 for joint, _, _ in _BACKWARDS])
_AXIS = np.array(["xyz".index(axis) for _, axis, _ in _BACKWARDS])
_SIGN = np.array([sign for _, _, sign in _BACKWARDS], np.float32)

_TORSO = np.array(
    [
        name.removesuffix("_extra").endswith(("shoulder", "hip"))
        for name in skeleton.JOINTS_44.names
    ],
    np.float32,
)


@runtime_checkable
class BodyPrior(Protocol):
    """Represents body poses by numbers and gives their density; a pytree of weights."""

    def encode(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b D"]:
        """Returns the parameters of a body pose."""

    def rotmats(self, pose: Float[Array, "*b D"]) -> Float[Array, "*b 23 3 3"]:
        """Returns the rotations that parameters stand for."""

    def energy(self, pose: Float[Array, "*b D"]) -> Float[Array, "*b"]:
        """Returns -ln p, nats, up to a constant."""


@struct.dataclass
class GaussianMixture:
    """Represents poses by axis-angles, with the density of a mixture of Gaussians.

    The density is the sum over the Gaussians, not the largest term of it.
    """

    prior: PosePrior
    """The mixture."""

    def encode(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b 69"]:
        """Returns the axis-angles of rotations, radians."""
        axis_angle = rotmat_to_axis_angle(body_pose)
        return axis_angle.reshape(*axis_angle.shape[:-2], 3 * _NUM_BODY)

    def rotmats(self, pose: Float[Array, "*b 69"]) -> Float[Array, "*b 23 3 3"]:
        """Returns the rotations of axis-angles."""
        return axis_angle_to_rotmat(pose.reshape(*pose.shape[:-1], _NUM_BODY, 3))

    def energy(self, pose: Float[Array, "*b 69"]) -> Float[Array, "*b"]:
        """Returns -ln p, nats."""
        return -log_prob(self.prior, pose)


@struct.dataclass
class GenericFlow:
    """Represents poses by latents of a flow without context.

    SMPLify-X uses the latents of VPoser in the same way.
    """

    flow: PreparedFlow
    """The folded flow."""

    def encode(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b 138"]:
        """Returns the latents of rotations."""
        flat = rotmat_to_pose_6d(body_pose)
        flat = flat.reshape(*flat.shape[:-2], 6 * _NUM_BODY)
        return prepared_flow.forward(self.flow, flat, project_context(self.flow))[0]

    def rotmats(self, pose: Float[Array, "*b 138"]) -> Float[Array, "*b 23 3 3"]:
        """Returns the rotations of latents."""
        flat, _ = prepared_flow.inverse(self.flow, pose, project_context(self.flow))
        return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], _NUM_BODY, 6))

    def energy(self, pose: Float[Array, "*b 138"]) -> Float[Array, "*b"]:
        """Returns |z|^2 / 2; the volume change of the flow is the same everywhere."""
        return 0.5 * jnp.sum(pose**2, axis=-1)


@struct.dataclass
class TorsoParams:
    """Holds the unknowns of the first stage."""

    orient: Float[Array, "*b 3"]
    """Axis-angle of the root, body frame to camera frame, radians."""
    translation: Float[Array, "*b 3"]
    """Translation of the body, metres, camera frame."""


@struct.dataclass
class BodyParams:
    """Holds the unknowns of the second stage."""

    torso: TorsoParams
    """Orientation and translation."""
    pose: Float[Array, "*b D"]
    """Parameters of the pose, in the form of the prior."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""


@struct.dataclass
class SmplifyFit:
    """Holds B fitted people."""

    smpl: SmplParams
    """Pose and shape, body frame to camera frame."""
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    """Camera of the view, pixels."""
    torso: Minimum
    """Result of the first stage."""
    minimum: Minimum
    """Result of the second stage."""


def backward_bending(body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b"]:
    """Returns the penalty of elbows and knees that bend backwards.

    It is the sum of exp(angle)^2 over these four joints, where the angle, in radians,
    is positive if the joint bends backwards.

    Args:
      body_pose: rotations relative to the parents.
    """
    axis_angle = rotmat_to_axis_angle(body_pose[..., _BENT, :, :])
    angle = _SIGN * axis_angle[..., np.arange(len(_AXIS)), _AXIS]
    return jnp.sum(jnp.exp(angle) ** 2, axis=-1)


def _data_term(body: BodyModel, smpl: SmplParams, translation, view: View):
    """Returns the data term of Eq. 11 for a body at a translation, metres."""
    joints = body_joints(body, smpl).joints
    camera = view.camera.replace(translation=translation)
    return reprojection(joints, view.keypoints, camera, view.image_side)


def torso_objective(
    body: BodyModel, params: TorsoParams, data: tuple[SmplParams, View]
) -> Float[Array, ""]:
    """Returns the objective of the first stage: the data term of shoulders and hips.

    Args:
      body: the body model.
      params: the unknowns.
      data: pose and shape, whose global orientation is ignored, and the detections.
    """
    smpl, view = data
    smpl = smpl.replace(global_orient=axis_angle_to_rotmat(params.orient))
    keypoints = view.keypoints
    torso = keypoints.replace(confidence=keypoints.confidence * _TORSO)
    return _data_term(body, smpl, params.translation, view.replace(keypoints=torso))


def smplify_objective(
    body: BodyModel,
    prior: BodyPrior,
    weights: Weights,
    params: BodyParams,
    view: View,
) -> Float[Array, ""]:
    """Returns Eq. 10 for one person, with the scale of `objectives.reprojection`.

    Args:
      body: the body model.
      prior: prior over body poses.
      weights: weights of the terms.
      params: the unknowns.
      view: detections and camera, whose translation is ignored.
    """
    rotmats = prior.rotmats(params.pose)
    orient = axis_angle_to_rotmat(params.torso.orient)
    smpl = SmplParams(orient, rotmats, params.betas)
    return _data_term(body, smpl, params.torso.translation, view) + _PUBLISHED_SCALE * (
        weights.pose * prior.energy(params.pose)
        + weights.angle * backward_bending(rotmats)
        + weights.shape * jnp.sum(params.betas**2)
    )


def fit_smplify(
    body: BodyModel,
    prior: BodyPrior,
    smpl: SmplParams,
    view: View,
    weights: Weights = Weights(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> SmplifyFit:
    """Returns people fitted to keypoints, each person alone.

    Args:
      body: the body model that the regressor was trained with.
      prior: prior over body poses.
      smpl: prediction of the regressor, where the fits start, [B].
      view: detections and the camera to start from, [B].
      weights: weights of the terms.
      settings: when the solver stops, for each stage.
    """
    orient = rotmat_to_axis_angle(smpl.global_orient)
    start = TorsoParams(orient, view.camera.translation)
    partial = jax.tree_util.Partial
    objective = partial(torso_objective, body)
    torso = minimise_batch(objective, start, (smpl, view), settings)
    start = BodyParams(torso.params, _encode(prior, smpl.body_pose), smpl.betas)
    objective = partial(smplify_objective, body, prior, weights)
    minimum = minimise_batch(objective, start, view, settings)
    return _fitted(body, prior, view, torso, minimum)


@jax.jit
def _encode(prior, body_pose):
    return prior.encode(body_pose)


@jax.jit
def _fitted(body, prior, view, torso, minimum) -> SmplifyFit:
    """Returns the bodies at the end of both stages."""
    params = minimum.params
    orient = axis_angle_to_rotmat(params.torso.orient)
    smpl = SmplParams(orient, prior.rotmats(params.pose), params.betas)
    camera = view.camera.replace(translation=params.torso.translation)
    return SmplifyFit(smpl, body_joints(body, smpl), camera, torso, minimum)
