"""Moves true joint positions as detectors do: jitter, outliers, exchanged sides.

`keypoint_pairs` and `skeleton_pairs` call it, each for its own joints.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax.synthetic.pair_settings import KeypointPairSettings

# Standard deviation of an outlier, relative to the side of the box.
_OUTLIER_STD = 0.12


@struct.dataclass
class MovedJoints:
    """Holds positions with the faults of a detector."""

    xy: Float[Array, "J 2"]
    """Moved positions, in the unit of the true ones."""
    error: Float[Array, " J"]
    """Length of jitter and outlier, relative to the side of the tight box."""
    perfect: Bool[Array, ""]
    """Whether the person has no fault."""


def moved_joints(
    keys: jax.Array,
    xy: Float[Array, "J 2"],
    jitter_std: Float[np.ndarray, " J"],
    mirror: tuple[int, ...],
    swapped_parts: Bool[np.ndarray, "P J"],
    settings: KeypointPairSettings,
) -> MovedJoints:
    """Returns the positions of one person with the faults of a detector.

    Args:
      keys: five random keys.
      xy: true positions, any unit and frame.
      jitter_std: largest standard deviation of each joint, relative to the box's side.
      mirror: permutation of the joints that swaps left and right.
      swapped_parts: for each part of the body of which a detector may exchange left
        and right, the joints of both sides.
      settings: rates and sizes of the faults.
    """
    low, high = jnp.min(xy, axis=0), jnp.max(xy, axis=0)
    side = jnp.max(high - low)
    perfect = jax.random.bernoulli(keys[0], settings.perfect_rate)

    level = jax.random.uniform(keys[1], maxval=settings.max_jitter)
    jitter = level * jitter_std[:, None] * jax.random.normal(keys[2], xy.shape)
    outlier_key, outlier_size_key = jax.random.split(keys[3])
    outlier = jax.random.bernoulli(outlier_key, settings.outlier_rate, (len(xy), 1))
    jitter += outlier * _OUTLIER_STD * jax.random.normal(outlier_size_key, xy.shape)
    jitter = jnp.where(perfect, 0.0, jitter)

    part_key, whole_key = jax.random.split(keys[4])
    swapped = jax.random.bernoulli(part_key, settings.swap_rate, (len(swapped_parts),))
    swapped = jnp.any(swapped[:, None] & swapped_parts, axis=0)
    swapped |= jax.random.bernoulli(whole_key, settings.swap_rate / 2)
    swapped &= ~perfect
    seen = jnp.where(swapped[:, None], xy[mirror, :], xy)
    return MovedJoints(
        xy=seen + side * jitter,
        error=jnp.linalg.norm(jitter, axis=-1),
        perfect=perfect,
    )
