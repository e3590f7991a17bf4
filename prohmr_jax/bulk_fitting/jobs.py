"""Solves batches of people in the slots of one compiled solver.

While the last people of a batch are still being solved, those of the next batch take
the slots that are free. `run` passes the batches of a source through `solve_batches`;
a `Job` says what is minimised and what becomes of the minima.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import jax
import numpy as np

from prohmr_jax.bulk_fitting.person_stream import PersonBatch
from prohmr_jax.solver.problem import Minimum
from prohmr_jax.solver.slots import Slots, rows

Columns = dict[str, np.ndarray]
"""Columns of a table by name; rows are people."""
Row = dict[str, np.ndarray | np.generic]
"""Values of one person by the name of the column."""


@runtime_checkable
class Problem(Protocol):
    """Holds the minimisation problems of the people of a batch, one row per person."""

    @property
    def start(self) -> Any:
        """Returns the initial unknowns, a pytree with a leading axis of people."""

    @property
    def data(self) -> Any:
        """Returns the data of the objective, a pytree with a leading axis of people."""


ProblemT = TypeVar("ProblemT", bound=Problem)


@runtime_checkable
class Job(Protocol[ProblemT]):
    """Says what is minimised for the people of a batch, and makes a table of it."""

    def slots(self) -> Slots:
        """Returns the slots that minimise the job's objective."""

    def prepare(self, batch: PersonBatch) -> ProblemT:
        """Returns the problems of the people of a batch, at least one person."""

    def finish(
        self, batch: PersonBatch, problem: ProblemT, minimum: Minimum
    ) -> Columns:
        """Returns the columns of the table for a batch.

        Args:
          batch: the batch.
          problem: what `prepare` returned for it.
          minimum: minima of its people, with a leading axis.
        """


@dataclasses.dataclass(frozen=True)
class SolvedBatch:
    """Holds a batch whose people have all been solved."""

    batch: PersonBatch
    """People as they were read."""
    columns: Columns | None
    """Columns of the people whose objective is finite; None if there are none."""
    is_finite: np.ndarray
    """Whether each person's objective is finite, [P] bool."""


@dataclasses.dataclass
class _OpenBatch(Generic[ProblemT]):
    """Holds a batch that is being solved; it has no problem if it has no people."""

    batch: PersonBatch
    problem: ProblemT | None
    minima: list[Minimum | None]

    @property
    def is_solved(self) -> bool:
        return all(minimum is not None for minimum in self.minima)


def solve_batches(
    slots: Slots, batches: Iterable[PersonBatch], job: Job
) -> Iterator[SolvedBatch]:
    """Yields the batches in their order, each as soon as all its people are solved.

    Args:
      slots: slots of the job.
      batches: batches of people; the next one is read when a slot is free.
      job: what is done with the people.
    """
    waiting: collections.deque[_OpenBatch] = collections.deque()

    def problems() -> Iterator[tuple[Any, Any]]:
        for batch in batches:
            if not batch.people:
                waiting.append(_OpenBatch(batch, None, []))
                continue
            problem = job.prepare(batch)
            waiting.append(_OpenBatch(batch, problem, [None] * len(batch.people)))
            yield from rows((problem.start, problem.data))

    num_finished = 0  # people of all batches that were yielded
    for number, minimum in slots.solve(problems()):
        row = number - num_finished
        for entry in waiting:
            if row < len(entry.minima):
                entry.minima[row] = minimum
                break
            row -= len(entry.minima)
        while waiting and waiting[0].is_solved:
            num_finished += len(waiting[0].minima)
            yield _solved(waiting.popleft(), job)
    # Batches without people can be left at the end.
    while waiting:
        yield _solved(waiting.popleft(), job)


def _solved(entry: _OpenBatch, job: Job) -> SolvedBatch:
    if not entry.minima:
        return SolvedBatch(entry.batch, None, np.zeros(0, bool))
    minimum = jax.tree.map(lambda *leaves: np.stack(leaves), *entry.minima)
    is_finite = np.isfinite(minimum.loss)
    columns = job.finish(entry.batch, entry.problem, minimum)
    columns = {name: column[is_finite] for name, column in columns.items()}
    return SolvedBatch(entry.batch, columns if is_finite.any() else None, is_finite)


def row_of(columns: Columns, number: int) -> Row:
    """Returns one row of a table.

    Args:
      columns: columns of the table.
      number: number of the row.
    """
    return {name: column[number] for name, column in columns.items()}


def minimum_columns(minimum: Minimum) -> Columns:
    """Returns the columns that say how the fits of people went.

    Args:
      minimum: minima of the people, with a leading axis.
    """
    return {
        "fit_start_loss": minimum.start_loss,
        "fit_loss": minimum.loss,
        "fit_steps": minimum.steps,
        "fit_evaluations": minimum.evaluations,
        "fit_reason": minimum.reason,
    }
