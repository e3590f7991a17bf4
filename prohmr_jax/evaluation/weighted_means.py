"""Means over the joints that count, which stay finite where no joint does.

The measures of predicted distributions report seen and hidden joints apart, and a
person may have no hidden joint: such a person then has the weight 0.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped


def weighted_mean(
    values: Float[Array, "*v"],
    weights: Shaped[Array, "*w"],
    axis: int | tuple[int, ...] | None = None,
) -> Float[Array, "*c"]:
    """Returns sum(weights * values) / sum(weights) over some axes.

    The mean is 0 where all weights are 0; callers that must tell such a mean from a
    true 0 look at the weights. Entries of weight 0 may hold anything, NaN included.

    Args:
      values: any shape.
      weights: not negative (or bool); broadcast to the shape of the values.
      axis: the axes averaged over; None for all of them.
    """
    weights = jnp.broadcast_to(weights, values.shape).astype(values.dtype)
    total = jnp.sum(weights, axis=axis)
    kept = jnp.where(weights > 0, values, 0.0)
    return jnp.sum(weights * kept, axis=axis) / jnp.where(total > 0, total, 1.0)


def weighted_rms(
    values: Float[Array, "*v"],
    weights: Shaped[Array, "*w"],
    axis: int | tuple[int, ...] | None = None,
) -> Float[Array, "*c"]:
    """Returns the root of the weighted mean square; arguments as `weighted_mean`."""
    return jnp.sqrt(weighted_mean(values**2, weights, axis))


def seen_and_hidden_means(
    values: Float[Array, "*b J"], seen: Bool[Array, "*#b J"]
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Returns each person's means over the joints seen and over the joints hidden.

    A person without such a joint gets 0. To average over people, use
    `weighted_mean` with the weights `any(seen)` (every person counts once) or
    `sum(seen)` (every joint counts once), and `~seen` for the hidden mean.
    """
    return weighted_mean(values, seen, -1), weighted_mean(values, ~seen, -1)
