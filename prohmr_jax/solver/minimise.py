"""The one optimiser: L-BFGS or Adam, per person, compiled whole, ends with a reason.

`minimise` is pure and knows one person; `jax.vmap` makes it a batch in which nobody
reads a neighbour. Every turn of its loop is one evaluation of the objective and its
gradient: the line search is a state machine and not a loop of its own, so that in a
batch nobody waits for another's search. (A search with `lax.cond` inside, as that of
`optax.lbfgs`, evaluates both branches for everyone as soon as it is mapped.)

  minimise(objective, initial, data, settings)          one person, pure
  minimise_batch(objective, initials, data, settings)   jitted, leading axis of people

`quasi_newton` turns gradients into directions, `wolfe` searches along them, and
`slots.minimise_many` takes any number of people through a fixed number of places.

An objective is a function `(params, data) -> scalar`. Weights that it needs belong in
a `jax.tree_util.Partial`, which hands them to the compiled loop as arguments.
"""

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from prohmr_jax.solver import line_search as wolfe
from prohmr_jax.solver import quasi_newton
from prohmr_jax.solver.line_search import Search

Objective = Callable[[Any, Any], Float[Array, ""]]


class Reason(enum.IntEnum):
    """Why a minimisation ended."""

    RUNNING = 0
    GRADIENT_SMALL = 1
    STALLED = 2
    """The objective no longer decreases, or no step along the gradient lowers it."""
    STEP_LIMIT = 3
    NON_FINITE = 4
    """The start, or every step tried from the last point, has no finite value."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to minimise; hashable, so that a compiled loop exists once per setting."""

    method: Literal["lbfgs", "adam"] = "lbfgs"
    max_steps: int = 1000
    """Accepted points; each costs about one evaluation."""
    gradient_tolerance: float = 1e-6
    """On max |g_i| max(|x_i|, 1) / max(|loss|, 1) (Dennis and Schnabel, 1983, 7.2)."""
    loss_tolerance: float = 2e-5
    """Stalled is an objective that `patience` evaluations lower by less, relatively."""
    patience: int = 10
    memory: int | None = None
    """Pairs of L-BFGS; None: all, held as two matrices of the unknowns' number
    squared, which few unknowns (a thousand or two) afford."""
    learning_rate: float = 0.05
    """Of Adam."""

    def __post_init__(self):
        """Refuses a method that there is not."""
        if self.method not in ("lbfgs", "adam"):
            raise ValueError(f"method {self.method!r} is neither 'lbfgs' nor 'adam'")

    @property
    def keeps_all(self) -> bool:
        """Whether directions are those of `quasi_newton`, not of an optax one."""
        return self.method == "lbfgs" and self.memory is None


@struct.dataclass
class Minimum:
    """Where a minimisation ended; always finite, but for the loss of a bad start."""

    params: Any
    """As the initial ones; of the lowest loss met."""
    loss: Float[Array, "*b"]
    """Infinity where the start had no finite loss."""
    start_loss: Float[Array, "*b"]
    """Of the initial params; infinity as above."""
    steps: Int[Array, "*b"]
    """Accepted points, without the start."""
    evaluations: Int[Array, "*b"]
    """Of objective and gradient together, the start's included."""
    reason: Int[Array, "*b"]
    """A `Reason`."""


@struct.dataclass
class State:
    """One person between two evaluations; the next is at x + search.step direction."""

    x: Float[Array, " N"]
    gradient: Float[Array, " N"]
    direction: Float[Array, " N"]
    optimiser: Any
    """Memory of what turns gradients into directions."""
    fresh: Bool[Array, ""]
    """The direction is the plain gradient's."""
    search: Search
    best_x: Float[Array, " N"]
    best_loss: Float[Array, ""]
    start_loss: Float[Array, ""]
    mark: Float[Array, ""]
    """Lowest loss when the objective was last asked whether it has stalled."""
    steps: Int[Array, ""]
    """-1 before the start is evaluated."""
    evaluations: Int[Array, ""]
    reason: Int[Array, ""]


def minimise(
    objective: Objective, initial: Any, data: Any, settings: Settings
) -> Minimum:
    """Returns a local minimum of `objective(params, data)` near `initial`.

    Args:
      objective: differentiable, returns a scalar.
      initial: pytree of float arrays.
      data: pytree of whatever the objective needs of this person.
      settings: when to stop, and by which method.
    """
    state = advance(objective, initial, data, settings, begin(initial, settings))
    return minimum_of(state, initial)


@functools.partial(jax.jit, static_argnames="settings")
def _minimise_batch(objective, initials, data, settings):
    solve = functools.partial(minimise, objective, settings=settings)
    return jax.vmap(lambda initial, data: solve(initial, data))(initials, data)


def minimise_batch(
    objective: Objective, initials: Any, data: Any, settings: Settings
) -> Minimum:
    """Returns the minimum of each person; all leaves have a leading axis of people.

    For a given number of people, one person's result is the same bits whoever the
    others are and whatever their order.
    """
    return _minimise_batch(as_pytree(objective), initials, data, settings)


def compile_batch(
    objective: Objective, initials: Any, data: Any, settings: Settings
) -> jax.stages.Compiled:
    """Returns what `minimise_batch` runs, compiled, for its analyses."""
    arguments = as_pytree(objective), initials, data
    return _minimise_batch.lower(*arguments, settings=settings).compile()


def as_pytree(objective: Objective) -> jax.tree_util.Partial:
    """Returns the objective as something that a jitted function takes."""
    partial = jax.tree_util.Partial
    return objective if isinstance(objective, partial) else partial(objective)


def _transformation(settings: Settings) -> optax.GradientTransformation:
    if settings.method == "adam":
        return optax.adam(settings.learning_rate)
    return optax.chain(optax.scale_by_lbfgs(settings.memory), optax.scale(-1.0))


def begin(initial: Any, settings: Settings) -> State:
    """Returns one person's state before the start is evaluated."""
    x, _ = ravel_pytree(initial)
    finite = jnp.isfinite(x)
    x = jnp.where(finite, x, 0.0)
    zeros, count = jnp.zeros_like(x), jnp.zeros((), jnp.int32)
    bad = jnp.where(jnp.all(finite), Reason.RUNNING, Reason.NON_FINITE)
    return State(
        x=x,
        gradient=zeros,
        direction=zeros,
        optimiser=quasi_newton.begin(x.size)
        if settings.keeps_all
        else _transformation(settings).init(x),
        fresh=jnp.array(True),
        search=wolfe.begin(jnp.inf, zeros, zeros, 0.0),
        best_x=x,
        best_loss=jnp.array(jnp.inf, x.dtype),
        start_loss=jnp.array(jnp.inf, x.dtype),
        mark=jnp.array(jnp.inf, x.dtype),
        steps=count - 1,
        evaluations=count,
        reason=bad.astype(jnp.int32),
    )


def advance(
    objective: Objective,
    initial: Any,
    data: Any,
    settings: Settings,
    state: State,
    turns: int | None = None,
) -> State:
    """Returns the state at the end, or after a number of evaluations."""
    _, unravel = ravel_pytree(initial)
    value_and_grad = jax.value_and_grad(lambda x: objective(unravel(x), data))
    first = state.evaluations

    def goes_on(state):
        running = state.reason == Reason.RUNNING
        if turns is None:
            return running
        return running & (state.evaluations - first < turns)

    def turn(state):
        point = state.x + state.search.step * state.direction
        loss, gradient = value_and_grad(point)
        return _learn(state, point, loss, gradient, settings)

    return jax.lax.while_loop(goes_on, turn, state)


def _learn(state: State, point, loss, gradient, settings: Settings) -> State:
    """What one evaluation teaches: accept, search on, start afresh, or end."""
    starting = state.steps < 0
    finite = jnp.isfinite(loss) & jnp.all(jnp.isfinite(gradient))
    if settings.method == "adam":
        search, accepted, failed = state.search, finite, ~finite
    else:
        search = wolfe.learn(state.search, loss, gradient, state.direction, finite)
        accepted, failed = search.accepted, search.failed
        # A search that ends on an earlier trial has that one's loss and gradient.
        point = state.x + search.low.step * state.direction
        point = jnp.where(starting, state.x, point)
        loss = jnp.where(starting, loss, search.low.loss)
        gradient = jnp.where(starting, gradient, search.low_gradient)
    accepted = jnp.where(starting, finite, accepted)
    # From a bad direction of the memory, the gradient is tried before giving up.
    afresh = failed & ~starting & ~state.fresh & (settings.method == "lbfgs")
    failed = jnp.where(starting, ~finite, failed & ~afresh)

    x = jnp.where(accepted, point, state.x)
    base_loss = jnp.where(accepted, loss, state.search.base_loss)
    gradient = jnp.where(accepted, gradient, state.gradient)
    better = accepted & (loss < state.best_loss)
    best_loss = jnp.where(better, loss, state.best_loss)
    steps = state.steps + accepted
    evaluations = state.evaluations + 1
    asked = ~starting & (evaluations % settings.patience == 0)
    stalled = asked & (
        state.mark <= best_loss + settings.loss_tolerance * jnp.abs(best_loss)
    )
    optimiser, direction = _direct(state, x, gradient, accepted, afresh, settings)
    # Rounding may spoil what the memory says.
    downhill = jnp.vdot(direction, gradient) < 0
    usable = downhill & jnp.all(jnp.isfinite(direction))
    usable = usable | (settings.method == "adam")
    direction = jnp.where(usable, direction, -quasi_newton.first(gradient))
    turned = (
        direction,
        starting | afresh | ~usable,
        wolfe.begin(base_loss, gradient, direction, 1.0),
    )
    searched_on = state.direction, state.fresh, search
    direction, fresh, search = where(accepted | afresh, turned, searched_on)
    state = State(
        x=x,
        gradient=gradient,
        direction=direction,
        optimiser=optimiser,
        fresh=fresh,
        search=search,
        best_x=jnp.where(better, point, state.best_x),
        best_loss=best_loss,
        start_loss=jnp.where(starting, best_loss, state.start_loss),
        mark=jnp.where(asked, best_loss, state.mark),
        steps=steps,
        evaluations=evaluations,
        reason=state.reason,
    )
    nowhere = starting | ~search.met_finite | (settings.method == "adam")
    reasons = (
        (failed & nowhere, Reason.NON_FINITE),
        (failed, Reason.STALLED),
        (accepted & _is_flat(x, gradient, base_loss, settings), Reason.GRADIENT_SMALL),
        (stalled, Reason.STALLED),
        (steps >= settings.max_steps, Reason.STEP_LIMIT),
    )
    conditions, values = zip(*reasons, strict=True)
    reason = jnp.select(conditions, [int(v) for v in values], int(Reason.RUNNING))
    return state.replace(reason=reason.astype(jnp.int32))


def _direct(state: State, x, gradient, accepted, afresh, settings: Settings):
    """The optimiser's memory with a new point, and its direction from there."""
    if settings.keeps_all:
        pair = x - state.x, gradient - state.gradient
        return quasi_newton.learn(state.optimiser, *pair, gradient, accepted, afresh)
    transformation = _transformation(settings)
    memory = where(afresh, transformation.init(x), state.optimiser)
    direction, new = transformation.update(gradient, memory, x)
    return where(accepted | afresh, new, state.optimiser), direction


def where(condition: Bool[Array, ""], yes: Any, no: Any) -> Any:
    """Returns one of two pytrees."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _is_flat(x, gradient, loss, settings: Settings) -> Bool[Array, ""]:
    relative = jnp.abs(gradient) * jnp.maximum(jnp.abs(x), 1.0)
    scale = jnp.maximum(jnp.abs(loss), 1.0)
    return jnp.max(relative) <= settings.gradient_tolerance * scale


def minimum_of(state: State, initial: Any) -> Minimum:
    """Returns what was found up to here."""
    _, unravel = ravel_pytree(initial)
    return Minimum(
        params=unravel(state.best_x),
        loss=state.best_loss,
        start_loss=state.start_loss,
        steps=jnp.maximum(state.steps, 0),
        evaluations=state.evaluations,
        reason=state.reason,
    )
