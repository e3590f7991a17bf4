"""Measures whether distributions hold the truth as often as they say they do.

Two kinds of ranks are taken of each person's joints, from samples, and are then
aggregated over people: the rank of each coordinate of the truth among the samples'
(central intervals), and the rank of the truth's distance from the samples' median
(the calibration error of the literature on several hypotheses).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from prohmr_jax.evaluation.weighted_means import weighted_mean
from prohmr_jax.geometry.energy_score import distance

# The nominal levels over which calibration errors are averaged: 0, 0.05, ... 1.
LEVELS = np.linspace(0.0, 1.0, 21, dtype=np.float32)


def rank_from_counts(
    num_below: Int[Array, "*b"],
    num_equal: Int[Array, "*b"],
    num_samples: int | Int[Array, ""],
) -> Float[Array, "*b"]:
    """Returns the truth's rank among the samples, in (0, 1); 0.5 is the middle.

    The truth and N samples of its own distribution are N + 1 values in random order,
    so that (num_below + 1 / 2) / (N + 1) has a uniform distribution. Ties count half
    above and half below (the mid-rank): the rank of a truth that all samples equal
    is 0.5.

    Args:
      num_below: how many samples are less than the truth.
      num_equal: how many samples equal the truth.
      num_samples: N.
    """
    return (num_below + 0.5 * (num_equal + 1)) / (num_samples + 1.0)


def pit_ranks(
    samples: Float[Array, "*b N J D"], truth: Float[Array, "*#b J D"]
) -> Float[Array, "*b J D"]:
    """Returns the rank of each coordinate of the truth among those of the samples.

    This is the probability integral transform of the truth by the samples'
    distribution: uniform on (0, 1) where the distribution is right (Gneiting,
    Balabdaoui and Raftery, Probabilistic Forecasts, Calibration and Sharpness,
    2007). Ties are treated as in `rank_from_counts`.
    """
    truth = truth[..., None, :, :]
    num_below = jnp.sum(samples < truth, axis=-3)
    num_equal = jnp.sum(samples == truth, axis=-3)
    return rank_from_counts(num_below, num_equal, samples.shape[-3])


def inside_central_interval(
    ranks: Float[Array, "*b"], level: Float[Array, ""] | float, num_samples: int
) -> Float[Array, "*b"]:
    """Returns how far each truth is inside the central interval of a level: 0 to 1.

    The central interval of level q reaches from the quantile (1 - q) / 2 to the
    quantile (1 + q) / 2. Of N samples, a rank is known to 1 / (N + 1) only: a truth
    whose cell of that width the interval cuts counts by the share of its cell that
    lies inside. The mean is then q, at every level and for every N, where the
    distribution is right (as for the non-randomised transform of Czado, Gneiting and
    Held, Predictive Model Assessment for Count Data, 2009). At level 1 every truth
    is inside.

    Args:
      ranks: as returned by `pit_ranks`.
      level: nominal probability of the interval.
      num_samples: the number of samples N that the ranks were taken among.
    """
    cells = num_samples + 1.0
    # In cells, from the centre of the distribution outwards.
    offset = cells * (ranks - 0.5)
    half_width = 0.5 * cells * level
    low = jnp.maximum(offset - 0.5, -half_width)
    high = jnp.minimum(offset + 0.5, half_width)
    return jnp.clip(high - low, 0.0, 1.0)


def interval_coverage(
    ranks: Float[Array, "*b J D"],
    weights: Shaped[Array, "*#b J"],
    num_samples: int,
    levels: Float[Array, " L"] = LEVELS,
    axis: int | tuple[int, ...] | None = None,
) -> Float[Array, "*c L"]:
    """Returns the share of truths inside the central intervals of some levels.

    A share below the level means that the distribution is too narrow there
    (overconfident); a joint without any weight gets the share 0.

    Args:
      ranks: as returned by `pit_ranks`.
      weights: of each joint of each person; a mask of the joints that count will do.
      num_samples: the number of samples that the ranks were taken among.
      levels: nominal probabilities, in [0, 1].
      axis: the axes of the ranks averaged over: None for one share of all joints and
        coordinates, 0 (where people are the one leading axis) for shares by joint and
        coordinate.
    """

    def share_inside(level):
        inside = inside_central_interval(ranks, level, num_samples)
        return weighted_mean(inside, weights[..., None], axis)

    return jnp.moveaxis(jax.lax.map(share_inside, jnp.asarray(levels)), 0, -1)


def expected_calibration_error(
    coverage: Float[Array, "*c L"], levels: Float[Array, " L"] = LEVELS
) -> Float[Array, "*c"]:
    """Returns the mean of |coverage - level| over the levels: 0 is best."""
    return jnp.mean(jnp.abs(coverage - levels), axis=-1)


def signed_calibration_error(
    coverage: Float[Array, "*c L"], levels: Float[Array, " L"] = LEVELS
) -> Float[Array, "*c"]:
    """Returns the mean of coverage - level: negative where intervals are too narrow."""
    return jnp.mean(coverage - levels, axis=-1)


def median_distance_ranks(
    samples: Float[Array, "*b N J D"], truth: Float[Array, "*#b J D"]
) -> Float[Array, "*b J"]:
    """Returns the rank of the truth's distance from the median among the samples'.

    The median is that of each coordinate by itself (the lower one of two, where N is
    even). The rank is the largest level q whose quantile of the samples' distances,
    interpolated linearly, does not exceed the truth's distance: 1 where no sample is
    farther than the truth, and -1 where every sample is. The truth is then within
    the q-quantile just where its rank is less than q. Defined by the script
    `scripts/eval/human36m/calibration.py` of Pierzchlewicz et al. (Multi-hypothesis
    3D human pose estimation metrics favor miscalibrated distributions, 2022), which
    takes 200 samples.

    Raises:
      ValueError: there are fewer than two samples.
    """
    num_samples = samples.shape[-3]
    if num_samples < 2:
        raise ValueError("quantiles of distances need two samples or more")
    median = jnp.sort(samples, axis=-3)[..., (num_samples - 1) // 2, :, :]
    of_samples = distance(samples, median[..., None, :, :])
    of_truth = distance(median, truth)[..., None, :]
    farther = of_samples > of_truth
    num_within = jnp.sum(~farther, axis=-2)
    # The samples' distances next to the truth's, below and above.
    below = jnp.max(jnp.where(farther, -jnp.inf, of_samples), axis=-2)
    above = jnp.min(jnp.where(farther, of_samples, jnp.inf), axis=-2)
    between = (num_within > 0) & (num_within < num_samples)
    gap = jnp.where(between, above - below, 1.0)
    past = jnp.where(between, of_truth[..., 0, :] - below, 0.0) / gap
    rank = (num_within - 1 + past) / (num_samples - 1)
    return jnp.where(num_within > 0, rank, -1.0)


def distance_coverage(
    ranks: Float[Array, "*b J"],
    weights: Shaped[Array, "*#b J"],
    levels: Float[Array, " L"] = LEVELS,
    axis: int | tuple[int, ...] | None = None,
) -> Float[Array, "*c L"]:
    """Returns the share of truths within quantiles of the distance from the median.

    Args:
      ranks: as returned by `median_distance_ranks`.
      weights: of each joint of each person; a mask of the joints that count will do.
      levels: the quantiles, in [0, 1].
      axis: the axes averaged over; None for all.
    """

    def share_within(level):
        within = (ranks < level).astype(ranks.dtype)
        return weighted_mean(within, weights, axis)

    return jnp.moveaxis(jax.lax.map(share_within, jnp.asarray(levels)), 0, -1)


def median_joint_coverage(
    ranks: Float[Array, "*b J"],
    weights: Shaped[Array, "*#b J"],
    levels: Float[Array, " L"] = LEVELS,
) -> Float[Array, " L"]:
    """Returns the median over joints of each joint's `distance_coverage` of people.

    `expected_calibration_error` of it is the calibration error as published by
    Pierzchlewicz et al. (2022) for all joints. Joints that have no weight in any
    person are left out; the result is 0 where that is all of them.
    """
    people = tuple(range(ranks.ndim - 1))
    coverage = distance_coverage(ranks, weights, levels, axis=people)
    weights = jnp.broadcast_to(weights, ranks.shape)
    counts = jnp.sum(weights, axis=people) > 0
    median = jnp.nanmedian(jnp.where(counts[:, None], coverage, jnp.nan), axis=0)
    return jnp.where(jnp.any(counts), median, 0.0)


def mean_person_coverage(
    ranks: Float[Array, "*b J"],
    weights: Shaped[Array, "*#b J"],
    levels: Float[Array, " L"] = LEVELS,
) -> Float[Array, " L"]:
    """Returns the mean over people of each person's `distance_coverage` of joints.

    `expected_calibration_error` of it, with the hidden joints' mask for weights, is
    the calibration error as published by Pierzchlewicz et al. (2022) for occluded
    joints. People without any weight are left out.
    """
    weights = jnp.broadcast_to(weights, ranks.shape).astype(ranks.dtype)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    weights = weights / jnp.where(total > 0, total, 1.0)
    return distance_coverage(ranks, weights, levels)
