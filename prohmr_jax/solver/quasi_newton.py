"""L-BFGS that forgets no pair, as matrices: no loop over pairs, no memory to tune.

The inverse Hessian of L-BFGS is affine in the scale g of its initial guess g I:
H = g A + C (Nocedal and Wright, 2006, Eq. 7.19). Both matrices are kept, so that every
direction is one product, and so that the scale can be chosen anew for each of them.
The two-loop recursion gives the same direction, in as many steps one after another as
there are pairs.

The scale is the largest |s| / |y| met: the geometric mean of the two of Barzilai and
Borwein (1988). The usual one, s'y / y'y of the last pair, is that of the steepest
direction: where the likelihood of a pose is all that curves the objective, it is
hundreds of times too short (measured on fits: more than twice the evaluations).
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float

# A pair that is not this convex, as a cosine, is rounding: it teaches nothing.
_LEAST_COSINE = 1e-7


@struct.dataclass
class InverseHessian:
    """What the pairs up to a point say."""

    matrices: Float[Array, "2 N N"]
    """A, what they make of the initial guess, and C, what they say themselves."""
    scale: Float[Array, ""]
    """g; 0 before any pair."""


def begin(size: int) -> InverseHessian:
    """Returns the inverse Hessian of so many unknowns before any pair."""
    return InverseHessian(_untaught(size), jnp.zeros(()))


def _untaught(size: int) -> Float[Array, "2 N N"]:
    return jnp.stack([jnp.eye(size), jnp.zeros((size, size))])


def learn(
    known: InverseHessian,
    s: Float[Array, " N"],
    y: Float[Array, " N"],
    gradient: Float[Array, " N"],
    accepted: Bool[Array, ""],
    afresh: Bool[Array, ""],
) -> tuple[InverseHessian, Float[Array, " N"]]:
    """Returns what is known after a pair, and the direction downhill it gives.

    Everything is one pass over the matrices, whatever the flags: in a batch, a choice
    between two results would be several.

    Args:
      known: up to the previous point.
      s: step to the new point.
      y: what it changed in the gradient.
      gradient: at the new point.
      accepted: whether to learn the pair.
      afresh: whether to forget everything instead.
    """
    curvature, length, steep = jnp.vdot(s, y), jnp.vdot(s, s), jnp.vdot(y, y)
    teaches = accepted & (curvature > _LEAST_COSINE * jnp.sqrt(length * steep))
    weight = jnp.where(teaches, 1.0 / jnp.where(teaches, curvature, 1.0), 0.0)
    met = jnp.where(teaches, jnp.sqrt(length / jnp.where(teaches, steep, 1.0)), 0.0)
    scale = jnp.where(afresh, 0.0, jnp.maximum(known.scale, met))

    vectors = jnp.stack([y, gradient], axis=-1)
    products = jnp.matmul(known.matrices, vectors, precision="highest")
    turned, downhill = products[..., 0], products[..., 1]
    # M' = M - w (s (My)' + (My) s') + (w^2 y'My + [0 or w]) s s', for both matrices.
    own = jnp.array([0.0, 1.0])
    along = weight * (weight * jnp.sum(turned * y, axis=-1) + own)
    half = -weight * turned + 0.5 * along[:, None] * s
    updated = (
        known.matrices + s[:, None] * half[:, None, :] + half[:, :, None] * s[None, :]
    )
    slope = jnp.vdot(s, gradient)
    across = jnp.sum(half * gradient, axis=-1)
    downhill = downhill + s * across[:, None] + half * slope

    direction = jnp.where(scale > 0, scale * downhill[0] + downhill[1], first(gradient))
    matrices = jnp.where(afresh, _untaught(s.size), updated)
    return InverseHessian(matrices, scale), -direction


def first(gradient: Float[Array, " N"]) -> Float[Array, " N"]:
    """Returns the gradient, shortened to length one at most."""
    return gradient / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
