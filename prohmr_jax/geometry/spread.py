"""Measures the spread of samples: how far the hypotheses of one person lie apart.

It has this one definition everywhere: in result files, on pictures and in reports.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def spread(points: Float[Array, "*b K J 3"]) -> Float[Array, "*b J"]:
    """Returns the root mean square distance of each point's samples from their mean.

    The distance is taken in space, over all three axes together. Where the K samples
    are draws and index 0 is the mode, the caller leaves the mode out.

    Args:
      points: K samples of J points, metres; any axes that all samples share.

    Returns:
      The spread of each point, metres.
    """
    center = jnp.mean(points, axis=-3, keepdims=True)
    squared_distance = jnp.sum((points - center) ** 2, axis=-1)
    return jnp.sqrt(jnp.mean(squared_distance, axis=-2))
