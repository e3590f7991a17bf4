"""Runs a bulk fit: fits whom the shards lack, keeps them, and writes the final table.

The modes "fit" and "multiview" call `run_job`.
"""

import collections
import contextlib
import dataclasses
import logging
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from prohmr_jax.bulk_fitting.jobs import Columns, Job, solve_batches
from prohmr_jax.bulk_fitting.person_stream import Source, person_batches
from prohmr_jax.bulk_fitting.shards import ShardWriter
from prohmr_jax.errors import InputError, count_by_reason
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.solver.problem import Reason

LEFT_OUT_FILE = "left_out.txt"
"""Name of the file that says who could not be used."""
IMPLAUSIBLE_FILE = "implausible.txt"
"""Name of the file that says whose bodies are not plausible, and why."""
_LINES_SHOWN = 10
_LOG = logging.getLogger(__name__)
_PACKAGE_LOG = logging.getLogger("prohmr_jax")

Draw = Callable[[int, Sequence[Any], Columns], None]
"""Draws fitted people: takes the number of the first one in the whole run, the people,
and their columns."""


@dataclasses.dataclass(frozen=True)
class BulkReport:
    """Says what a run has written, together with the runs that it continued."""

    table: pathlib.Path
    """Path of the table."""
    people: int
    """Number of people in the table."""
    left_out: tuple[str, ...]
    """One line for each person or file that could not be used."""
    new_people: int
    """Number of people that this run has fitted."""
    useful: float
    """Share of this run's evaluations that people needed, in [0, 1]."""
    seconds: float
    """Duration of this run, seconds."""

    def write_implausible(self, implausible: Sequence[str]) -> None:
        """Writes the file `IMPLAUSIBLE_FILE` beside the table.

        Args:
          implausible: a line for each person whose body is not plausible.

        Raises:
          InputError: the file cannot be written.
        """
        write_lines(self.table.parent / IMPLAUSIBLE_FILE, implausible)

    def lines(self, reasons: np.ndarray, implausible: Sequence[str]) -> list[str]:
        """Returns the report as lines of text.

        Args:
          reasons: how each person's fit ended, [P], values of `Reason`.
          implausible: a line for each person whose body is not plausible.
        """
        counts = collections.Counter(Reason(int(reason)).words for reason in reasons)
        ended = ", ".join(f"{count} {words}" for words, count in counts.most_common())
        lines = [f"{self.people} people in {self.table} (fits ended: {ended})"]
        if self.new_people:
            rate = self.new_people / max(self.seconds, 1e-9)
            lines.append(
                f"{self.new_people} of them were fitted now, in {self.seconds:.1f} s "
                f"({rate:.2f} people/s with compilation); {100 * self.useful:.0f} % of "
                "the evaluations were needed"
            )
        where = f", see {IMPLAUSIBLE_FILE}:" if implausible else ""
        lines.append(f"{len(implausible)} of {self.people} implausible{where}")
        lines += [f"  {line}" for line in implausible[:_LINES_SHOWN]]
        if len(implausible) > _LINES_SHOWN:
            lines.append(f"  and {len(implausible) - _LINES_SHOWN} more")
        if self.left_out:
            lines.append(f"{len(self.left_out)} were left out, see {LEFT_OUT_FILE}:")
            # A line is the name of the file or of the person, and what is wrong.
            parts = [line.partition(": ") for line in self.left_out]
            faults = [InputError(name, what or name) for name, _, what in parts]
            lines += [f"  {line}" for line in count_by_reason(faults)]
        return lines


def run_job(
    table: pathlib.Path,
    schema: type,
    identity: Mapping[str, str],
    source: Source,
    job: Job,
    people_per_shard: int,
    draw: Draw,
) -> BulkReport:
    """Fits all people of a source and returns the report once the table is complete.

    Args:
      table: the `.npz` file to write.
      schema: dataclass of the table.
      identity: input and settings that the results depend on; see `ShardWriter`.
      source: the people.
      job: what is done with them.
      people_per_shard: number of people that are saved together.
      draw: draws people once they are fitted, before they are saved.

    Raises:
      InputError: nobody in the source can be used, or the output cannot be written or
        holds a run with other settings.
    """
    with contextlib.closing(ShardWriter(table, schema, identity)) as shards:
        return _run(shards, source, job, people_per_shard, draw)


def _run(
    shards: ShardWriter, source: Source, job: Job, people_per_shard: int, draw: Draw
) -> BulkReport:
    slots = job.slots()
    start, people_before = time.monotonic(), shards.people
    if not shards.finished:
        if people_before:
            _LOG.info("continuing after %d people", people_before)
        _fit_remaining(shards, source, job, slots, people_per_shard, draw)
        if not shards.people:
            raise InputError(
                shards.table.parent, f"nobody can be used; {shards.left_out[0]}"
            )
        shards.finish()
    write_lines(shards.table.parent / LEFT_OUT_FILE, shards.left_out)
    return BulkReport(
        table=shards.table,
        people=shards.people,
        left_out=tuple(shards.left_out),
        new_people=shards.people - people_before,
        useful=slots.useful,
        seconds=time.monotonic() - start,
    )


def write_lines(path: pathlib.Path, lines: Sequence[str]) -> None:
    """Writes lines of text to a file, as a whole or not at all.

    Raises:
      InputError: the file cannot be written.
    """
    text = "".join(f"{line}\n" for line in lines)
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _fit_remaining(
    shards: ShardWriter,
    source: Source,
    job: Job,
    slots: Any,
    people_per_shard: int,
    draw: Draw,
) -> None:
    """Fits the people after the last shard, and adds a shard for each batch."""
    people_before = shards.people
    progress = tqdm(
        desc="fitting",
        total=len(source),
        initial=shards.position.item,
        unit=" inputs",
    )
    batches = person_batches(source, shards.position, people_per_shard)
    with progress, logging_redirect_tqdm([_PACKAGE_LOG]):
        for solved in solve_batches(slots, batches, job):
            people = list(zip(solved.batch.people, solved.is_finite, strict=True))
            fitted = [person for person, is_finite in people if is_finite]
            left_out = [
                *solved.batch.left_out,
                *(
                    f"{person.name} has an objective that is not finite"
                    for person, is_finite in people
                    if not is_finite
                ),
            ]
            if solved.columns is not None:
                draw(shards.people, fitted, solved.columns)
            shards.append(solved.columns, left_out, solved.batch.next)
            for line in left_out:
                _LOG.warning("left out: %s", line)
            progress.set_postfix(people=shards.people - people_before, refresh=False)
            progress.update(solved.batch.next.item - progress.n)
