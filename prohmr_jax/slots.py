"""Minimises for many people in a fixed number of slots: no one waits for the slowest.

Who is done leaves, who waits enters; the compiled size never changes.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.minimise import (
    Minimum,
    Objective,
    Reason,
    Settings,
    advance,
    as_pytree,
    begin,
    minimum_of,
    where,
)


@dataclasses.dataclass(frozen=True)
class Solved:
    """Minima of many people, on the host, and how well the slots were used."""

    minimum: Minimum
    """NumPy arrays with a leading axis of people."""
    useful: float
    """Evaluations that a person needed, of all that the slots made."""


@functools.partial(jax.jit, static_argnames="settings")
def _enter(states, initials, entering, settings):
    """Puts people at their start into the slots that are `entering`."""
    fresh = jax.vmap(lambda initial: begin(initial, settings))(initials)
    return jax.vmap(where)(entering, fresh, states)


@functools.partial(jax.jit, static_argnames=("settings", "turns"))
def _chunk(objective, states, initials, data, settings, turns):
    """Some turns for every slot; also what each slot would give now."""

    def go(state, initial, data):
        state = advance(objective, initial, data, settings, state, turns)
        return state, minimum_of(state, initial)

    return jax.vmap(go)(states, initials, data)


def minimise_many(
    objective: Objective,
    initials: Any,
    data: Any,
    settings: Settings,
    slots: int,
    turns: int = 20,
) -> Solved:
    """Returns the minimum of each of many people, solved `slots` at a time.

    Who is done leaves, and who waits enters, every `turns` evaluations. One person's
    result is the same bits for a given number of slots, whoever else is solved.

    Args:
      objective: see `minimise`.
      initials: leaves with a leading axis of people.
      data: likewise.
      settings: see `minimise`.
      slots: how many are solved at once; also the size that is compiled.
      turns: evaluations between two looks at who is done.
    """
    objective = as_pytree(objective)
    initials, data = (jax.tree.map(np.asarray, tree) for tree in (initials, data))
    people = jax.tree.leaves(initials)[0].shape[0]
    pick = lambda tree, rows: jax.tree.map(lambda a: a[rows], tree)  # noqa: E731
    # Empty slots compute on the first person and are never read.
    person = np.full(slots, -1)
    inside = pick(initials, np.maximum(person, 0)), pick(data, np.maximum(person, 0))
    states = jax.jit(jax.vmap(lambda initial: begin(initial, settings)))(inside[0])
    states = states.replace(reason=jnp.full(slots, int(Reason.STALLED), jnp.int32))
    found, made, waiting = None, 0, 0
    while waiting < people or np.any(person >= 0):
        free = np.flatnonzero(person < 0)[: people - waiting]
        person[free] = waiting + np.arange(len(free))
        waiting += len(free)
        rows = np.maximum(person, 0)
        inside = pick(initials, rows), pick(data, rows)
        entering = np.zeros(slots, bool)
        entering[free] = True
        states = _enter(states, inside[0], entering, settings)
        before = np.asarray(states.evaluations)
        states, minimum = _chunk(objective, states, *inside, settings, turns)
        minimum = jax.tree.map(np.asarray, minimum)
        made += slots * int(np.max(minimum.evaluations - before, initial=0))
        if found is None:
            empty = lambda a: np.zeros((people, *a.shape[1:]), a.dtype)  # noqa: E731
            found = jax.tree.map(empty, minimum)
        done = (person >= 0) & (minimum.reason != Reason.RUNNING)
        for all_people, here in zip(
            jax.tree.leaves(found), jax.tree.leaves(minimum), strict=True
        ):
            all_people[person[done]] = here[done]
        person[done] = -1
    return Solved(found, float(np.sum(found.evaluations)) / max(made, 1))
