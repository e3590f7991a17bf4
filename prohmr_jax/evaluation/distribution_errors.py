"""Measures how good predicted distributions are: by person, then over people.

`distribution_errors` measures a batch of people; the evaluating mode stacks what it
returns over all people and calls `summarize_seen_and_hidden`.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax.evaluation.calibration import (
    expected_calibration_error,
    interval_coverage,
    mean_person_coverage,
    median_distance_ranks,
    median_joint_coverage,
    pit_ranks,
    signed_calibration_error,
)
from prohmr_jax.evaluation.sample_statistics import (
    mean_error_2d,
    mean_of_samples,
    medoid_index,
    take_sample,
)
from prohmr_jax.evaluation.weighted_means import weighted_mean, weighted_rms
from prohmr_jax.geometry.energy_score import (
    distance,
    distances_to_truth,
    energy_from_distances,
    mean_distances_to_others,
)
from prohmr_jax.geometry.spread import spread


@struct.dataclass
class DistributionErrors:
    """Holds how the samples of each person and joint compare with the truth."""

    seen: Bool[Array, "*b J"]
    """Which joints the input showed."""
    pit_rank: Float[Array, "*b J 3"]
    """Rank of the truth's coordinates among the samples', in (0, 1)."""
    distance_rank: Float[Array, "*b J"]
    """Rank of the truth's distance from the samples' median, in [0, 1], or -1."""
    energy_score: Float[Array, "*b J"]
    """Energy score, metres."""
    sample_error: Float[Array, "*b J"]
    """Mean distance of the samples from the truth, metres."""
    mean_error: Float[Array, "*b J"]
    """Distance of the samples' mean from the truth, metres."""
    medoid_error: Float[Array, "*b J"]
    """Distance of the samples' medoid from the truth, metres."""
    spread: Float[Array, "*b J"]
    """Root mean square distance of the samples from their mean, metres."""
    error_2d: Float[Array, "*b J"]
    """Mean distance of the samples from the true projection, percent of the box."""
    num_samples: int = struct.field(pytree_node=False)
    """How many samples were compared."""


def distribution_errors(
    samples: Float[Array, "*b N J 3"],
    truth: Float[Array, "*b J 3"],
    samples_xy: Float[Array, "*b N J 2"],
    true_xy: Float[Array, "*b J 2"],
    seen: Bool[Array, "*b J"],
) -> DistributionErrors:
    """Returns the errors of the samples of a batch of people.

    Args:
      samples: joints, metres, relative to a point that the caller chooses for samples
        and truth alike. A joint that is itself the origin has no distribution: it is
        to be left out of the means over joints.
      truth: joints, metres, relative to the same point.
      samples_xy: projected samples, crop frame (units of the box side).
      true_xy: true projection, crop frame.
      seen: which joints the input showed.

    Raises:
      ValueError: there are fewer than two samples.
    """
    to_truth = distances_to_truth(samples, truth)
    to_others = mean_distances_to_others(samples)
    medoid = take_sample(samples, medoid_index(to_others))
    return DistributionErrors(
        seen=seen,
        pit_rank=pit_ranks(samples, truth),
        distance_rank=median_distance_ranks(samples, truth),
        energy_score=energy_from_distances(to_truth, to_others),
        sample_error=jnp.mean(to_truth, axis=-2),
        mean_error=distance(mean_of_samples(samples), truth),
        medoid_error=distance(medoid, truth),
        spread=spread(samples),
        error_2d=mean_error_2d(samples_xy, true_xy),
        num_samples=samples.shape[-3],
    )


@struct.dataclass
class DistributionSummary:
    """Means over all people's joints of one kind; 0 throughout where there is none."""

    num_joints: Float[Array, ""]
    """How many joints of people count."""
    energy_score: Float[Array, ""]
    """Mean energy score, metres."""
    sample_error: Float[Array, ""]
    """Mean distance of the samples from the truth, metres."""
    mean_error: Float[Array, ""]
    """Mean distance of the samples' mean from the truth, metres."""
    medoid_error: Float[Array, ""]
    """Mean distance of the samples' medoid from the truth, metres."""
    spread: Float[Array, ""]
    """Mean spread, metres."""
    rms_mean_error: Float[Array, ""]
    """Root mean square distance of the samples' mean from the truth, metres."""
    rms_spread: Float[Array, ""]
    """Root mean square spread, metres; near `rms_mean_error` where it is right."""
    error_2d: Float[Array, ""]
    """Mean distance of the samples from the true projection, percent of the box."""
    coverage_50: Float[Array, ""]
    """Share of true coordinates inside the central 50 % of the samples'."""
    coverage_90: Float[Array, ""]
    """Share of true coordinates inside the central 90 % of the samples'."""
    interval_ece: Float[Array, ""]
    """Mean |coverage - level| of central intervals of all coordinates."""
    interval_signed_ece: Float[Array, ""]
    """Mean coverage - level of central intervals: negative means overconfident."""
    joint_ece: Float[Array, ""]
    """Published calibration error: the median over joints of distances' coverage."""
    joint_signed_ece: Float[Array, ""]
    """The same with its sign: negative means overconfident."""
    person_ece: Float[Array, ""]
    """Calibration error as published for occluded joints: the mean over people."""
    person_signed_ece: Float[Array, ""]
    """The same with its sign: negative means overconfident."""


def summarize(
    errors: DistributionErrors, weights: Bool[Array, "*#b J"]
) -> DistributionSummary:
    """Returns means over the joints of people that count.

    Args:
      errors: of all people, stacked along leading axes.
      weights: which joints of which people count.
    """
    weights = jnp.broadcast_to(weights, errors.seen.shape)
    interval = interval_coverage(errors.pit_rank, weights, errors.num_samples)
    by_joint = median_joint_coverage(errors.distance_rank, weights)
    by_person = mean_person_coverage(errors.distance_rank, weights)
    half, most = interval_coverage(
        errors.pit_rank, weights, errors.num_samples, jnp.array([0.5, 0.9])
    )
    num_joints = jnp.sum(weights)
    # Without any joint a calibration error has no meaning; it is 0 like the rest.
    some = jnp.where(num_joints > 0, 1.0, 0.0)
    return DistributionSummary(
        num_joints=num_joints.astype(jnp.float32),
        energy_score=weighted_mean(errors.energy_score, weights),
        sample_error=weighted_mean(errors.sample_error, weights),
        mean_error=weighted_mean(errors.mean_error, weights),
        medoid_error=weighted_mean(errors.medoid_error, weights),
        spread=weighted_mean(errors.spread, weights),
        rms_mean_error=weighted_rms(errors.mean_error, weights),
        rms_spread=weighted_rms(errors.spread, weights),
        error_2d=weighted_mean(errors.error_2d, weights),
        coverage_50=half,
        coverage_90=most,
        interval_ece=some * expected_calibration_error(interval),
        interval_signed_ece=some * signed_calibration_error(interval),
        joint_ece=some * expected_calibration_error(by_joint),
        joint_signed_ece=some * signed_calibration_error(by_joint),
        person_ece=some * expected_calibration_error(by_person),
        person_signed_ece=some * signed_calibration_error(by_person),
    )


def summarize_seen_and_hidden(
    errors: DistributionErrors, counted: Bool[Array, "*#b J"]
) -> tuple[DistributionSummary, DistributionSummary]:
    """Returns the means over the joints seen and those over the joints hidden.

    Args:
      errors: of all people, stacked along leading axes.
      counted: which joints count at all; the joint that is the origin should not.
    """
    return (
        summarize(errors, counted & errors.seen),
        summarize(errors, counted & ~errors.seen),
    )
