"""Computes L-BFGS directions from all pairs of steps and changes of the gradient.

`lbfgs` uses this form where the memory is not limited. The inverse Hessian of L-BFGS is
affine in the scale g of its initial guess g I: H = g A + C (Nocedal and Wright, 2006,
Eq. 7.19). The matrices A and C are kept, so that every direction is one product and the
scale can be chosen anew each time. The usual two-loop recursion gives the same
direction, but needs as many sequential steps as there are pairs.

The scale is the largest |s| / |y| of all pairs (step s, gradient change y), which is
the geometric mean of the two step lengths of Barzilai and Borwein (1988). The usual
scale, s'y / y'y of the last pair, is that of the steepest direction; where only the
likelihood of a pose curves the objective, it is hundreds of times too short, and fits
need more than twice the evaluations (measured).
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float

# Pairs whose step and gradient change have a smaller cosine are ignored as rounding.
_LEAST_COSINE = 1e-7


@struct.dataclass
class InverseHessian:
    """Holds the inverse Hessian g A + C that all pairs so far imply."""

    matrices: Float[Array, "2 N N"]
    """A, which multiplies the scale of the initial guess, and C."""
    scale: Float[Array, ""]
    """Scale g of the initial guess; 0 before there is a pair."""


def begin(size: int) -> InverseHessian:
    """Returns the inverse Hessian before there is a pair.

    Args:
      size: number of unknowns.
    """
    return InverseHessian(_initial_matrices(size), jnp.zeros(()))


def _initial_matrices(size: int) -> Float[Array, "2 N N"]:
    return jnp.stack([jnp.eye(size), jnp.zeros((size, size))])


def update(
    inverse: InverseHessian,
    s: Float[Array, " N"],
    y: Float[Array, " N"],
    gradient: Float[Array, " N"],
    accepted: Bool[Array, ""],
    restart: Bool[Array, ""],
) -> tuple[InverseHessian, Float[Array, " N"]]:
    """Returns the inverse Hessian after a pair, and the descent direction it gives.

    All cases are computed in one pass over the matrices, because choosing between
    results in a mapped batch would compute each of them.

    Args:
      inverse: the inverse Hessian of the pairs before.
      s: step to the new point.
      y: change of the gradient over that step.
      gradient: gradient at the new point.
      accepted: whether to add the pair.
      restart: whether to forget all pairs instead.
    """
    curvature, length, steep = _dot(s, y), _dot(s, s), _dot(y, y)
    convex = accepted & (curvature > _LEAST_COSINE * jnp.sqrt(length * steep))
    weight = jnp.where(convex, 1.0 / jnp.where(convex, curvature, 1.0), 0.0)
    ratio = jnp.where(convex, jnp.sqrt(length / jnp.where(convex, steep, 1.0)), 0.0)
    scale = jnp.where(restart, 0.0, jnp.maximum(inverse.scale, ratio))

    vectors = jnp.stack([y, gradient], axis=-1)
    products = jnp.matmul(inverse.matrices, vectors, precision="highest")
    turned, downhill = products[..., 0], products[..., 1]
    # M' = M - w (s (My)' + (My) s') + (w^2 y'My + [0 or w]) s s', for both matrices.
    own = jnp.array([0.0, 1.0])
    along = weight * (weight * jnp.sum(turned * y, axis=-1) + own)
    half = -weight * turned + 0.5 * along[:, None] * s
    updated = (
        inverse.matrices + s[:, None] * half[:, None, :] + half[:, :, None] * s[None, :]
    )
    slope = _dot(s, gradient)
    across = jnp.sum(half * gradient, axis=-1)
    downhill = downhill + s * across[:, None] + half * slope

    direction = jnp.where(
        scale > 0, scale * downhill[0] + downhill[1], shortened(gradient)
    )
    matrices = jnp.where(restart, _initial_matrices(s.size), updated)
    return InverseHessian(matrices, scale), -direction


def _dot(a: Float[Array, " N"], b: Float[Array, " N"]) -> Float[Array, ""]:
    return jnp.vdot(a, b, precision="highest")


def shortened(gradient: Float[Array, " N"]) -> Float[Array, " N"]:
    """Returns the gradient, shortened to length one if it is longer."""
    return gradient / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
