"""Fits one body to its keypoints in several views at once (Eqs. 11 and 12).

  fit_uncalibrated(model, context, betas, view)               cameras unknown
  fit_calibrated(model, context, betas, view, extrinsics)     cameras known

Every view has its own latent under its own image's distribution; the body poses of the
latents should agree, and all views share one shape. With unknown cameras, the body has
an orientation and a place in each view, as in Eq. 12. With known cameras, it has one of
each in the world. Padded views have no influence. Bulk fitting and the evaluation of
fits call these functions.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import body_joints
from prohmr_jax.fitting.keypoints import View, keypoint_problem
from prohmr_jax.fitting.objectives import (
    AGREEMENT_WEIGHT,
    BETAS_WEIGHT,
    KEYPOINT_LATENT_WEIGHT,
    FittingModel,
    KeypointData,
    decode_body,
    disagreement,
    reprojection,
)
from prohmr_jax.geometry.extrinsics import Extrinsics, meeting_point, to_world
from prohmr_jax.geometry.rotations import mean_rotation, rotate
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.structs import Body, Camera, SmplParams

_PELVIS = skeleton.SMPL_24.index("pelvis")


@struct.dataclass
class JointViews:
    """Holds what a joint fit knows of one person in N images."""

    views: KeypointData
    """What is known of each image, leading axis N."""
    valid: Float[Array, "*b N"]
    """1 for a view, 0 for padding."""
    extrinsics: Extrinsics | None
    """Extrinsics of the cameras; None where they are unknown."""


@struct.dataclass
class JointParams:
    """Holds the unknowns of a joint fit."""

    z: Float[Array, "*b N 144"]
    """Latent of the pose in each view."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""
    place: Float[Array, "*b N 3"] | Float[Array, "*b 3"]
    """If cameras are unknown, the translation of the body in each camera frame; if they
    are known, the pelvis in the world; metres."""


@struct.dataclass
class ViewsFit:
    """Holds G people, seen in N views each by unknown cameras."""

    smpl: SmplParams
    """Pose and shape in each view, [G, N]; each view has its own global orientation."""
    body: Body
    """Joints, metres, camera axes, [G, N]; `camera.translation` places them."""
    camera: Camera
    """Camera of each view, pixels, [G, N]."""
    minimum: Minimum
    """Unknowns and loss, number of steps and evaluations, why each fit ended, [G]."""


@struct.dataclass
class WorldFit:
    """Holds G people, seen by known cameras."""

    smpl: SmplParams
    """Pose and shape, [G]; `global_orient` turns the body frame to the world."""
    body: Body
    """Joints, metres, world frame, [G]."""
    minimum: Minimum
    """Unknowns and loss, number of steps and evaluations, why each fit ended, [G]."""


@jax.jit
def placed_views(
    model: FittingModel, params: JointParams, data: JointViews
) -> tuple[SmplParams, Body, Camera]:
    """Returns the body in each view, and the camera whose translation places it.

    Args:
      model: the folded flow and the body model.
      params: the unknowns at the end of the fits.
      data: what was fitted to, with or without extrinsics.
    """
    views, extrinsics = data.views, data.extrinsics
    betas = jnp.broadcast_to(
        params.betas[..., None, :], (*params.z.shape[:-1], params.betas.shape[-1])
    )
    smpl, body = decode_body(model, params.z, betas, views.context)
    translation = params.place
    if extrinsics is not None:
        pelvis = rotate(extrinsics.rotation, params.place[..., None, :])
        translation = (
            pelvis + extrinsics.translation - body.kinematic_joints[..., _PELVIS, :]
        )
    return smpl, body, Camera(translation, views.focal_length, views.center)


def joint_objective(
    model: FittingModel, params: JointParams, data: JointViews
) -> Float[Array, ""]:
    """Returns Eq. 11 summed over the views of one person, plus their disagreement.

    The shape prior counts once. With known cameras, the global orientations should
    agree as well.

    Args:
      model: the folded flow and the body model.
      params: the unknowns.
      data: what is known.
    """
    smpl, body, camera = placed_views(model, params, data)
    views = data.views
    data_term = reprojection(body.joints, views.keypoints, camera, views.image_side)
    rotmats = smpl.body_pose
    if data.extrinsics is not None:
        orient = to_world(data.extrinsics, smpl.global_orient)
        rotmats = jnp.concatenate([orient[:, None], rotmats], axis=1)
    return (
        jnp.sum(data.valid * data_term)
        + AGREEMENT_WEIGHT * disagreement(rotmats, data.valid)
        # The latents of padding count too, so that they stay at zero.
        + KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        + BETAS_WEIGHT * jnp.sum(params.betas**2)
    )


def bind_joint(model: FittingModel) -> jax.tree_util.Partial:
    """Returns `joint_objective` of a given model, in the form the solver takes."""
    return jax.tree_util.Partial(joint_objective, model)


@functools.partial(jax.jit, static_argnames="use_hips")
def joint_problem(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    view: View,
    valid: Float[Array, "G N"] | None = None,
    extrinsics: Extrinsics | None = None,
    use_hips: bool = False,
) -> tuple[JointParams, JointViews]:
    """Returns the unknowns at the start of joint fits, and what is fitted to.

    Fits start at the modes of the views.

    Args:
      model: the folded flow and the body model that it was trained with.
      context: context of each view.
      betas: shape coefficients that the network predicts in each view; the shape starts
        at their mean.
      view: detections and the camera to start from in each view, [G, N].
      valid: 1 for a view, 0 for padding of people with fewer; None for no padding.
      extrinsics: extrinsics of known cameras, whose intrinsics are then those of
        `view`; None for unknown cameras.
      use_hips: see `fit_keypoints`.
    """
    valid = jnp.ones(context.shape[:-1]) if valid is None else jnp.asarray(valid)

    def padded(tree):
        """Returns the tree with ones in padded views, which are finite and not read."""
        return jax.tree.map(
            lambda a: jnp.where(valid.reshape(valid.shape + (1,) * (a.ndim - 2)) > 0,
                                a, 1.0), tree)  # fmt: skip

    context, view, extrinsics = padded((context, view, extrinsics))
    start, views = keypoint_problem(model, context, betas, view, use_hips)
    seen = jnp.where(valid[..., None] > 0, betas, 0.0)
    mean = jnp.sum(seen, axis=-2) / jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None]
    place = start.translation
    if extrinsics is not None:
        _, body = decode_body(model, start.z, padded(betas), views.context)
        pelvis = body.kinematic_joints[..., _PELVIS, :] + start.translation
        place = meeting_point(pelvis, extrinsics, valid)
    return JointParams(start.z, mean, place), JointViews(views, valid, extrinsics)


def fit_uncalibrated(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    view: View,
    valid: Float[Array, "G N"] | None = None,
    use_hips: bool = False,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> ViewsFit:
    """Returns people fitted to all their views at once, with unknown cameras.

    Args: see `joint_problem`; `settings` say when the solver stops.
    """
    start, data = joint_problem(model, context, betas, view, valid, None, use_hips)
    minimum = minimise_batch(bind_joint(model), start, data, settings)
    smpl, body, camera = placed_views(model, minimum.params, data)
    return ViewsFit(smpl, body, camera, minimum)


def fit_calibrated(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    view: View,
    extrinsics: Extrinsics,
    valid: Float[Array, "G N"] | None = None,
    use_hips: bool = False,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> WorldFit:
    """Returns people fitted to all their views at once, with known cameras.

    Args: see `joint_problem`; `settings` say when the solver stops.
    """
    start, data = joint_problem(
        model, context, betas, view, valid, extrinsics, use_hips
    )
    minimum = minimise_batch(bind_joint(model), start, data, settings)
    smpl, body = world_body(model, minimum.params, data)
    return WorldFit(smpl, body, minimum)


@jax.jit
def world_body(
    model: FittingModel, params: JointParams, data: JointViews
) -> tuple[SmplParams, Body]:
    """Returns each person's body in the world: the mean of the views' agreeing bodies.

    Args:
      model: the folded flow and the body model.
      params: the unknowns at the end of the fits.
      data: what was fitted to, with extrinsics.
    """
    smpl, _, _ = placed_views(model, params, data)
    orient = to_world(data.extrinsics, smpl.global_orient)
    mean = functools.partial(mean_rotation, valid=data.valid)
    in_world = smpl.replace(global_orient=orient)
    person = SmplParams.from_rotmats(mean(in_world.rotmats), params.betas)
    body = body_joints(model.body, person)
    shift = params.place - body.kinematic_joints[..., _PELVIS, :]
    return person, jax.tree.map(lambda joints: joints + shift[..., None, :], body)
