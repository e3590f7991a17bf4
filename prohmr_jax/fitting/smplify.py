"""SMPLify (Bogo et al., 2016; Eq. 10): keypoints, and a prior that sees no image.

  prior = GaussianMixture(load_pose_prior())       as in the paper it comes from
  prior = GenericFlow(load_pose_flow())            a learned one
  fit = fit_smplify(body, prior, smpl, view)

What is minimised is the data term of Eq. 11, an unlikely pose, elbows and knees bent
the wrong way, and an unusual shape. As in the original, the camera and the orientation
are found first, on the torso, then everything together. The body starts where a
regressor puts it (Kolotouros et al., SPIN, ICCV 2019), so that its last stage, of the
weakest prior, is the only one that the pose needs.
"""

from typing import Protocol

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
    """Of the terms, against a data term in squared pixels of a crop of 224.

    The published ones of the last stage (Bogo et al.; SPIN): 4.78^2, 15.2^2 and 5^2.
    """

    pose: float = 4.78**2
    """Per nat."""
    angle: float = 15.2**2
    shape: float = 5.0**2


# The data term counts pixels of an image of 1000, the published weights of a crop.
_PUBLISHED_SCALE = (DATA_SIZE_PX / CROP_SIZE_PX) ** 2

# Joint, axis and sign of the turn that bends them backwards.
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


class BodyPrior(Protocol):
    """How a body pose is written down, and how unlikely it is. A pytree of weights."""

    def written(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b D"]:
        """Returns the numbers that stand for a pose."""

    def rotmats(self, pose: Float[Array, "*b D"]) -> Float[Array, "*b 23 3 3"]:
        """Returns the rotations that numbers stand for."""

    def energy(self, pose: Float[Array, "*b D"]) -> Float[Array, "*b"]:
        """Returns -ln p in nats, up to a constant."""


@struct.dataclass
class GaussianMixture:
    """Axis-angles under a mixture of Gaussians (its sum, not its largest part)."""

    prior: PosePrior

    def written(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b 69"]:
        """Returns axis-angles."""
        axis_angle = rotmat_to_axis_angle(body_pose)
        return axis_angle.reshape(*axis_angle.shape[:-2], 3 * _NUM_BODY)

    def rotmats(self, pose: Float[Array, "*b 69"]) -> Float[Array, "*b 23 3 3"]:
        """Returns rotations of axis-angles."""
        return axis_angle_to_rotmat(pose.reshape(*pose.shape[:-1], _NUM_BODY, 3))

    def energy(self, pose: Float[Array, "*b 69"]) -> Float[Array, "*b"]:
        """Returns -ln p."""
        return -log_prob(self.prior, pose)


@struct.dataclass
class GenericFlow:
    """Latents of a flow without context, as VPoser's stand for poses in SMPLify-X."""

    flow: PreparedFlow

    def written(self, body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b 138"]:
        """Returns latents."""
        flat = rotmat_to_pose_6d(body_pose)
        flat = flat.reshape(*flat.shape[:-2], 6 * _NUM_BODY)
        return prepared_flow.forward(self.flow, flat, project_context(self.flow))[0]

    def rotmats(self, pose: Float[Array, "*b 138"]) -> Float[Array, "*b 23 3 3"]:
        """Returns rotations of latents."""
        flat, _ = prepared_flow.inverse(self.flow, pose, project_context(self.flow))
        return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], _NUM_BODY, 6))

    def energy(self, pose: Float[Array, "*b 138"]) -> Float[Array, "*b"]:
        """Returns |z|^2 / 2: the flow's volume change is the same everywhere."""
        return 0.5 * jnp.sum(pose**2, axis=-1)


@struct.dataclass
class TorsoParams:
    """Unknowns of the first stage."""

    orient: Float[Array, "*b 3"]
    """Axis-angle, body to camera."""
    translation: Float[Array, "*b 3"]
    """Of the body, metres, camera frame."""


@struct.dataclass
class BodyParams:
    """Unknowns of the second stage."""

    torso: TorsoParams
    pose: Float[Array, "*b D"]
    """As the prior writes it."""
    betas: Float[Array, "*b S"]


@struct.dataclass
class SmplifyFit:
    """B fitted people."""

    smpl: SmplParams
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    torso: Minimum
    """Of the first stage."""
    minimum: Minimum


def backwards(body_pose: Float[Array, "*b 23 3 3"]) -> Float[Array, "*b"]:
    """Returns how far elbows and knees bend the wrong way: sum of exp(angle)^2."""
    axis_angle = rotmat_to_axis_angle(body_pose[..., _BENT, :, :])
    angle = _SIGN * axis_angle[..., np.arange(len(_AXIS)), _AXIS]
    return jnp.sum(jnp.exp(angle) ** 2, axis=-1)


def _seen(body: BodyModel, smpl: SmplParams, translation, view: View):
    joints = body_joints(body, smpl).joints
    camera = view.camera.replace(translation=translation)
    return reprojection(joints, view.keypoints, camera, view.image_side)


def torso_objective(
    body: BodyModel, params: TorsoParams, data: tuple[SmplParams, View]
) -> Float[Array, ""]:
    """Returns the data term of shoulders and hips; shape and pose are given."""
    smpl, view = data
    smpl = smpl.replace(global_orient=axis_angle_to_rotmat(params.orient))
    keypoints = view.keypoints
    torso = keypoints.replace(confidence=keypoints.confidence * _TORSO)
    return _seen(body, smpl, params.translation, view.replace(keypoints=torso))


def smplify_objective(
    body: BodyModel,
    prior: BodyPrior,
    weights: Weights,
    params: BodyParams,
    view: View,
) -> Float[Array, ""]:
    """Returns Eq. 10 of one person, scaled as Eq. 11 is (`objectives.reprojection`)."""
    rotmats = prior.rotmats(params.pose)
    orient = axis_angle_to_rotmat(params.torso.orient)
    smpl = SmplParams(orient, rotmats, params.betas)
    return _seen(body, smpl, params.torso.translation, view) + _PUBLISHED_SCALE * (
        weights.pose * prior.energy(params.pose)
        + weights.angle * backwards(rotmats)
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
    """Returns people fitted to keypoints, each alone, from a regressor's answer.

    Args:
      body: that the regressor was trained on.
      prior: over body poses.
      smpl: where the fits start, `[B]`.
      view: detections and first camera, `[B]`.
      weights: of the terms.
      settings: of the optimiser, for either stage.
    """
    start = TorsoParams(rotmat_to_axis_angle(smpl.global_orient),
                        view.camera.translation)  # fmt: skip
    partial = jax.tree_util.Partial
    objective = partial(torso_objective, body)
    torso = minimise_batch(objective, start, (smpl, view), settings)
    start = BodyParams(torso.params, _written(prior, smpl.body_pose), smpl.betas)
    objective = partial(smplify_objective, body, prior, weights)
    minimum = minimise_batch(objective, start, view, settings)
    return _fitted(body, prior, view, torso, minimum)


@jax.jit
def _written(prior, body_pose):
    return prior.written(body_pose)


@jax.jit
def _fitted(body, prior, view, torso, minimum) -> SmplifyFit:
    found = minimum.params
    smpl = SmplParams(
        axis_angle_to_rotmat(found.torso.orient),
        prior.rotmats(found.pose),
        found.betas,
    )
    camera = view.camera.replace(translation=found.torso.translation)
    return SmplifyFit(smpl, body_joints(body, smpl), camera, torso, minimum)
