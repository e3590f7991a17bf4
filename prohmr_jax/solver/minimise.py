"""Minimises an objective for one person, or for a batch of people at once.

  minimise(objective, initial, data, settings)          one person, a pure function
  minimise_batch(objective, initials, data, settings)   compiled, leading axis of people

No result depends on the other people of a batch. All fits call `minimise_batch`, or
`slots` where people are too many for one batch.

A batch is evaluated in groups of constant size. Only people whose minimisation has not
ended are in a group, so that the work shrinks with their number.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from prohmr_jax.solver import lbfgs
from prohmr_jax.solver.problem import Minimum, Objective, Reason, Settings

# Least and largest size of a group that is chosen for a CPU. In a small one, nobody
# waits for others; in a large one, products with the weights take less time per person.
# An accelerator is only busy with many people at once.
_LEAST_ON_CPU, _LARGEST_ON_CPU, _ON_ACCELERATOR = 8, 32, 256


def minimise(
    objective: Objective, initial: Any, data: Any, settings: Settings
) -> Minimum:
    """Returns a local minimum of `objective(params, data)` near `initial`.

    Args:
      objective: differentiable function that returns a scalar.
      initial: initial unknowns, a pytree of float arrays.
      data: pytree of whatever else the objective needs of this person.
      settings: when to stop.
    """
    state = lbfgs.begin(initial, settings)
    state = lbfgs.advance(objective, initial, data, settings, state)
    return lbfgs.minimum_of(state, initial)


@functools.partial(jax.jit, static_argnames="settings")
def _minimise_batch(objective, initials, data, settings):
    people = len(jax.tree.leaves(initials)[0])
    size = _group_size(people, settings)
    if size == people:
        solve = functools.partial(minimise, objective, settings=settings)
        return jax.vmap(lambda initial, data: solve(initial, data))(initials, data)

    @jax.vmap
    def advance(state, initial, data):
        limit = settings.patience
        return lbfgs.advance(objective, initial, data, settings, state, limit)

    def unfinished(states):
        return jnp.any(states.reason == Reason.RUNNING)

    def visit_everyone(states):
        """Advances all who run by some evaluations, one group after another."""
        running = states.reason == Reason.RUNNING
        # Who runs comes first; the number of people stands for nobody.
        order = jnp.argsort(~running, stable=True)
        order = jnp.pad(order, (0, -people % size), constant_values=people)

        def visit_group(group, states):
            rows = jax.lax.dynamic_slice(order, (group * size,), (size,))
            inside = jax.tree.map(
                lambda a: jnp.take(a, rows, axis=0, mode="clip"),
                (states, initials, data),
            )
            return jax.tree.map(
                lambda a, new: a.at[rows].set(new, mode="drop"),
                states,
                advance(*inside),
            )

        groups = -(-jnp.sum(running) // size)
        return jax.lax.fori_loop(0, groups, visit_group, states)

    states = jax.vmap(lambda initial: lbfgs.begin(initial, settings))(initials)
    states = jax.lax.while_loop(unfinished, visit_everyone, states)
    return jax.vmap(lbfgs.minimum_of)(states, initials)


def _group_size(people: int, settings: Settings) -> int:
    """Returns the number of people of a group, of all people of a batch."""
    size = settings.people_at_once
    if size is None and jax.default_backend() == "cpu":
        size = min(max(people // 4, _LEAST_ON_CPU), _LARGEST_ON_CPU)
    return min(people, size or _ON_ACCELERATOR)


def minimise_batch(
    objective: Objective, initials: Any, data: Any, settings: Settings
) -> Minimum:
    """Returns the minimum of each person.

    For a given number of people, a person's result is the same to the last bit
    whichever the other people are and whatever their order is.

    Args:
      objective: see `minimise`.
      initials: initial unknowns, leaves with a leading axis of people.
      data: see `minimise`; leaves with a leading axis of people.
      settings: when to stop.
    """
    return _minimise_batch(as_pytree(objective), initials, data, settings)


def compile_batch(
    objective: Objective, initials: Any, data: Any, settings: Settings
) -> jax.stages.Compiled:
    """Returns the compiled program of `minimise_batch`, to analyse its cost.

    Args: see `minimise_batch`.
    """
    arguments = as_pytree(objective), initials, data
    return _minimise_batch.lower(*arguments, settings=settings).compile()


def as_pytree(objective: Objective) -> jax.tree_util.Partial:
    """Returns the objective as a pytree, which jitted functions take as an argument."""
    partial = jax.tree_util.Partial
    return objective if isinstance(objective, partial) else partial(objective)
