"""Computes the energy score of samples, a proper score, and its distances.

Evaluation reports it for each joint; a training loss may use it too, since its
gradient is finite everywhere, also where samples coincide.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def distance(
    first: Float[Array, "*#b D"], second: Float[Array, "*#b D"]
) -> Float[Array, "*b"]:
    """Returns Euclidean distances, whose gradient is 0 where the points coincide."""
    squared = jnp.sum(jnp.square(first - second), axis=-1)
    apart = squared > 0
    # Both branches are guarded: the root's gradient at 0 is infinite.
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)


def distances_to_truth(
    samples: Float[Array, "*b N J D"], truth: Float[Array, "*#b J D"]
) -> Float[Array, "*b N J"]:
    """Returns the distance of every sample of every joint from the true joint."""
    return distance(samples, truth[..., None, :, :])


def mean_distances_to_others(
    samples: Float[Array, "*b N J D"],
) -> Float[Array, "*b N J"]:
    """Returns the mean distance of every sample from the N - 1 others, by joint.

    Memory grows with N and not with N^2, also under differentiation: a scan compares
    the samples with themselves moved on by 1, 2, ... N / 2 places.

    Raises:
      ValueError: there are fewer than two samples.
    """
    num_samples = samples.shape[-3]
    if num_samples < 2:
        raise ValueError("a distance among samples needs two samples or more")
    sample_axis = samples.ndim - 3
    samples_twice = jnp.concatenate([samples, samples], axis=sample_axis)

    def add_pairs(total, shift):
        moved = jax.lax.dynamic_slice_in_dim(
            samples_twice, shift, num_samples, sample_axis
        )
        # Entry i is the distance of samples i and i + shift; both get it added.
        gap = distance(samples, moved)
        # Halfway round, every pair comes up twice.
        gap = jnp.where(2 * shift == num_samples, 0.5, 1.0).astype(gap.dtype) * gap
        gap_twice = jnp.concatenate([gap, gap], axis=sample_axis)
        moved_back = jax.lax.dynamic_slice_in_dim(
            gap_twice, num_samples - shift, num_samples, sample_axis
        )
        return total + gap + moved_back, None

    total, _ = jax.lax.scan(
        jax.checkpoint(add_pairs, prevent_cse=False),
        jnp.zeros_like(samples[..., 0]),
        jnp.arange(1, num_samples // 2 + 1),
    )
    return total / (num_samples - 1)


def energy_from_distances(
    to_truth: Float[Array, "*b N J"], to_others: Float[Array, "*b N J"]
) -> Float[Array, "*b J"]:
    """Returns the energy score of distances that are already known.

    Args:
      to_truth: as returned by `distances_to_truth`.
      to_others: as returned by `mean_distances_to_others`.
    """
    return jnp.mean(to_truth, axis=-2) - 0.5 * jnp.mean(to_others, axis=-2)


def energy_score(
    samples: Float[Array, "*b N J D"], truth: Float[Array, "*#b J D"]
) -> Float[Array, "*b J"]:
    """Returns the energy score of every joint, in the unit of the samples.

    E|X - y| - E|X - X'| / 2 for independent samples X, X' and the truth y (Gneiting
    and Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, 2007,
    section 4.3, with beta = 1 and the sign that makes less better). Its expectation
    is least where the samples come from the distribution of the truth. The second term
    is the mean over the N (N - 1) ordered pairs of two different samples, so that
    the score is unbiased for any N from 2; that of a few samples can be negative.

    To score whole poses rather than joints, give them as one point of J * D axes.

    Raises:
      ValueError: there are fewer than two samples.
    """
    return energy_from_distances(
        distances_to_truth(samples, truth), mean_distances_to_others(samples)
    )
