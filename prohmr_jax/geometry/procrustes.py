"""Aligns point sets by a similarity transform, which PA-MPJPE is measured with."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def align(
    source: Float[Array, "*b J 3"],
    target: Float[Array, "*#b J 3"],
    weights: Float[Array, "*#b J"] | None = None,
) -> Float[Array, "*b J 3"]:
    """Returns `source` moved onto `target` by the best similarity transform.

    Scale, rotation and translation minimise the sum of squared distances (Umeyama,
    1991); reflections are excluded. Collinear sets are aligned too, with an arbitrary
    rotation about their line. If all source points coincide, they are returned at the
    centroid of the target.

    Args:
      source: points, in any unit and frame.
      target: the corresponding points.
      weights: weights of the squared distances, not negative; None for equal ones.
        Points of weight 0 are moved with the others.
    """
    source_mean = _mean_point(source, weights)
    target_mean = _mean_point(target, weights)
    source, target = source - source_mean, target - target_mean
    moving = source
    if weights is not None:
        root = jnp.sqrt(weights)[..., None]
        source, target = root * source, root * target
    covariance = jnp.einsum("...ji,...jk->...ik", source, target, precision="highest")
    u, singular, vt = jnp.linalg.svd(covariance, full_matrices=False)
    sign = jnp.where(jnp.linalg.det(u) * jnp.linalg.det(vt) < 0, -1.0, 1.0)
    flip = jnp.stack([jnp.ones_like(sign), jnp.ones_like(sign), sign], axis=-1)
    rotation = jnp.matmul(u * flip[..., None, :], vt, precision="highest")
    variance = jnp.sum(source**2, axis=(-2, -1))
    scale = jnp.where(
        variance > 0,
        jnp.sum(singular * flip, axis=-1) / jnp.where(variance > 0, variance, 1.0),
        1.0,
    )
    moved = jnp.matmul(moving, rotation, precision="highest")
    return scale[..., None, None] * moved + target_mean


def _mean_point(
    points: Float[Array, "*b J 3"], weights: Float[Array, "*#b J"] | None
) -> Float[Array, "*b 1 3"]:
    if weights is None:
        return jnp.mean(points, axis=-2, keepdims=True)
    total = jnp.sum(weights, axis=-1)[..., None, None]
    weighted = jnp.sum(weights[..., None] * points, axis=-2, keepdims=True)
    return weighted / jnp.where(total > 0, total, 1.0)
