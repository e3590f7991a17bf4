"""Measures the spread of samples: how far the hypotheses of one person lie apart.

It has this one definition everywhere: in result files, on pictures and in reports.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.geometry.energy_score import distance


def spread(points: Float[Array, "*b K J D"]) -> Float[Array, "*b J"]:
    """Returns the root mean square distance of each point's samples from their mean.

    The distance is taken in space, over all axes together; its gradient is 0 where all
    samples coincide. Where the K samples
    are draws and index 0 is the mode, the caller leaves the mode out.

    Args:
      points: K samples of J points, metres; any axes that all samples share.

    Returns:
      The spread of each point, metres.
    """
    gaps = points - jnp.mean(points, axis=-3, keepdims=True)
    # The norm of all gaps at once, over sqrt(K).
    gaps = jnp.moveaxis(gaps, -3, -2)
    gaps = gaps.reshape(*gaps.shape[:-2], -1)
    return distance(gaps, jnp.zeros_like(gaps)) / jnp.sqrt(points.shape[-3])
