"""Minimises an objective for one person, or for a batch of people at once.

  minimise(objective, initial, data, settings)          one person, a pure function
  minimise_batch(objective, initials, data, settings)   compiled, leading axis of people

No result depends on the other people of a batch. All fits call `minimise_batch`, or
`slots` where people are too many for one batch.
"""

import functools
from typing import Any

import jax

from prohmr_jax.solver import lbfgs
from prohmr_jax.solver.problem import Minimum, Objective, Settings


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
    solve = functools.partial(minimise, objective, settings=settings)
    return jax.vmap(lambda initial, data: solve(initial, data))(initials, data)


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
