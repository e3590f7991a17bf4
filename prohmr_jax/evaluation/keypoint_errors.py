"""Measures lifted people under one condition, jitted, in millimetres.

Poses get random shapes and cameras all around, and reach the model as exact, noisy or
half-hidden keypoints. The mean pose of the prior is measured along with the model: what
an answer that ignores the input scores.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.evaluation.body_errors import (
    Errors,
    body_errors,
    h36m_14,
    mean_body,
    smpl_24,
)
from prohmr_jax.evaluation.distribution_errors import (
    DistributionErrors,
    distribution_errors,
)
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe, relative_to
from prohmr_jax.evaluation.sample_statistics import medoid_of_samples
from prohmr_jax.evaluation.shown_people import show_person
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.structs import Body, Keypoints2D
from prohmr_jax.synthetic.keypoint_pairs import JITTER_25

_NUM_25 = len(skeleton.BODY_25)
_LIMBS = np.array(skeleton.LIMBS_25)
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
class MedoidErrors:
    """Holds errors of the samples' medoid on the 14 joints of Human3.6M, mm."""

    pa_mpjpe: Float[Array, " B"]
    """PA-MPJPE of the sample that lies nearest to the others."""
    mpjpe: Float[Array, " B"]
    """MPJPE of the same sample."""


@struct.dataclass
class PersonErrors:
    """Holds all that is measured of people under one condition."""

    h36m_14: Errors
    """Errors on the 14 joints of Human3.6M, mm."""
    smpl_24: Errors
    """Errors on the 24 kinematic joints, mm."""
    mode_error_2d: Float[Array, "B J"]
    """Distance of the mode's projected joints from the truth, percent of the box."""
    distribution: DistributionErrors
    """How the samples' joints compare with the truth; metres relative to the pelvis.
    Both per-joint fields are over `skeleton.LIMBS_25`."""
    medoid: MedoidErrors
    """Errors of the single estimates that samples amount to."""
    axis_angle: Float[Array, "B L 24 3"]
    """The first few samples' rotations, radians, to be held to the joints' limits."""


def person_of_pose(
    key: jax.Array,
    axis_angle: Float[Array, "24 3"],
    body: BodyModel,
    condition: Callable,
) -> tuple[Body, Float[Array, "25 2"], Keypoints2D]:
    """Returns a person of a given pose: the body, its projection, its detections.

    Shape, view and camera are drawn from the settings of training.

    Args:
      key: the person's random key.
      axis_angle: pose, radians, the root in a world with Y up.
      body: the body model.
      condition: one of `CONDITIONS`.

    Returns:
      The body in camera axes (metres), the joints of BODY_25 in the plane z = 1, and
      what of them reaches the model.
    """
    person, detector_key = show_person(key, axis_angle, body)
    return person.body, person.xy, condition(detector_key, person.xy)


def make_evaluation(
    model: PreparedProHMR,
    body: BodyModel,
    mean_body_pose: Float[Array, "23 3 3"],
    condition: Callable,
    num_samples: int,
    counts: Sequence[int],
    num_limit_samples: int = 4,
) -> Callable[[Float[Array, "B 24 3"], jax.Array], PersonErrors]:
    """Returns the compiled `(poses [B, 24, 3], keys [B]) -> PersonErrors`.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      mean_body_pose: rotations of the mean pose.
      condition: one of `CONDITIONS`, how keypoints reach the model.
      num_samples: samples of each person, the mode not counted.
      counts: numbers N of samples of which the best is reported.
      num_limit_samples: samples whose rotations are returned.
    """
    baseline = mean_body(body, mean_body_pose)
    show = people_shown(condition)

    def evaluate(poses, keys) -> PersonErrors:
        keys = jax.vmap(jax.random.split)(keys)
        shown = show(keys[:, 0], poses, body)
        return person_errors(
            model, body, baseline, *shown, keys[:, 1],
            num_samples=num_samples, counts=tuple(counts),
            num_limit_samples=num_limit_samples,
        )  # fmt: skip

    return evaluate


def people_shown(condition: Callable) -> Callable:
    """Returns the compiled `person_of_pose` of a condition, for [B] people of one body.

    It is a program of its own, so that what follows is compiled for all conditions.

    Args:
      condition: one of `CONDITIONS`.
    """
    one = functools.partial(person_of_pose, condition=condition)
    return jax.jit(jax.vmap(one, in_axes=(0, 0, None)))


# Weights are arguments: as constants of the program they would be folded for minutes.
@functools.partial(
    jax.jit, static_argnames=("num_samples", "counts", "num_limit_samples")
)
def person_errors(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    truth: Body,
    xy: Float[Array, "B 25 2"],
    keypoints: Keypoints2D,
    keys: jax.Array,
    *,
    num_samples: int,
    counts: tuple[int, ...],
    num_limit_samples: int = 4,
) -> PersonErrors:
    """Returns the errors of people with given joints, projections and detections.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      baseline: the mean pose; see `body_errors.mean_body`.
      truth: [B], true joints, metres, camera axes.
      xy: true joints of BODY_25 in the plane z = 1.
      keypoints: [B, 25], what the model is given, in the same plane.
      keys: [B], random keys of the samples.
      num_samples: samples of each person, the mode not counted.
      counts: numbers N of samples of which the best is reported.
      num_limit_samples: samples whose rotations are returned.
    """
    prediction = predict(model, body, keypoints, keys, 1 + num_samples)
    target_xy = cameras.image_to_crop(xy, prediction.box)
    mode_xy = prediction.joints_2d[:, 0, :_NUM_25]
    mode_error = 100.0 * jnp.linalg.norm(mode_xy - target_xy, axis=-1)
    smpl = jax.tree.map(
        lambda a: a[:, 1 : 1 + num_limit_samples], prediction.hypotheses.smpl
    )
    return PersonErrors(
        h36m_14=body_errors(prediction.body, truth, baseline, h36m_14, counts),
        smpl_24=body_errors(prediction.body, truth, baseline, smpl_24, counts),
        mode_error_2d=mode_error[:, _LIMBS],
        distribution=distribution_errors(
            limbs_from_pelvis(prediction.body.joints[:, 1:]),
            limbs_from_pelvis(truth.joints),
            prediction.joints_2d[:, 1:, _LIMBS],
            target_xy[:, _LIMBS],
            (keypoints.confidence > 0)[:, _LIMBS],
        ),
        medoid=_medoid_errors(prediction.body, truth),
        axis_angle=rotmat_to_axis_angle(smpl.rotmats),
    )


def limbs_from_pelvis(joints: Float[Array, "*b 44 3"]) -> Float[Array, "*b J 3"]:
    """Returns the joints of `skeleton.LIMBS_25` relative to the pelvis."""
    return relative_to(joints, skeleton.MID_HIP_25)[..., _LIMBS, :]


def _medoid_errors(predicted: Body, truth: Body) -> MedoidErrors:
    samples, true = h36m_14(predicted)[:, 1:], h36m_14(truth)
    medoid = medoid_of_samples(samples)
    return MedoidErrors(
        pa_mpjpe=_MM * pa_mpjpe(medoid, true), mpjpe=_MM * mpjpe(medoid, true)
    )
