"""A line search for the strong Wolfe conditions, one evaluation at a time.

Bracketing, then zooming (Nocedal and Wright, 2006, algorithms 3.5 and 3.6) with
cubic steps; near a minimum, where float32 cannot tell losses apart, the slope decides
(the approximate condition of Hager and Zhang, 2005). `begin` proposes a step; `learn`
takes its loss and gradient and says: accepted, failed, or what to try next.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

# Sufficient decrease and curvature, as is usual for quasi-Newton directions.
DECREASE = 1e-4
CURVATURE = 0.9
# Losses this close, relatively, are equal up to the rounding of a deep objective in
# float32 (measured on fits: neighbouring points scatter by 3e-6).
ROUNDING = 4e-6
MAX_EVALUATIONS = 12
# A next step stays this far, in widths of the bracket, from its ends.
_MARGIN = 0.1
# Before there is a bracket, a step grows by a factor in this range.
_GROWTH = (1.5, 8.0)


@struct.dataclass
class End:
    """An end of the bracket."""

    step: Float[Array, ""]
    loss: Float[Array, ""]
    slope: Float[Array, ""]
    """Of the loss along the direction."""


@struct.dataclass
class Search:
    """A search along one direction."""

    step: Float[Array, ""]
    """To evaluate next, in lengths of the direction."""
    base_loss: Float[Array, ""]
    base_slope: Float[Array, ""]
    low: End
    """The lowest step that decreases enough so far; 0 at first."""
    low_gradient: Float[Array, " N"]
    high: End
    """Other end of the bracket; infinitely far while there is none."""
    evaluations: Int[Array, ""]
    met_finite: Bool[Array, ""]
    """Whether any trial had a finite value."""
    accepted: Bool[Array, ""]
    """Ends at `low`."""
    failed: Bool[Array, ""]
    """Ends without a step."""


def begin(loss, gradient, direction, step: float) -> Search:
    """Returns a search from a point of known loss and gradient."""
    loss = jnp.asarray(loss, gradient.dtype)
    slope = jnp.vdot(gradient, direction)
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


def learn(search: Search, loss, gradient, direction, finite) -> Search:
    """Returns the search after the evaluation at `search.step`."""
    low, high, base_slope = search.low, search.high, search.base_slope
    trial = End(search.step, loss, jnp.vdot(gradient, direction))
    bound = search.base_loss + DECREASE * trial.step * base_slope
    nearly = search.base_loss + ROUNDING * jnp.abs(search.base_loss)
    steep = trial.slope <= (2.0 * DECREASE - 1.0) * base_slope
    decreases = finite & ((loss <= bound) | ((loss <= nearly) & steep))
    flat = jnp.abs(trial.slope) <= CURVATURE * jnp.abs(base_slope)
    done = decreases & flat

    above = ~decreases | ((loss > low.loss) & (low.step > 0))
    turned = trial.slope * jnp.where(jnp.isinf(high.step), 1.0, high.step - low.step)
    passes = ~above & (turned >= 0)
    new_high = _where(above, trial, _where(passes, low, high))
    new_low = _where(done | ~above, trial, low)
    low_gradient = jnp.where(done | ~above, gradient, search.low_gradient)

    evaluations = search.evaluations + 1
    step = _next_step(new_low, new_high, evaluations)
    # Where even the slope promises less than rounding, there is nothing to find.
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


def _next_step(low: End, high: End, evaluations) -> Float[Array, ""]:
    bracketed = jnp.isfinite(high.step)
    # Without a bracket, the parabola of the last two slopes would need an end that
    # is gone: a growing step is as good.
    grown = low.step * jnp.where(evaluations < 3, *reversed(_GROWTH))
    width = high.step - low.step
    cubic = _cubic_minimum(low, high)
    inside = jnp.abs(cubic - low.step) / jnp.abs(width)
    share = jnp.clip(jnp.where(jnp.isfinite(inside), inside, 0.5), _MARGIN, 1 - _MARGIN)
    # A cubic that keeps to one side closes the bracket slowly.
    share = jnp.where(evaluations % 4 == 0, 0.5, share)
    zoomed = low.step + share * jnp.where(bracketed, width, 0.0)
    return jnp.where(bracketed, zoomed, grown)


def _cubic_minimum(a: End, b: End) -> Float[Array, ""]:
    """Of the cubic with both ends' losses and slopes; NaN if it has none."""
    d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.step - b.step)
    d2 = jnp.sign(b.step - a.step) * jnp.sqrt(d1 * d1 - a.slope * b.slope)
    shift = (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)
    return b.step - (b.step - a.step) * shift


def _where(condition, yes: End, no: End) -> End:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), yes, no)
