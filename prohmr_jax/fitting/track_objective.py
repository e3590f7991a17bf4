"""Computes what fits of tracks minimise: Eq. 11 over many frames, and smoothness.

A window holds T successive frames of one person: a latent and a place for each frame,
and one shape. To the data term and the likelihood of each frame (`objectives`) come
penalties on accelerations and on feet that slide while they stand. All weights are on
the scale of Eq. 11, on which 16 |z|^2 is 32 times the negative log-likelihood: so a
quantity of standard deviation s has the weight 16 / s^2. `tracks` minimises it.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import pose_joints, shape_body
from prohmr_jax.fitting.objectives import (
    BETAS_WEIGHT,
    KEYPOINT_LATENT_WEIGHT,
    FittingModel,
    KeypointData,
    decode_rotmats,
    gmof,
    reprojection,
)
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.skeleton import SMPL_24
from prohmr_jax.structs import Body, Camera, SmplParams

_PELVIS = SMPL_24.index("pelvis")
FEET = SMPL_24.indices("left_ankle", "left_foot", "right_ankle", "right_foot")
"""Joints that stay where they are while a foot stands: two of the left foot first."""
# Feet that are faster than this, metres per second, are taken for feet in the air.
_SLIDING_SIGMA = 0.5
# Units of the unknown places, metres, in which the objective is about equally curved.
_PLACE_UNITS = (0.03, 0.03, 0.2)


@struct.dataclass
class TrackWeights:
    """Holds the scales of the terms; all are positive."""

    joints: Float[Array, "*b"]
    """Standard deviation of the acceleration of joints relative to the pelvis,
    m/s^2."""
    place: Float[Array, "*b"]
    """Standard deviation of the acceleration of the pelvis, m/s^2."""
    feet: Float[Array, "*b"]
    """Standard deviation of the velocity of standing feet, m/s."""


@struct.dataclass
class TrackData:
    """Holds what is known of one person in T successive frames."""

    frames: KeypointData
    """What is known of each frame, leading axis T, in pixels of its crop; confidences
    contain the weight of the data term."""
    turn: Float[Array, "*b T 3 3"]
    """Rotation from the axes of each crop's camera to those of the video's camera."""
    start: Float[Array, "*b T 3"]
    """Translation that the fit starts from, metres, camera frame."""
    valid: Float[Array, "*b T"]
    """1 for a frame, 0 for padding."""
    linked: Float[Array, "*b T"]
    """1 for a frame that follows the one before it in time, else 0."""
    contact: Float[Array, "*b T 2"]
    """Certainty that the left and the right foot stand, in [0, 1]."""
    betas: Float[Array, "*b S"]
    """Shape coefficients that unknown ones are added to."""
    betas_free: Float[Array, "*b"]
    """1 where the shape is unknown, 0 where it is given."""
    frame_rate: Float[Array, "*b"]
    """Frames per second."""
    weights: TrackWeights
    """Scales of the terms."""


@struct.dataclass
class TrackParams:
    """Holds the unknowns of a fit of a track."""

    z: Float[Array, "*b T 144"]
    """Latent of the pose in each frame."""
    betas: Float[Array, "*b S"]
    """Additions to the shape coefficients, the same in all frames."""
    place: Float[Array, "*b T 3"]
    """Additions to the translation, in units of `_PLACE_UNITS`."""


def start_of(data: TrackData) -> TrackParams:
    """Returns the unknowns at the start of a fit: the modes of all frames."""
    return TrackParams(
        z=jnp.zeros((*data.valid.shape, POSE_FEATURES), data.start.dtype),
        betas=jnp.zeros_like(data.betas),
        place=jnp.zeros_like(data.start),
    )


def placed_at(params: TrackParams, data: TrackData) -> Float[Array, "*b T 3"]:
    """Returns the translation of the body in each frame, metres, camera frame."""
    return data.start + jnp.array(_PLACE_UNITS) * params.place


def track_bodies(
    model: FittingModel, params: TrackParams, data: TrackData
) -> tuple[SmplParams, Body, Camera]:
    """Returns the bodies of a track in front of the video's camera.

    Args:
      model: the flow and the body model.
      params: the unknowns.
      data: what is known.

    Returns:
      Pose and shape; joints, metres, camera axes, before the translation; and the
      camera in pixels of each crop, whose translation places them.
    """
    frames = data.frames
    rotmats = decode_rotmats(model.flow, params.z, frames.context)
    root = jnp.matmul(data.turn, rotmats[..., 0, :, :], precision="highest")
    betas = data.betas + data.betas_free[..., None] * params.betas
    shaped = shape_body(model.body, betas[..., None, :], with_vertices=False)
    body = pose_joints(shaped, root, rotmats[..., 1:, :, :])
    betas = jnp.broadcast_to(
        betas[..., None, :], (*params.z.shape[:-1], betas.shape[-1])
    )
    camera = Camera(placed_at(params, data), frames.focal_length, frames.center)
    return SmplParams(root, rotmats[..., 1:, :, :], betas), body, camera


def squared_accelerations(
    positions: Float[Array, "T *j 3"],
    linked: Float[Array, " T"],
    frame_rate: Float[Array, ""],
) -> Float[Array, ""]:
    """Returns the sum of squared accelerations, (m/s^2)^2.

    Args:
      positions: positions in successive frames, metres.
      linked: see `TrackData`.
      frame_rate: frames per second.
    """
    second = positions[2:] - 2.0 * positions[1:-1] + positions[:-2]
    counted = linked[1:-1] * linked[2:]
    squares = jnp.sum(second**2, axis=tuple(range(1, second.ndim)))
    return frame_rate**4 * jnp.sum(counted * squares)


def sliding(
    feet: Float[Array, "T 4 3"],
    contact: Float[Array, "T 2"],
    linked: Float[Array, " T"],
    frame_rate: Float[Array, ""],
) -> Float[Array, ""]:
    """Returns the sum of robust squared velocities of standing feet, (m/s)^2.

    Args:
      feet: joints `FEET` in successive frames, metres.
      contact: see `TrackData`.
      linked: see `TrackData`.
      frame_rate: frames per second.
    """
    velocity = frame_rate * (feet[1:] - feet[:-1])
    stands = linked[1:, None] * contact[1:] * contact[:-1]
    squares = jnp.sum(gmof(velocity, _SLIDING_SIGMA), axis=-1)
    return jnp.sum(jnp.repeat(stands, 2, axis=1) * squares)


def track_objective(
    model: FittingModel, params: TrackParams, data: TrackData
) -> Float[Array, ""]:
    """Returns the objective of one window of one person.

    Args:
      model: the flow and the body model.
      params: the unknowns.
      data: what is known.
    """
    _, body, camera = track_bodies(model, params, data)
    frames, weights = data.frames, data.weights
    data_term = reprojection(body.joints, frames.keypoints, camera, frames.image_side)
    pelvis = body.kinematic_joints[:, _PELVIS]
    limbs = body.kinematic_joints - pelvis[:, None]
    places = pelvis + camera.translation
    feet = (body.kinematic_joints + camera.translation[:, None])[:, jnp.array(FEET)]
    rate, linked = data.frame_rate, data.linked
    smoothness = (
        squared_accelerations(limbs, linked, rate) / weights.joints**2
        + squared_accelerations(places, linked, rate) / weights.place**2
        + sliding(feet, data.contact, linked, rate) / weights.feet**2
    )
    # As Eq. 11 summed over frames, so that many frames do not outweigh the prior.
    frames_counted = jnp.sum(data.valid)
    # The latents of padding count too, so that they stay at zero.
    return (
        jnp.sum(data.valid * data_term)
        + KEYPOINT_LATENT_WEIGHT * (smoothness + jnp.sum(params.z**2))
        + BETAS_WEIGHT * frames_counted * jnp.sum((data.betas + params.betas) ** 2)
    )


def bind_track(model: FittingModel) -> jax.tree_util.Partial:
    """Returns `track_objective` of a given model, in the form the solver takes."""
    return jax.tree_util.Partial(track_objective, model)
