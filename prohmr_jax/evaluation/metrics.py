"""Measures predicted joints, per example, in metres; callers average and scale."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from prohmr_jax.geometry.procrustes import align


def mpjpe(
    predicted: Float[Array, "*b J 3"], target: Float[Array, "*#b J 3"]
) -> Float[Array, "*b"]:
    """Returns the mean distance of joints, in the unit of the input.

    Bring both sides to a common root first: `relative_to`.
    """
    return jnp.mean(jnp.linalg.norm(predicted - target, axis=-1), axis=-1)


def relative_to(joints: Float[Array, "*b J 3"], root: int) -> Float[Array, "*b J 3"]:
    """Returns joints relative to one of them."""
    return joints - joints[..., root : root + 1, :]


def pa_mpjpe(
    predicted: Float[Array, "*b J 3"], target: Float[Array, "*#b J 3"]
) -> Float[Array, "*b"]:
    """Returns the mean distance of joints after similarity alignment (PA-MPJPE)."""
    return mpjpe(align(predicted, target), target)


def masked_mean(
    values: Float[Array, "*b J"], mask: Bool[Array, "*b J"]
) -> Float[Array, ""]:
    """Returns the mean over the entries where the mask is on; 0 if there is none."""
    count = jnp.sum(mask)
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(count, 1)
