"""Takes the least error among the first 1, 5, ... N samples."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float

# The numbers of samples at which the literature reports the best one.
SAMPLE_COUNTS = (1, 5, 10, 25, 100, 200)


def best_of(
    errors: Float[Array, "*b N"], counts: Sequence[int] = SAMPLE_COUNTS
) -> Float[Array, "*b C"]:
    """Returns the least error among the first n samples, for each n of `counts`.

    Samples keep their order, so that the result cannot grow with n.

    Args:
      errors: of each sample, in any unit.
      counts: numbers of samples, each from 1 to N.

    Raises:
      ValueError: a count is not in that range.
    """
    num_samples = errors.shape[-1]
    if min(counts) < 1 or max(counts) > num_samples:
        raise ValueError(f"cannot take the best of {counts} of {num_samples} samples")
    least = jax.lax.cummin(errors, axis=errors.ndim - 1)
    return least[..., np.array(counts) - 1]
