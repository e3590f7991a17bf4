"""Windows through slots: while the last of one are solved, those of the next enter."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import jax
import numpy as np

from prohmr_jax.bulk_fitting.person_stream import Window
from prohmr_jax.solver.minimise import Minimum
from prohmr_jax.solver.slots import Slots, rows

Columns = dict[str, np.ndarray]


class Job(Protocol):
    """What is done with the people of a window before and after they are solved."""

    def slots(self) -> Slots:
        """Returns places in which people are solved, of the job's objective."""

    def open(self, window: Window) -> tuple[Any, tuple[Any, Any]]:
        """Returns what `close` needs, and initial unknowns and data, a row each."""

    def close(self, window: Window, opened: Any, minimum: Minimum) -> Columns:
        """Returns the columns of the table; `minimum` has a row per person."""


@dataclasses.dataclass
class _Open:
    window: Window
    opened: Any
    minima: list[Minimum | None]

    @property
    def done(self) -> bool:
        return all(minimum is not None for minimum in self.minima)


def solve_windows(
    slots: Slots, windows: Iterable[Window], job: Job
) -> Iterator[tuple[Window, Columns | None, np.ndarray]]:
    """Yields windows with the columns of their people, in order.

    Yields:
      A window; columns of the people with a finite start, None if there are none; and
      which those are, a mask.
    """
    waiting: collections.deque[_Open] = collections.deque()

    def people():
        for window in windows:
            if not window.people:
                waiting.append(_Open(window, None, []))
                continue
            opened, problem = job.open(window)
            waiting.append(_Open(window, opened, [None] * len(window.people)))
            yield from rows(problem)

    first = 0
    for number, minimum in slots.solve(people()):
        place = number - first
        for entry in waiting:
            if place < len(entry.minima):
                entry.minima[place] = minimum
                break
            place -= len(entry.minima)
        while waiting and waiting[0].done:
            first += len(waiting[0].minima)
            yield _close(waiting.popleft(), job)
    # Windows at the end in which there is nobody.
    while waiting:
        yield _close(waiting.popleft(), job)


def _close(entry: _Open, job: Job) -> tuple[Window, Columns | None, np.ndarray]:
    if not entry.minima:
        return entry.window, None, np.zeros(0, bool)
    minimum = jax.tree.map(lambda *leaves: np.stack(leaves), *entry.minima)
    sound = np.isfinite(minimum.loss)
    columns = job.close(entry.window, entry.opened, minimum)
    columns = {name: column[sound] for name, column in columns.items()}
    return entry.window, columns if sound.any() else None, sound


def minimum_columns(prefix: str, minimum: Minimum) -> Columns:
    """Returns how minimisations went, under names with a prefix."""
    return {
        f"{prefix}_start_loss": minimum.start_loss,
        f"{prefix}_loss": minimum.loss,
        f"{prefix}_steps": minimum.steps,
        f"{prefix}_evaluations": minimum.evaluations,
        f"{prefix}_reason": minimum.reason,
    }
