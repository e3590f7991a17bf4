"""Errors of lifted people under one condition: jitted, in millimetres.

Poses get random shapes and cameras all around, and reach the model as exact, noisy or
half-hidden keypoints. The mean pose of the prior is measured along with the model: what
an answer that ignores the input scores.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.evaluation.body_errors import (
    Errors,
    body_errors,
    h36m_14,
    mean_body,
    smpl_24,
)
from prohmr_jax.evaluation.metrics import masked_mean
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import (
    JITTER_25,
    KeypointPairSettings,
    random_camera,
    random_view,
)

_BODY_25 = len(skeleton.BODY_25)
_MM = 1000.0


def _halves() -> np.ndarray:
    """[4, 25]: what is hidden when a half of the body is."""
    names = np.array(skeleton.BODY_25.names)
    legs = ("hip", "knee", "ankle", "toe", "heel")
    lower = np.array([any(part in name for part in legs) for name in names])
    left = np.array([name.startswith("left_") for name in names])
    right = np.array([name.startswith("right_") for name in names])
    return np.stack([lower, ~lower, left, right])


HALVES = _halves()


def exact(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns true positions, all seen, full confidence."""
    return Keypoints2D(xy=xy, confidence=jnp.ones(xy.shape[:-1]))


def noisy(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns positions with half the annotators' spread: 0.6-2.6 % of the box."""
    side = jnp.max(jnp.max(xy, axis=0) - jnp.min(xy, axis=0))
    noise = 0.5 * side * JITTER_25[:, None] * jax.random.normal(key, xy.shape)
    return exact(key, xy + noise)


def half_hidden(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns true positions with the upper, lower, left or right half missing."""
    hidden = jnp.asarray(HALVES)[jax.random.randint(key, (), 0, len(HALVES))]
    return Keypoints2D(xy=xy, confidence=1.0 - hidden.astype(jnp.float32))


CONDITIONS: dict[str, Callable] = {
    "exact": exact,
    "noisy": noisy,
    "half hidden": half_hidden,
}


@struct.dataclass
class Consistency:
    """Of people: how samples agree with what was seen, and differ where it was not."""

    visible_spread: Float[Array, " B"]
    """Mean distance from the samples' mean, over the joints seen, mm."""
    hidden_spread: Float[Array, " B"]
    """Over the joints not seen, mm; 0 if there are none."""
    mode_error_2d: Float[Array, " B"]
    """Mean distance on the joints seen, percent of the box."""
    samples_error_2d: Float[Array, " B"]


@struct.dataclass
class PersonErrors:
    """All that is measured of people under one condition."""

    h36m_14: Errors
    smpl_24: Errors
    consistency: Consistency


def make_evaluation(
    model: PreparedProHMR,
    body: BodyModel,
    mean_body_pose: Float[Array, "23 3 3"],
    condition: Callable,
    num_hypotheses: int,
) -> Callable:
    """Returns the jitted `(poses [B, 24, 3], key) -> PersonErrors` of one condition."""
    settings = KeypointPairSettings()
    baseline = mean_body(body, mean_body_pose)

    def person(key, axis_angle):
        view_key, shape_key, camera_key, detector_key = jax.random.split(key, 4)
        rotmats = axis_angle_to_rotmat(axis_angle)
        truth = body_joints(
            body,
            SmplParams(
                global_orient=random_view(view_key, settings) @ rotmats[0],
                body_pose=rotmats[1:],
                betas=jax.random.normal(shape_key, (body.num_betas,)),
            ),
        )
        camera = random_camera(camera_key, truth.joints, settings)
        xy = cameras.project(truth.joints, camera)[:_BODY_25]
        return truth, xy, condition(detector_key, xy)

    @jax.jit
    def evaluate(poses, key) -> PersonErrors:
        person_key, sample_key = jax.random.split(key)
        keys = jax.random.split(person_key, len(poses))
        truth, xy, keypoints = jax.vmap(person)(keys, poses)
        prediction = predict(model, body, keypoints, sample_key, num_hypotheses)
        predicted_xy = prediction.joints_2d[..., :_BODY_25, :]
        target_xy = cameras.image_to_crop(xy, prediction.box)
        return PersonErrors(
            h36m_14=body_errors(prediction.body, truth, baseline, h36m_14),
            smpl_24=body_errors(prediction.body, truth, baseline, smpl_24),
            consistency=_consistency(
                prediction.body.joints[..., :_BODY_25, :],
                predicted_xy,
                target_xy,
                keypoints.confidence > 0,
            ),
        )

    return evaluate


def _consistency(
    joints: Float[Array, "B K 25 3"],
    xy: Float[Array, "B K 25 2"],
    target_xy: Float[Array, "B 25 2"],
    visible: Bool[Array, "B 25"],
) -> Consistency:
    # Relative to the centroid of what was seen: no joint's spread is zero by choice.
    weights = visible[:, None, :, None] / jnp.sum(visible, axis=1)[:, None, None, None]
    samples = joints[:, 1:]
    samples = samples - jnp.sum(weights * samples, axis=2, keepdims=True)
    spreads = _MM * spread(samples)
    distance = 100.0 * jnp.linalg.norm(xy - target_xy[:, None], axis=-1)
    of_person = jax.vmap(masked_mean)
    return Consistency(
        visible_spread=of_person(spreads, visible),
        hidden_spread=of_person(spreads, ~visible),
        mode_error_2d=of_person(distance[:, 0], visible),
        samples_error_2d=of_person(jnp.mean(distance[:, 1:], axis=1), visible),
    )
