"""A run of bulk labelling: what the journal lacks is solved, kept, and made a table."""

import contextlib
import dataclasses
import logging
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prohmr_jax.bulk_fitting.jobs import Columns, Job, solve_windows
from prohmr_jax.bulk_fitting.person_stream import Source, windows
from prohmr_jax.bulk_fitting.progress import Progress
from prohmr_jax.bulk_fitting.shards import Journal
from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.solver.minimise import Reason

LEFT_OUT = "left_out.txt"
_LINES_SHOWN = 10
_LOG = logging.getLogger(__name__)

# Gets the number of the first person in the whole run, people, and their columns.
Draw = Callable[[int, Sequence[Any], Columns], None]


@dataclasses.dataclass(frozen=True)
class LabelReport:
    """What a run made, together with the runs that it went on from."""

    table: pathlib.Path
    people: int
    left_out: tuple[str, ...]
    new_people: int
    """Of this run alone."""
    useful: float
    """Share of this run's evaluations that people needed."""
    seconds: float
    """Of this run."""

    def lines(self, reasons: np.ndarray) -> list[str]:
        """Returns the report as lines of text.

        Args:
          reasons: why each person's minimisation ended.
        """
        counts = np.bincount(reasons, minlength=len(Reason))
        ended = ", ".join(
            f"{count} {reason.name.lower()}"
            for reason, count in zip(Reason, counts, strict=True)
            if count
        )
        lines = [f"{self.people} people in {self.table} (ended: {ended})"]
        if self.new_people:
            rate = self.new_people / max(self.seconds, 1e-9)
            lines.append(
                f"{self.new_people} of them now, in {self.seconds:.1f} s "
                f"({rate:.2f} people/s with compilation); {100 * self.useful:.0f} % of "
                "the evaluations made were needed"
            )
        if self.left_out:
            lines.append(f"{len(self.left_out)} left out, see {LEFT_OUT}:")
            lines += [f"  {line}" for line in self.left_out[:_LINES_SHOWN]]
        return lines


def run_job(
    table: pathlib.Path,
    schema: type,
    identity: Mapping[str, str],
    source: Source,
    job: Job,
    size: int,
    draw: Draw,
) -> LabelReport:
    """Returns the report of a run to its end; the table then stands whole.

    Args:
      table: to write; see `Journal`, as for the next two.
      schema: of the table.
      identity: of input and settings.
      source: of people, or groups of views of them.
      job: what is done with them.
      size: people per window.
      draw: draws people as they are finished, before they are kept.

    Raises:
      InputError: nobody of the source can be used, the output cannot be written, or
        holds a run with other settings.
    """
    with contextlib.closing(Journal(table, schema, identity)) as journal:
        return _run(journal, source, job, size, draw)


def _run(
    journal: Journal, source: Source, job: Job, size: int, draw: Draw
) -> LabelReport:
    slots = job.slots()
    start, before = time.monotonic(), journal.people
    if not journal.finished:
        if before:
            _LOG.info("going on after %d people", before)
        progress = Progress(len(source), journal.position.unit)
        people = windows(source, journal.position, size)
        for window, columns, sound in solve_windows(slots, people, job):
            people = list(zip(window.people, sound, strict=True))
            left_out = [
                *window.left_out,
                *(
                    f"{p.name} has no finite objective"
                    for p, fine in people
                    if not fine
                ),
            ]
            kept = [person for person, fine in people if fine]
            if columns is not None:
                draw(journal.people, kept, columns)
            journal.append(columns, left_out, window.next)
            for line in left_out:
                _LOG.warning("left out: %s", line)
            _LOG.info(progress.line(len(kept), window.next.unit))
        if not journal.people:
            raise InputError(
                journal.table.parent, f"nobody can be used; {journal.left_out[0]}"
            )
        journal.finish()
    text = "".join(f"{line}\n" for line in journal.left_out)
    write_atomically(
        journal.table.parent / LEFT_OUT, lambda stream: stream.write(text.encode())
    )
    return LabelReport(
        table=journal.table,
        people=journal.people,
        left_out=tuple(journal.left_out),
        new_people=journal.people - before,
        useful=slots.useful,
        seconds=time.monotonic() - start,
    )
