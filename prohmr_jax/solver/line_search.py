"""Searches along a line for the strong Wolfe conditions, one evaluation at a time.

It brackets a step and then zooms in (Nocedal and Wright, 2006, algorithms 3.5 and 3.6),
with cubic interpolation. Near a minimum, where float32 cannot tell losses apart, the
slope decides (the approximate condition of Hager and Zhang, 2005). `lbfgs` calls
`begin`, evaluates the objective at the proposed step, and hands the result to `update`.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

# Parameters of sufficient decrease and curvature, as usual for quasi-Newton directions.
DECREASE = 1e-4
CURVATURE = 0.9
# Losses with a smaller relative difference count as equal: the rounding of a deep
# objective in float32 scatters neighbouring points by 3e-6 (measured on fits).
ROUNDING = 4e-6
MAX_EVALUATIONS = 12
# Share of the bracket's width that a step keeps from both ends of the bracket.
_MARGIN = 0.1
# Factors by which the first two steps, and later ones, grow while there is no bracket.
_FIRST_GROWTH, _LATER_GROWTH = 8.0, 1.5


@struct.dataclass
class End:
    """Holds one end of the bracket."""

    step: Float[Array, ""]
    """Distance from the start of the search, in lengths of the direction."""
    loss: Float[Array, ""]
    """Loss there."""
    slope: Float[Array, ""]
    """Derivative of the loss along the direction there."""


@struct.dataclass
class Search:
    """Holds the state of a search along one direction."""

    step: Float[Array, ""]
    """Step to evaluate next, in lengths of the direction."""
    base_loss: Float[Array, ""]
    """Loss at the start of the search."""
    base_slope: Float[Array, ""]
    """Slope at the start of the search."""
    low: End
    """End of the bracket with the lowest loss so far that decreases enough; the start
    of the search at first."""
    low_gradient: Float[Array, " N"]
    """Gradient at `low`."""
    high: End
    """Other end of the bracket; at infinity while there is none."""
    evaluations: Int[Array, ""]
    """Number of evaluations so far."""
    met_finite: Bool[Array, ""]
    """Whether any evaluation was finite."""
    accepted: Bool[Array, ""]
    """Whether the search has ended, with the step `low`."""
    failed: Bool[Array, ""]
    """Whether the search has ended without a step."""


def begin(
    loss: Float[Array, ""] | float,
    gradient: Float[Array, " N"],
    direction: Float[Array, " N"],
    step: float,
) -> Search:
    """Returns a search that starts at a point of known loss and gradient.

    Args:
      loss: loss at the point.
      gradient: gradient at the point.
      direction: direction to search along.
      step: first step to evaluate, in lengths of the direction.
    """
    loss = jnp.asarray(loss, gradient.dtype)
    slope = jnp.vdot(gradient, direction, precision="highest")
    zero, infinity = jnp.zeros_like(slope), jnp.full_like(slope, jnp.inf)
    return Search(
        step=jnp.full_like(slope, step),
        base_loss=loss,
        base_slope=slope,
        low=End(zero, loss, slope),
        low_gradient=gradient,
        high=End(infinity, infinity, infinity),
        evaluations=jnp.zeros((), jnp.int32),
        met_finite=jnp.array(False),
        accepted=jnp.array(False),
        failed=jnp.array(False),
    )


def update(
    search: Search,
    loss: Float[Array, ""],
    gradient: Float[Array, " N"],
    direction: Float[Array, " N"],
    finite: Bool[Array, ""],
) -> Search:
    """Returns the search after the evaluation at `search.step`.

    Args:
      search: the search before.
      loss: loss at the step.
      gradient: gradient at the step.
      direction: direction of the search.
      finite: whether loss and gradient are finite.
    """
    low, high, base_slope = search.low, search.high, search.base_slope
    slope = jnp.vdot(gradient, direction, precision="highest")
    trial = End(search.step, loss, slope)
    bound = search.base_loss + DECREASE * trial.step * base_slope
    nearly = search.base_loss + ROUNDING * jnp.abs(search.base_loss)
    steep = trial.slope <= (2.0 * DECREASE - 1.0) * base_slope
    decreases = finite & ((loss <= bound) | ((loss <= nearly) & steep))
    flat = jnp.abs(trial.slope) <= CURVATURE * jnp.abs(base_slope)
    done = decreases & flat

    above = ~decreases | ((loss > low.loss) & (low.step > 0))
    width = jnp.where(jnp.isinf(high.step), 1.0, high.step - low.step)
    passes = ~above & (trial.slope * width >= 0)
    new_high = _select(above, trial, _select(passes, low, high))
    new_low = _select(done | ~above, trial, low)
    low_gradient = jnp.where(done | ~above, gradient, search.low_gradient)

    evaluations = search.evaluations + 1
    step = _next_step(new_low, new_high, evaluations)
    # The search ends where even the slope promises a decrease below rounding.
    promise = jnp.abs(base_slope * (step - new_low.step))
    hopeless = promise <= jnp.finfo(loss.dtype).eps * jnp.abs(search.base_loss)
    over = ~done & ((evaluations >= MAX_EVALUATIONS) | hopeless)
    settled = over & (new_low.step > 0)
    return search.replace(
        step=step,
        low=new_low,
        low_gradient=low_gradient,
        high=new_high,
        evaluations=evaluations,
        met_finite=search.met_finite | finite,
        accepted=done | settled,
        failed=over & ~settled,
    )


def _next_step(low: End, high: End, evaluations: Int[Array, ""]) -> Float[Array, ""]:
    """Returns the next step to evaluate: inside the bracket, or longer without one."""
    bracketed = jnp.isfinite(high.step)
    # Extrapolation would need the previous end of the bracket, which is not kept;
    # growing the step does as well.
    grown = low.step * jnp.where(evaluations < 3, _FIRST_GROWTH, _LATER_GROWTH)
    width = high.step - low.step
    cubic = _cubic_minimum(low, high)
    inside = jnp.abs(cubic - low.step) / jnp.abs(width)
    share = jnp.clip(jnp.where(jnp.isfinite(inside), inside, 0.5), _MARGIN, 1 - _MARGIN)
    # Cubic steps that stay near one end close the bracket slowly; bisection helps.
    share = jnp.where(evaluations % 4 == 0, 0.5, share)
    zoomed = low.step + share * jnp.where(bracketed, width, 0.0)
    return jnp.where(bracketed, zoomed, grown)


def _cubic_minimum(a: End, b: End) -> Float[Array, ""]:
    """Returns the minimum of the cubic through both ends; NaN if it has none.

    The cubic has the losses and the slopes of both ends.
    """
    d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.step - b.step)
    d2 = jnp.sign(b.step - a.step) * jnp.sqrt(d1 * d1 - a.slope * b.slope)
    shift = (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)
    return b.step - (b.step - a.step) * shift


def _select(condition: Bool[Array, ""], yes: End, no: End) -> End:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), yes, no)
