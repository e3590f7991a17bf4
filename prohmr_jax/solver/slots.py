"""Minimises for many people in a fixed number of slots: no one waits for the slowest.

Who is done leaves, who waits enters; the compiled size never changes. `Slots.solve`
takes people from an iterator as there is room, so that they need not all be known, or
fit into memory, beforehand; `minimise_many` is the same for arrays of people.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.solver.minimise import (
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


@functools.partial(jax.jit, static_argnames="settings")
def _empty(initials, settings):
    """States of slots in which nobody is."""
    states = jax.vmap(lambda initial: begin(initial, settings))(initials)
    return states.replace(reason=jnp.full_like(states.reason, int(Reason.STALLED)))


@functools.partial(jax.jit, static_argnames=("settings", "turns"))
def _chunk(objective, states, initials, data, settings, turns):
    """Some turns for every slot; also what each slot would give now."""

    def go(state, initial, data):
        state = advance(objective, initial, data, settings, state, turns)
        return state, minimum_of(state, initial)

    return jax.vmap(go)(states, initials, data)


class Slots:
    """A fixed number of places in which people are solved.

    Attributes:
      needed: evaluations of people who have left.
      made: evaluations of all slots, empty ones included.
    """

    def __init__(
        self,
        objective: Objective,
        settings: Settings,
        number: int,
        turns: int | None = None,
    ):
        """Takes what to minimise, and in how many places.

        Args:
          objective: see `minimise`.
          settings: see `minimise`.
          number: how many are solved at once; also the size that is compiled.
          turns: evaluations between two looks at who is done; None for the patience
            of the settings, after which most end.
        """
        self._objective, self._settings = as_pytree(objective), settings
        self._number, self._turns = number, turns or settings.patience
        self.needed = self.made = 0

    @property
    def useful(self) -> float:
        """Evaluations that a person needed, of all that the slots made."""
        return self.needed / max(self.made, 1)

    def solve(
        self, waiting: Iterable[tuple[Any, Any]]
    ) -> Iterator[tuple[int, Minimum]]:
        """Yields the number of a person, and their minimum, as they are done.

        One person's result is the same bits for a given number of slots, whoever else
        is solved and whoever comes first.

        Args:
          waiting: initial unknowns and data of one person after another, without a
            leading axis; asked for the next one when a slot is free.
        """
        queue = enumerate(waiting)
        person = np.full(self._number, -1)
        inside = on_device = states = None
        while True:
            entering = np.zeros(self._number, bool)
            for slot in np.flatnonzero(person < 0):
                if (entry := next(queue, None)) is None:
                    break
                person[slot], one = entry
                entering[slot] = True
                if inside is None:
                    # Empty slots compute on the first person and are never read.
                    inside = jax.tree.map(self._repeat, one)
                    states = _empty(inside[0], self._settings)
                for places, leaf in zip(
                    jax.tree.leaves(inside), jax.tree.leaves(one), strict=True
                ):
                    places[slot] = leaf
            if np.all(person < 0):
                return
            if np.any(entering):
                # Copies: the host's arrays change while the device may still read.
                on_device = jax.tree.map(jnp.array, inside)
                states = _enter(states, on_device[0], entering, self._settings)
            before = np.asarray(states.evaluations)
            states, minimum = _chunk(
                self._objective, states, *on_device, self._settings, self._turns
            )
            minimum = jax.tree.map(np.asarray, minimum)
            turns = int(np.max(minimum.evaluations - before, initial=0))
            self.made += self._number * turns
            done = (person >= 0) & (minimum.reason != Reason.RUNNING)
            leaving = [(int(person[slot]), slot) for slot in np.flatnonzero(done)]
            person[done] = -1
            self.needed += int(np.sum(minimum.evaluations[done]))
            for number, slot in leaving:
                yield number, jax.tree.map(lambda a, slot=slot: a[slot], minimum)

    def _repeat(self, leaf) -> np.ndarray:
        leaf = np.asarray(leaf)
        return np.repeat(leaf[None], self._number, axis=0)


def minimise_many(
    objective: Objective,
    initials: Any,
    data: Any,
    settings: Settings,
    slots: int,
    turns: int | None = None,
) -> Solved:
    """Returns the minimum of each of many people, solved `slots` at a time.

    Args:
      objective: see `minimise`.
      initials: leaves with a leading axis of people, at least one.
      data: likewise.
      settings: see `minimise`.
      slots: how many are solved at once; also the size that is compiled.
      turns: evaluations between two looks at who is done; see `Slots`.
    """
    places = Slots(objective, settings, slots, turns)
    found = dict(places.solve(rows((initials, data))))
    in_order = [found[number] for number in range(len(found))]
    minimum = jax.tree.map(lambda *leaves: np.stack(leaves), *in_order)
    return Solved(minimum, places.useful)


def rows(tree: Any) -> Iterator[Any]:
    """Yields the rows of a pytree's leading axis, NumPy."""
    tree = jax.tree.map(np.asarray, tree)
    for row in range(jax.tree.leaves(tree)[0].shape[0]):
        yield jax.tree.map(lambda a, row=row: a[row], tree)


def map_batches(function: Callable[..., Any], tree: Any, size: int) -> Any:
    """Returns a function of any number of rows, computed in batches of one size.

    Args:
      function: takes the leaves of `tree` with `size` rows; its results have as many.
      tree: a tuple of arguments, leaves with a leading axis, at least one row.
      size: the only one that is compiled; the last batch is filled up with its first
        row.

    Returns:
      NumPy arrays.
    """
    tree = jax.tree.map(np.asarray, tree)
    people = jax.tree.leaves(tree)[0].shape[0]
    found = []
    for start in range(0, people, size):
        number = min(size, people - start)
        chosen = start + np.where(np.arange(size) < number, np.arange(size), 0)
        made = function(*jax.tree.map(lambda a, chosen=chosen: a[chosen], tree))
        made = jax.device_get(made)
        found.append(jax.tree.map(lambda a, number=number: a[:number], made))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)
