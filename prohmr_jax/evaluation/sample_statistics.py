"""Computes what a person's samples amount to: single estimates and their 2D error."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from prohmr_jax.geometry.energy_score import distance, mean_distances_to_others

_PERCENT = 100.0


def mean_of_samples(samples: Float[Array, "*b N J D"]) -> Float[Array, "*b J D"]:
    """Returns the mean of the samples, joint by joint."""
    return jnp.mean(samples, axis=-3)


def medoid_index(to_others: Float[Array, "*b N J"]) -> Int[Array, "*b"]:
    """Returns which sample has the least mean distance from the others.

    The distance of two samples is the mean over joints. Unlike the mean, the medoid
    is a sample: its limbs have their true lengths.

    Args:
      to_others: as returned by `mean_distances_to_others`.
    """
    return jnp.argmin(jnp.mean(to_others, axis=-1), axis=-1)


def medoid_of_samples(samples: Float[Array, "*b N J D"]) -> Float[Array, "*b J D"]:
    """Returns the sample that `medoid_index` points at.

    Raises:
      ValueError: there are fewer than two samples.
    """
    return take_sample(samples, medoid_index(mean_distances_to_others(samples)))


def take_sample(
    samples: Float[Array, "*b N J D"], index: Int[Array, "*b"]
) -> Float[Array, "*b J D"]:
    """Returns one sample of each person."""
    index = index[..., None, None, None]
    return jnp.take_along_axis(samples, index, axis=-3)[..., 0, :, :]


def mean_error_2d(
    samples_xy: Float[Array, "*b N J 2"], true_xy: Float[Array, "*#b J 2"]
) -> Float[Array, "*b J"]:
    """Returns the samples' mean distance from the true projection of each joint.

    Args:
      samples_xy: projected samples, crop frame (units of the box side).
      true_xy: the true projection in the same frame; it means something on the
        joints seen, and callers average over those.

    Returns:
      Percent of the box side.
    """
    gaps = distance(samples_xy, true_xy[..., None, :, :])
    return _PERCENT * jnp.mean(gaps, axis=-2)
