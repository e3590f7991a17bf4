"""One body fitted to its keypoints in several views at once: Eqs. 11 and 12 together.

  fit_uncalibrated(model, context, betas, view)               cameras unknown
  fit_calibrated(model, context, betas, view, extrinsics)     cameras known

Every view has its own latent, under its own image's distribution; the bodies that the
latents stand for are made to agree, and share one shape. With unknown cameras each view
has an orientation and a place of its own, as in Eq. 12. With known cameras there is one
of each, in the world. Nothing depends on what stands in a padded view.
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
from prohmr_jax.geometry.rotations import nearest_rotmat, normalize
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.structs import Body, Camera, SmplParams

# Of the depth that a view alone suggests, against the directions of all views' rays.
_DEPTH_TRUST = 1e-2
_PELVIS = skeleton.SMPL_24.index("pelvis")


@struct.dataclass
class Extrinsics:
    """Where the cameras stand: x_camera = rotation x_world + translation."""

    rotation: Float[Array, "*b N 3 3"]
    translation: Float[Array, "*b N 3"]
    """Metres."""


@struct.dataclass
class JointViews:
    """What is known of one person in N images."""

    views: KeypointData
    """Leading axis N."""
    valid: Float[Array, "*b N"]
    """1 for a view, 0 for padding."""
    extrinsics: Extrinsics | None
    """None: unknown."""


@struct.dataclass
class JointParams:
    """Unknowns."""

    z: Float[Array, "*b N 144"]
    betas: Float[Array, "*b S"]
    place: Float[Array, "*b N 3"] | Float[Array, "*b 3"]
    """Cameras unknown: translation of the body in each, metres, camera axes. Known:
    the pelvis, metres, world."""


@struct.dataclass
class ViewsFit:
    """G people, seen in N views each by unknown cameras."""

    smpl: SmplParams
    """`[G, N]`; body poses agree, orientations are each view's."""
    body: Body
    """`[G, N]`; joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    """`[G, N]`, pixels."""
    minimum: Minimum


@struct.dataclass
class WorldFit:
    """G people, seen by known cameras."""

    smpl: SmplParams
    """`[G]`; `global_orient` turns the body to the world."""
    body: Body
    """`[G]`; joints, metres, in their place in the world."""
    minimum: Minimum


def _decoded(
    model: FittingModel, params: JointParams, data: JointViews
) -> tuple[SmplParams, Body, Camera]:
    """Returns each view's body, and the camera that has it in its place."""
    views, extrinsics = data.views, data.extrinsics
    betas = jnp.broadcast_to(
        params.betas[..., None, :], (*params.z.shape[:-1], params.betas.shape[-1])
    )
    smpl, body = decode_body(model, params.z, betas, views.context)
    translation = params.place
    if extrinsics is not None:
        pelvis = _rotate(extrinsics.rotation, params.place[..., None, :])
        translation = (
            pelvis + extrinsics.translation - body.kinematic_joints[..., _PELVIS, :]
        )
    return smpl, body, Camera(translation, views.focal_length, views.center)


def joint_objective(
    model: FittingModel, params: JointParams, data: JointViews
) -> Float[Array, ""]:
    """Returns Eq. 11 summed over the views of one person, plus their disagreement.

    The shape prior counts once; with known cameras the orientations agree as well.
    """
    smpl, body, camera = _decoded(model, params, data)
    seen = reprojection(body.joints, data.views.keypoints, camera,
                        data.views.image_side)  # fmt: skip
    rotmats = smpl.body_pose
    if data.extrinsics is not None:
        orient = _to_world(data.extrinsics, smpl.global_orient)
        rotmats = jnp.concatenate([orient[:, None], rotmats], axis=1)
    return (
        jnp.sum(data.valid * seen)
        + AGREEMENT_WEIGHT * disagreement(rotmats, data.valid)
        # Of padding too, which then stays at zero.
        + KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        + BETAS_WEIGHT * jnp.sum(params.betas**2)
    )


def bind_joint(model: FittingModel) -> jax.tree_util.Partial:
    """Returns `joint_objective` of these weights, for `minimise`."""
    return jax.tree_util.Partial(joint_objective, model)


def _rotate(rotation, vector):
    return jnp.sum(rotation * vector[..., None, :], axis=-1)


def _to_world(extrinsics: Extrinsics, rotmat):
    inverse = jnp.swapaxes(extrinsics.rotation, -1, -2)
    return jnp.matmul(inverse, rotmat, precision="highest")


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
    """Returns where joint fits start (the modes) and what they are fitted to.

    Args:
      model: prepared flow, and the body it was trained on.
      context: conditioning vector of each view.
      betas: shape predicted in each view; their mean is where the shape starts.
      view: detections and first camera of each view, `[G, N]`.
      valid: 1 for a view, 0 for padding of people with fewer; None for all.
      extrinsics: of known cameras, whose intrinsics are then those of `view`.
      use_hips: see `fit_keypoints`.
    """
    valid = jnp.ones(context.shape[:-1]) if valid is None else jnp.asarray(valid)

    def kept(tree):
        """Numbers of padded views become 1: nobody reads them, but they are finite."""
        return jax.tree.map(
            lambda a: jnp.where(valid.reshape(valid.shape + (1,) * (a.ndim - 2)) > 0,
                                a, 1.0), tree)  # fmt: skip

    context, view, extrinsics = kept((context, view, extrinsics))
    start, views = keypoint_problem(model, context, betas, view, use_hips)
    seen = jnp.where(valid[..., None] > 0, betas, 0.0)
    mean = jnp.sum(seen, axis=-2) / jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None]
    place = start.translation
    if extrinsics is not None:
        _, body = decode_body(model, start.z, kept(betas), views.context)
        pelvis = body.kinematic_joints[..., _PELVIS, :] + start.translation
        place = meeting_point(pelvis, extrinsics, valid)
    return JointParams(start.z, mean, place), JointViews(views, valid, extrinsics)


def meeting_point(
    point: Float[Array, "*b N 3"],
    extrinsics: Extrinsics,
    valid: Float[Array, "*b N"],
) -> Float[Array, "*b 3"]:
    """Returns the point of the world that is nearest to the views' rays.

    Args:
      point: where each view has it, metres, camera frame; of its depth little is
        believed, but in one view alone, or where the rays are parallel, all.
      extrinsics: of the cameras.
      valid: 1 for a view, 0 for padding.
    """
    inverse = jnp.swapaxes(extrinsics.rotation, -1, -2)
    ray = _rotate(inverse, normalize(point))
    in_world = _rotate(inverse, point - extrinsics.translation)
    along = ray[..., :, None] * ray[..., None, :]
    across = jnp.eye(3) - (1.0 - _DEPTH_TRUST) * along
    across = valid[..., None, None] * across
    matrix = jnp.sum(across, axis=-3)
    target = jnp.sum(_rotate(across, in_world), axis=-2)
    # Of a person without a view the matrix is zero.
    matrix = matrix + 1e-9 * jnp.eye(3)
    return jnp.linalg.solve(matrix, target[..., None])[..., 0]


def fit_uncalibrated(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    view: View,
    valid: Float[Array, "G N"] | None = None,
    use_hips: bool = False,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> ViewsFit:
    """Returns people fitted to all their views at once, cameras unknown.

    Args: see `joint_problem`; `settings` are the optimiser's.
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
    """Returns people fitted to all their views at once, cameras known.

    Args: see `joint_problem`; `settings` are the optimiser's.
    """
    start, data = joint_problem(
        model, context, betas, view, valid, extrinsics, use_hips
    )
    minimum = minimise_batch(bind_joint(model), start, data, settings)
    smpl, body = world_body(model, minimum.params, data)
    return WorldFit(smpl, body, minimum)


@jax.jit
def placed_views(
    model: FittingModel, params: JointParams, data: JointViews
) -> tuple[SmplParams, Body, Camera]:
    """Returns each view's body, and the camera that has it in its place."""
    return _decoded(model, params, data)


@jax.jit
def world_body(
    model: FittingModel, params: JointParams, data: JointViews
) -> tuple[SmplParams, Body]:
    """Returns the one body of views by known cameras: the mean of what they agree on.

    Args:
      model: see there.
      params: found.
      data: with extrinsics.
    """
    smpl, _, _ = _decoded(model, params, data)
    orient = _to_world(data.extrinsics, smpl.global_orient)
    mean = functools.partial(mean_rotation, valid=data.valid)
    one = SmplParams(
        mean(orient[..., None, :, :])[..., 0, :, :], mean(smpl.body_pose), params.betas
    )
    body = body_joints(model.body, one)
    shift = params.place - body.kinematic_joints[..., _PELVIS, :]
    return one, jax.tree.map(lambda joints: joints + shift[..., None, :], body)


def mean_rotation(
    rotmats: Float[Array, "*b N R 3 3"], valid: Float[Array, "*b N"]
) -> Float[Array, "*b R 3 3"]:
    """Returns the rotations nearest to the views' mean (by SVD)."""
    weight = valid[..., None, None, None]
    number = jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None, None, None]
    mean = jnp.sum(jnp.where(weight > 0, rotmats, 0.0), axis=-4) / number
    return nearest_rotmat(mean)
