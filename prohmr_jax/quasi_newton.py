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

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

# A pair that is not this convex, as a cosine, is rounding: it teaches nothing.
_LEAST_COSINE = 1e-7


class _Memory(NamedTuple):
    x: Float[Array, " N"]
    gradient: Float[Array, " N"]
    guess: Float[Array, "N N"]
    """A: what the pairs make of the initial guess."""
    learnt: Float[Array, "N N"]
    """C: what they say themselves."""
    scale: Float[Array, ""]
    """g; 0 before any pair."""
    updates: Int[Array, ""]
    """Gradients seen."""


def scale_by_bfgs() -> optax.GradientTransformation:
    """Returns the transformation of gradients of a vector, of any but large length.

    As `optax.scale_by_lbfgs`, it takes the gradient to its product with the inverse
    Hessian, and expects to be called once for each accepted point.
    """

    def init(x: Float[Array, " N"]) -> _Memory:
        zeros, identity = jnp.zeros_like(x), jnp.eye(x.size, dtype=x.dtype)
        return _Memory(
            x=zeros,
            gradient=zeros,
            guess=identity,
            learnt=jnp.zeros_like(identity),
            scale=jnp.zeros((), x.dtype),
            updates=jnp.zeros((), jnp.int32),
        )

    def update(gradient, memory: _Memory, x):
        s, y = x - memory.x, gradient - memory.gradient
        curvature, length = jnp.vdot(s, y), jnp.vdot(s, s)
        least = _LEAST_COSINE * jnp.sqrt(length * jnp.vdot(y, y))
        teaches = (memory.updates > 0) & (curvature > least)
        weight = jnp.where(teaches, 1.0 / jnp.where(teaches, curvature, 1.0), 0.0)

        def learn(matrix, own: float):
            turned = jnp.matmul(matrix, y, precision="highest")
            cross = weight * jnp.outer(s, turned)
            along = weight * (weight * jnp.vdot(y, turned) + own)
            return matrix - cross - cross.T + along * jnp.outer(s, s)

        guess, learnt = learn(memory.guess, 0.0), learn(memory.learnt, 1.0)
        met = jnp.sqrt(length / jnp.where(teaches, jnp.vdot(y, y), 1.0))
        scale = jnp.where(teaches, jnp.maximum(memory.scale, met), memory.scale)
        # Before any pair, a step of length one at most.
        first = jnp.minimum(1.0, 1.0 / jnp.linalg.norm(gradient))
        inverse_hessian = jnp.where(scale > 0, scale, first) * guess + learnt
        direction = jnp.matmul(inverse_hessian, gradient, precision="highest")
        new = _Memory(x, gradient, guess, learnt, scale, memory.updates + 1)
        return direction, new

    return optax.GradientTransformation(init, update)
