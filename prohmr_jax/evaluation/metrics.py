"""Measures predicted joints, per example, in metres; callers average and scale."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from prohmr_jax.geometry.procrustes import align


def mpjpe(
    predicted: Float[Array, "*b J 3"],
    target: Float[Array, "*#b J 3"],
    weights: Float[Array, "*#b J"] | None = None,
) -> Float[Array, "*b"]:
    """Returns the mean distance of joints, in the unit of the input.

    Bring both sides to a common root first: `relative_to`.

    Args:
      predicted: joints.
      target: the true joints.
      weights: weights of the joints, such as a mask; None for equal ones.
    """
    distances = jnp.linalg.norm(predicted - target, axis=-1)
    if weights is None:
        return jnp.mean(distances, axis=-1)
    total = jnp.sum(weights, axis=-1)
    weighted = jnp.sum(weights * distances, axis=-1)
    return weighted / jnp.where(total > 0, total, 1.0)


def relative_to(joints: Float[Array, "*b J 3"], root: int) -> Float[Array, "*b J 3"]:
    """Returns joints relative to one of them."""
    return joints - joints[..., root : root + 1, :]


def pa_mpjpe(
    predicted: Float[Array, "*b J 3"],
    target: Float[Array, "*#b J 3"],
    weights: Float[Array, "*#b J"] | None = None,
) -> Float[Array, "*b"]:
    """Returns the mean distance of joints after similarity alignment (PA-MPJPE).

    Args: see `mpjpe`.
    """
    return mpjpe(align(predicted, target, weights), target, weights)


def masked_mean(
    values: Float[Array, "*b J"], mask: Bool[Array, "*b J"]
) -> Float[Array, ""]:
    """Returns the mean over the entries where the mask is on; 0 if there is none."""
    count = jnp.sum(mask)
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(count, 1)
