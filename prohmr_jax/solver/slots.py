"""Solves any number of people in slots, so that nobody waits for the slowest fit.

A slot holds one person. As soon as a person's minimisation has ended, the next person
takes the slot; the compiled batch never changes its size. `Slots.solve` takes people
from an iterator as slots become free, so that they need not all be known, or fit into
memory, beforehand; bulk fitting uses it. `minimise_many` does the same for arrays.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.solver import lbfgs
from prohmr_jax.solver.minimise import as_pytree
from prohmr_jax.solver.problem import Minimum, Objective, Reason, Settings


@dataclasses.dataclass(frozen=True)
class Solved:
    """Holds the minima of many people, and how well the slots were used."""

    minimum: Minimum
    """NumPy arrays with a leading axis of people."""
    useful: float
    """Share of all evaluations that were made for a person who had not finished."""


@functools.partial(jax.jit, static_argnames="settings")
def _fill(states, initials, entering, settings):
    """Returns the states with new people at their start in the slots `entering`."""
    fresh = jax.vmap(lambda initial: lbfgs.begin(initial, settings))(initials)
    return jax.vmap(lbfgs.select)(entering, fresh, states)


@functools.partial(jax.jit, static_argnames="settings")
def _empty(initials, settings):
    """Returns the states of slots without people, which have ended already."""
    states = jax.vmap(lambda initial: lbfgs.begin(initial, settings))(initials)
    return states.replace(reason=jnp.full_like(states.reason, int(Reason.LOSS_SETTLED)))


@functools.partial(jax.jit, static_argnames=("settings", "evaluations"))
def _advance(objective, states, initials, data, settings, evaluations):
    """Returns the states after some evaluations, and the minima so far."""

    def go(state, initial, data):
        state = lbfgs.advance(objective, initial, data, settings, state, evaluations)
        return state, lbfgs.minimum_of(state, initial)

    return jax.vmap(go)(states, initials, data)


class Slots:
    """Solves people in a fixed number of slots.

    Attributes:
      needed_evaluations: number of evaluations that finished people needed.
      total_evaluations: number of evaluations of all slots, including empty ones.
    """

    def __init__(
        self,
        objective: Objective,
        settings: Settings,
        number: int,
        check_every: int | None = None,
    ):
        """Keeps the objective and the number of slots; nothing is compiled yet.

        Args:
          objective: see `minimise`.
          settings: see `minimise`.
          number: number of people who are solved at once.
          check_every: number of evaluations after which finished people are replaced;
            None stands for the patience of the settings, after which most have ended.
        """
        self._objective, self._settings = as_pytree(objective), settings
        self._number, self._check_every = number, check_every or settings.patience
        self.needed_evaluations = self.total_evaluations = 0

    @property
    def useful(self) -> float:
        """Returns the share of all evaluations that finished people needed."""
        return self.needed_evaluations / max(self.total_evaluations, 1)

    def solve(
        self, waiting: Iterable[tuple[Any, Any]]
    ) -> Iterator[tuple[int, Minimum]]:
        """Yields people in the order in which they finish: their number and minimum.

        For a given number of slots, a person's result is the same to the last bit
        whoever else is solved and in whichever order.

        Args:
          waiting: initial unknowns and data of one person after another, without a
            leading axis. The next person is asked for when a slot is free.
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
                    # Empty slots compute with the first person and are never read.
                    inside = jax.tree.map(self._repeat, one)
                    states = _empty(inside[0], self._settings)
                for rows_of_slots, leaf in zip(
                    jax.tree.leaves(inside), jax.tree.leaves(one), strict=True
                ):
                    rows_of_slots[slot] = leaf
            if np.all(person < 0):
                return
            if np.any(entering):
                # Copies, because the device may still read the host's arrays.
                on_device = jax.tree.map(jnp.array, inside)
                states = _fill(states, on_device[0], entering, self._settings)
            before = np.asarray(states.evaluations)
            states, minimum = _advance(
                self._objective, states, *on_device, self._settings, self._check_every
            )
            minimum = jax.tree.map(np.asarray, minimum)
            turns = int(np.max(minimum.evaluations - before, initial=0))
            self.total_evaluations += self._number * turns
            done = (person >= 0) & (minimum.reason != Reason.RUNNING)
            leaving = [(int(person[slot]), slot) for slot in np.flatnonzero(done)]
            person[done] = -1
            self.needed_evaluations += int(np.sum(minimum.evaluations[done]))
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
    check_every: int | None = None,
) -> Solved:
    """Returns the minimum of each of many people, solved `slots` at a time.

    Args:
      objective: see `minimise`.
      initials: initial unknowns, leaves with a leading axis of at least one person.
      data: see `minimise`; leaves with a leading axis of people.
      settings: see `minimise`.
      slots: number of people who are solved at once.
      check_every: see `Slots`.
    """
    places = Slots(objective, settings, slots, check_every)
    minima = dict(places.solve(rows((initials, data))))
    in_order = [minima[number] for number in range(len(minima))]
    minimum = jax.tree.map(lambda *leaves: np.stack(leaves), *in_order)
    return Solved(minimum, places.useful)


def rows(tree: Any) -> Iterator[Any]:
    """Yields the rows of a pytree's leading axis, as NumPy arrays."""
    tree = jax.tree.map(np.asarray, tree)
    for row in range(jax.tree.leaves(tree)[0].shape[0]):
        yield jax.tree.map(lambda a, row=row: a[row], tree)


def map_batches(function: Callable[..., Any], tree: Any, size: int) -> Any:
    """Returns a function of any number of rows, computed in batches of one size.

    Only that size is compiled. The last batch is filled up with copies of its first
    row, whose results are dropped.

    Args:
      function: takes the leaves of `tree` with `size` rows and returns as many rows.
      tree: tuple of its arguments; leaves have a leading axis of at least one row.
      size: number of rows of a batch.

    Returns:
      The results of all rows, NumPy arrays.
    """
    tree = jax.tree.map(np.asarray, tree)
    people = jax.tree.leaves(tree)[0].shape[0]
    batches = []
    for start in range(0, people, size):
        number = min(size, people - start)
        chosen = start + np.where(np.arange(size) < number, np.arange(size), 0)
        results = function(*jax.tree.map(lambda a, chosen=chosen: a[chosen], tree))
        results = jax.device_get(results)
        batches.append(jax.tree.map(lambda a, number=number: a[:number], results))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches)
