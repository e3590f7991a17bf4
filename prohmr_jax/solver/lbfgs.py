"""Runs L-BFGS for one person as a state machine, for `minimise` and `slots`.

Each turn of the loop evaluates the objective and its gradient once. The line search is
a state and not a loop of its own, so that in a mapped batch nobody waits for the search
of another person. (A search within `lax.cond`, as in `optax.lbfgs`, evaluates both
branches for everyone as soon as it is mapped.)
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from prohmr_jax.solver import line_search, quasi_newton
from prohmr_jax.solver.line_search import Search
from prohmr_jax.solver.problem import Minimum, Objective, Reason, Settings


@struct.dataclass
class State:
    """Holds the minimisation of one person between two evaluations.

    The next evaluation is at x + search.step * direction.
    """

    x: Float[Array, " N"]
    """Last accepted point: all unknowns as one vector."""
    gradient: Float[Array, " N"]
    """Gradient of the objective at `x`."""
    direction: Float[Array, " N"]
    """Direction in which the line search moves."""
    memory: Any
    """What is remembered of earlier points: an `InverseHessian`, or the state of an
    optax transformation where the memory is limited."""
    restarted: Bool[Array, ""]
    """Whether the direction is that of the plain gradient."""
    search: Search
    """State of the line search."""
    best_x: Float[Array, " N"]
    """Point with the lowest loss so far."""
    best_loss: Float[Array, ""]
    """Lowest loss so far; infinity before the start is evaluated."""
    start_loss: Float[Array, ""]
    """Loss at the start; infinity before it is evaluated."""
    checked_loss: Float[Array, ""]
    """Lowest loss at the last check whether the objective has settled."""
    steps: Int[Array, ""]
    """Number of accepted points; -1 before the start is evaluated."""
    evaluations: Int[Array, ""]
    """Number of evaluations so far."""
    reason: Int[Array, ""]
    """The `Reason` why it ended, or `Reason.RUNNING`."""


def begin(initial: Any, settings: Settings) -> State:
    """Returns the state before the start is evaluated.

    Args:
      initial: initial unknowns, a pytree of float arrays; if one of them is not finite,
        the state has ended already.
      settings: how much to remember.
    """
    x, _ = ravel_pytree(initial)
    finite = jnp.isfinite(x)
    x = jnp.where(finite, x, 0.0)
    zeros, count = jnp.zeros_like(x), jnp.zeros((), jnp.int32)
    infinity = jnp.array(jnp.inf, x.dtype)
    reason = jnp.where(jnp.all(finite), Reason.RUNNING, Reason.NON_FINITE)
    if settings.memory is None:
        memory = quasi_newton.begin(x.size)
    else:
        memory = _limited_memory(settings.memory).init(x)
    return State(
        x=x,
        gradient=zeros,
        direction=zeros,
        memory=memory,
        restarted=jnp.array(True),
        search=line_search.begin(jnp.inf, zeros, zeros, 0.0),
        best_x=x,
        best_loss=infinity,
        start_loss=infinity,
        checked_loss=infinity,
        steps=count - 1,
        evaluations=count,
        reason=reason.astype(jnp.int32),
    )


def _limited_memory(pairs: int) -> optax.GradientTransformation:
    """Returns the transformation from gradients to directions that remembers pairs."""
    return optax.chain(optax.scale_by_lbfgs(pairs), optax.scale(-1.0))


def advance(
    objective: Objective,
    initial: Any,
    data: Any,
    settings: Settings,
    state: State,
    max_evaluations: int | None = None,
) -> State:
    """Returns the state at the end of the minimisation, or earlier.

    Args:
      objective: see `minimise`.
      initial: initial unknowns, for the structure of the pytree.
      data: see `minimise`.
      settings: when to stop.
      state: where to go on.
      max_evaluations: number of evaluations after which to return; None for no limit.
    """
    _, unravel = ravel_pytree(initial)
    value_and_grad = jax.value_and_grad(lambda x: objective(unravel(x), data))
    first = state.evaluations

    def goes_on(state):
        running = state.reason == Reason.RUNNING
        if max_evaluations is None:
            return running
        return running & (state.evaluations - first < max_evaluations)

    def turn(state):
        point = state.x + state.search.step * state.direction
        loss, gradient = value_and_grad(point)
        return _update(state, loss, gradient, settings)

    return jax.lax.while_loop(goes_on, turn, state)


def _update(state: State, loss, gradient, settings: Settings) -> State:
    """Returns the state after an evaluation.

    The point is accepted, or the line search goes on, or the search restarts along the
    plain gradient, or the minimisation ends.
    """
    starting = state.steps < 0
    finite = jnp.isfinite(loss) & jnp.all(jnp.isfinite(gradient))
    search = line_search.update(state.search, loss, gradient, state.direction, finite)
    # A search may accept a point that it tried earlier.
    point = state.x + search.low.step * state.direction
    point = jnp.where(starting, state.x, point)
    loss = jnp.where(starting, loss, search.low.loss)
    gradient = jnp.where(starting, gradient, search.low_gradient)
    accepted = jnp.where(starting, finite, search.accepted)
    # If a direction from the memory fails, the gradient is tried before giving up.
    restart = search.failed & ~starting & ~state.restarted
    failed = jnp.where(starting, ~finite, search.failed & ~restart)

    x = jnp.where(accepted, point, state.x)
    base_loss = jnp.where(accepted, loss, state.search.base_loss)
    gradient = jnp.where(accepted, gradient, state.gradient)
    better = accepted & (loss < state.best_loss)
    best_loss = jnp.where(better, loss, state.best_loss)
    steps = state.steps + accepted
    evaluations = state.evaluations + 1
    checked = ~starting & (evaluations % settings.patience == 0)
    tolerance = settings.loss_tolerance * jnp.abs(best_loss)
    settled = checked & (state.checked_loss <= best_loss + tolerance)
    memory, direction = _direction(state, x, gradient, accepted, restart, settings)
    # Rounding may spoil the memory; then the plain gradient gives the direction.
    downhill = jnp.vdot(direction, gradient, precision="highest") < 0
    usable = downhill & jnp.all(jnp.isfinite(direction))
    direction = jnp.where(usable, direction, -quasi_newton.shortened(gradient))
    new_search = (
        direction,
        starting | restart | ~usable,
        line_search.begin(base_loss, gradient, direction, 1.0),
    )
    same_search = state.direction, state.restarted, search
    direction, restarted, search_after = select(
        accepted | restart, new_search, same_search
    )
    nothing_finite = starting | ~search_after.met_finite
    reasons = (
        (failed & nothing_finite, Reason.NON_FINITE),
        (failed, Reason.NO_PROGRESS),
        (accepted & _is_flat(x, gradient, base_loss, settings), Reason.GRADIENT_SMALL),
        (settled, Reason.LOSS_SETTLED),
        (steps >= settings.max_steps, Reason.STEP_LIMIT),
    )
    conditions, values = zip(*reasons, strict=True)
    reason = jnp.select(conditions, [int(v) for v in values], int(Reason.RUNNING))
    return State(
        x=x,
        gradient=gradient,
        direction=direction,
        memory=memory,
        restarted=restarted,
        search=search_after,
        best_x=jnp.where(better, point, state.best_x),
        best_loss=best_loss,
        start_loss=jnp.where(starting, best_loss, state.start_loss),
        checked_loss=jnp.where(checked, best_loss, state.checked_loss),
        steps=steps,
        evaluations=evaluations,
        reason=reason.astype(jnp.int32),
    )


def _direction(state: State, x, gradient, accepted, restart, settings: Settings):
    """Returns the memory after a new point, and the direction from there."""
    if settings.memory is None:
        pair = x - state.x, gradient - state.gradient
        return quasi_newton.update(state.memory, *pair, gradient, accepted, restart)
    transformation = _limited_memory(settings.memory)
    memory = select(restart, transformation.init(x), state.memory)
    direction, updated = transformation.update(gradient, memory, x)
    return select(accepted | restart, updated, state.memory), direction


def select(condition: Bool[Array, ""], yes: Any, no: Any) -> Any:
    """Returns one of two pytrees with equal structures."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _is_flat(x, gradient, loss, settings: Settings) -> Bool[Array, ""]:
    """Returns whether the gradient is below its tolerance."""
    relative = jnp.abs(gradient) * jnp.maximum(jnp.abs(x), 1.0)
    scale = jnp.maximum(jnp.abs(loss), 1.0)
    return jnp.max(relative) <= settings.gradient_tolerance * scale


def minimum_of(state: State, initial: Any) -> Minimum:
    """Returns the best point so far and how the minimisation went.

    Args:
      state: at the end, or between two evaluations.
      initial: initial unknowns, for the structure of the pytree.
    """
    _, unravel = ravel_pytree(initial)
    return Minimum(
        params=unravel(state.best_x),
        loss=state.best_loss,
        start_loss=state.start_loss,
        steps=jnp.maximum(state.steps, 0),
        evaluations=state.evaluations,
        reason=state.reason,
    )
