"""Measures lifted skeletons, jitted: the single answer, samples, and the mean pose.

`modes.evaluate_lifting` calls it. Samples are drawn in chunks, so that memory does not
grow with their number.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe
from prohmr_jax.evaluation.shown_people import show_person
from prohmr_jax.evaluation.streaming import BestOfN, SampleMoments
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.models.lifter_spec import Lifter
from prohmr_jax.models.skeleton_regressor import SkeletonRegressor
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.synthetic.skeleton_pairs import (
    JITTER_17,
    SkeletonPair,
    from_pelvis,
    h36m_17,
)

# The numbers N of samples of which the best is reported.
COUNTS = (1, 5, 10, 25, 200)
# Number of samples that are drawn at a time.
CHUNK = 25
_MM = 1000.0


def exact(key: jax.Array, xy: Float[Array, "17 2"]) -> Float[Array, "17 2"]:
    """Returns the true positions."""
    return xy


def noisy(key: jax.Array, xy: Float[Array, "17 2"]) -> Float[Array, "17 2"]:
    """Returns positions with half the annotators' spread, as `keypoint_errors.noisy`.

    Args:
      key: random key.
      xy: true positions of H36M_17, any unit.
    """
    side = jnp.max(jnp.max(xy, axis=0) - jnp.min(xy, axis=0))
    return xy + 0.5 * side * JITTER_17[:, None] * jax.random.normal(key, xy.shape)


CONDITIONS: dict[str, Callable] = {"exact": exact, "noisy": noisy}


@struct.dataclass
class SampleErrors:
    """Holds what is measured of the samples of B people."""

    best_mpjpe: Float[Array, "B C"]
    """MPJPE of the best of the first N samples, for each of C numbers N, mm."""
    best_pa_mpjpe: Float[Array, "B C"]
    """PA-MPJPE of the best of the first N samples, likewise, mm."""
    log_prob: Float[Array, " B"]
    """Logarithm of the density at the true joints, nats; coordinates in metres."""
    pit_rank: Float[Array, "B J 3"]
    """Rank of the truth's coordinates among the samples', in (0, 1)."""
    spread: Float[Array, "B J"]
    """Root mean square distance of the samples from their mean, mm."""
    mean_error: Float[Array, "B J"]
    """Distance of the samples' mean from the truth, mm."""


@struct.dataclass
class SkeletonErrors:
    """Holds what is measured of B people on 16 joints relative to the pelvis."""

    mpjpe: Float[Array, " B"]
    """MPJPE of the mode, or of the only answer, mm."""
    pa_mpjpe: Float[Array, " B"]
    """PA-MPJPE of the same, mm."""
    mean_pose_mpjpe: Float[Array, " B"]
    """MPJPE of the mean pose, an answer that ignores the input, mm."""
    mean_pose_pa_mpjpe: Float[Array, " B"]
    """PA-MPJPE of the mean pose, mm."""
    samples: SampleErrors | None
    """Errors of samples; None where the model gives one answer."""


@functools.partial(jax.jit, static_argnames="condition")
def shown_skeletons(
    keys: jax.Array,
    poses: Float[Array, "B 24 3"],
    body: BodyModel,
    condition: Callable,
) -> SkeletonPair:
    """Returns people of given poses as a model is shown them, with the truth.

    Shape, view and camera are drawn from the settings of training.

    Args:
      keys: random keys of the people.
      poses: axis-angles, radians, the root in a world with Y up.
      body: the body.
      condition: one of `CONDITIONS`.
    """

    def one(key: jax.Array, pose: Float[Array, "24 3"]) -> SkeletonPair:
        person, detector_key = show_person(key, pose, body)
        xy = cameras.project(h36m_17(person.body.joints), person.camera)
        xy = condition(detector_key, xy)
        keypoints, _ = in_box(Keypoints2D(xy, jnp.ones(xy.shape[:-1])))
        return SkeletonPair(keypoints, from_pelvis(person.body.joints))

    return jax.vmap(one)(keys, poses)


# Weights are arguments: as constants of the program they would be folded for minutes.
@functools.partial(jax.jit, static_argnames=("model", "counts", "chunk"))
def measure_skeletons(
    model: Lifter,
    variables: dict,
    mean_pose: Float[Array, "J 3"],
    pairs: SkeletonPair,
    keys: jax.Array,
    *,
    counts: tuple[int, ...] = COUNTS,
    chunk: int = CHUNK,
) -> SkeletonErrors:
    """Returns the errors of B people.

    Args:
      model: the Flax module.
      variables: its weights.
      mean_pose: joints of the mean pose, relative to the pelvis, metres.
      pairs: what the model is shown, and the truth, leading axis B.
      keys: random keys of the people's samples, [B].
      counts: numbers N of samples of which the best is reported.
      chunk: number of samples that are drawn at a time.
    """
    truth = pairs.joints
    context = model.apply(variables, pairs.keypoints, method="encode")
    zero = jnp.zeros((len(truth), 1, model.latent_features))
    answer = model.apply(variables, context, zero, method="hypotheses").joints[:, 0]
    baseline = jnp.broadcast_to(mean_pose, truth.shape)
    samples = None
    if not isinstance(model, SkeletonRegressor):
        draw = functools.partial(model.apply, variables, count=chunk, method="draw")

        def draw_chunk(number: jax.Array) -> Float[Array, "B K J 3"]:
            return jax.vmap(
                lambda c, key: draw(c, key=jax.random.fold_in(key, number))
            )(context, keys)

        samples = _sample_errors(draw_chunk, truth, counts, chunk).replace(
            log_prob=model.apply(variables, context, truth, method="log_prob")
        )
    return SkeletonErrors(
        mpjpe=_MM * mpjpe(answer, truth),
        pa_mpjpe=_MM * pa_mpjpe(answer, truth),
        mean_pose_mpjpe=_MM * mpjpe(baseline, truth),
        mean_pose_pa_mpjpe=_MM * pa_mpjpe(baseline, truth),
        samples=samples,
    )


def num_drawn(counts: tuple[int, ...] = COUNTS, chunk: int = CHUNK) -> int:
    """Returns how many samples of each person `measure_skeletons` draws."""
    return -(-max(counts) // chunk) * chunk


def _sample_errors(
    draw_chunk: Callable, truth: Float[Array, "B J 3"], counts, chunk: int
) -> SampleErrors:
    """Returns the errors of samples that are drawn chunk by chunk, without log_prob."""

    def take_chunk(carried, number):
        raw, aligned, moments = carried
        joints = draw_chunk(number)
        raw = raw.add(_MM * mpjpe(joints, truth[:, None]))
        aligned = aligned.add(_MM * pa_mpjpe(joints, truth[:, None]))
        return (raw, aligned, moments.add(joints)), None

    people = (len(truth),)
    start = (
        BestOfN.start(people, counts),
        BestOfN.start(people, counts),
        SampleMoments.start(truth),
    )
    numbers = jnp.arange(num_drawn(counts, chunk) // chunk)
    (raw, aligned, moments), _ = jax.lax.scan(take_chunk, start, numbers)
    return SampleErrors(
        best_mpjpe=raw.least,
        best_pa_mpjpe=aligned.least,
        log_prob=jnp.zeros(people),
        pit_rank=moments.pit_ranks(),
        spread=_MM * moments.spread(),
        mean_error=_MM * jnp.linalg.norm(moments.mean - truth, axis=-1),
    )
