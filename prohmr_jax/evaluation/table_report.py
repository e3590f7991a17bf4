"""Makes the rows of one of the paper's tables, and writes them as Markdown and JSON."""

import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from prohmr_jax import __version__
from prohmr_jax.evaluation.bootstrap import bootstrap_mean
from prohmr_jax.evaluation.paper_numbers import PAPER, PAPER_TITLES, PaperErrors
from prohmr_jax.evaluation.scored_people import ScoredPeople
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically

Average = Literal["people", "actions"]
AVERAGES: tuple[Average, ...] = ("people", "actions")
"""What errors are averaged over: all people, or the actions' means over people."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """Holds a mean and its 95 % confidence interval, millimetres."""

    mean: float
    """The mean."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    def __str__(self) -> str:
        """Returns the numbers as a cell of a table."""
        return f"{self.mean:.1f} ({self.low:.1f}-{self.high:.1f})"


@dataclasses.dataclass(frozen=True)
class TableRow:
    """Holds the errors of one method on one dataset."""

    data: str
    """Title of the dataset, or part and condition of the open benchmark."""
    method: str
    """Name of the method."""
    joints: str
    """Name of the list of joints."""
    average: Average
    """What the errors are averaged over."""
    num_people: int
    """Number of people who were scored."""
    num_views: int
    """Number of views of these people; as many where each has one."""
    pa_mpjpe: Interval
    """PA-MPJPE."""
    mpjpe: Interval
    """MPJPE."""
    paper: PaperErrors | None
    """What the paper reports; None where it reports nothing comparable."""


@dataclasses.dataclass
class Table:
    """Gathers the rows of a table, and the reasons why other rows are missing."""

    number: int
    """Number of the table in the paper."""
    seed: int
    """Seed of the confidence intervals."""
    rows: list[TableRow] = dataclasses.field(default_factory=list)
    """Rows that were measured."""
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    """Reason why a row was skipped, by the name of the row."""
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    """Numbers of people of a dataset who were left out, by the name of the row."""

    def add(
        self, data: str, joints: str, average: Average, scored: ScoredPeople
    ) -> None:
        """Appends a row for each method; one that is there already is not repeated.

        Args:
          data: title of the data.
          joints: name of the list of joints.
          average: what errors are averaged over.
          scored: errors of the people.
        """
        present = {(row.data, row.method) for row in self.rows}
        _, first, person, views = np.unique(
            scored.person, return_index=True, return_inverse=True, return_counts=True
        )
        groups = scored.actions[first] if average == "actions" else None

        def interval(errors: np.ndarray) -> Interval:
            # Views of one person are not independent: people are drawn anew.
            means = np.bincount(person, errors) / views
            drawn = bootstrap_mean(means, seed=self.seed, weights=views, groups=groups)
            return Interval(float(drawn.mean), float(drawn.low), float(drawn.high))

        for method, errors in scored.errors.items():
            if (data, method) in present:
                continue
            self.rows.append(
                TableRow(
                    data,
                    method,
                    joints,
                    average,
                    len(views),
                    len(scored.actions),
                    interval(errors.pa_mpjpe),
                    interval(errors.mpjpe),
                    PAPER[self.number].get((data, method)),
                )
            )
        if scored.left_out:
            count = scored.num_read - len(scored.actions)
            self.left_out[data] = f"{count} of {scored.num_read}: {scored.left_out}"

    def markdown(self, settings: Mapping[str, Any], notes: Sequence[str]) -> str:
        """Returns the report as Markdown.

        Args:
          settings: all that the numbers depend on; "command" is shown apart.
          notes: sentences below the table.
        """
        header = ["data", "method", "joints", "people", "PA-MPJPE (95 % interval)",
                  "the paper's PA-MPJPE", "MPJPE (95 % interval)", "the paper's MPJPE",
                  "average over"]  # fmt: skip
        cells = [
            [
                row.data,
                row.method,
                row.joints,
                _people(row),
                row.pa_mpjpe,
                _paper(row.paper and row.paper.pa_mpjpe),
                row.mpjpe,
                _paper(row.paper and row.paper.mpjpe),
                row.average,
            ]
            for row in self.rows
        ]
        settings = dict(settings)
        lines = [
            f"# Table {self.number} of the paper: {PAPER_TITLES[self.number]}",
            f"`{settings.pop('command')}`",
            markdown.table(header, cells),
            "Errors are in millimetres. The two columns of the paper repeat what it "
            "prints; all other numbers were measured. Intervals are by bootstrap over "
            "people. Frames of one video are not independent, so that the intervals of "
            "datasets of videos are too narrow.",
            *notes,
            *(f"Left out of {data}: {why}." for data, why in self.left_out.items()),
            *(f"**Skipped: {row}**: {why}." for row, why in self.skipped.items()),
            "; ".join(f"{name} {value}" for name, value in settings.items()) + ".",
        ]
        return "\n\n".join(lines) + "\n"

    def write(
        self,
        folder: pathlib.Path,
        settings: Mapping[str, Any],
        notes: Sequence[str],
    ) -> str:
        """Writes `table.md` and `table.json`, and returns the Markdown.

        Args:
          folder: folder to write to.
          settings: see `markdown`.
          notes: see `markdown`.
        """
        text = self.markdown(settings, notes)
        numbers = {
            "settings": dict(settings),
            "notes": list(notes),
            **dataclasses.asdict(self),
        }
        content = json.dumps(numbers, indent=1) + "\n"
        write_atomically(folder / "table.md", lambda s: s.write(text.encode()))
        write_atomically(folder / "table.json", lambda s: s.write(content.encode()))
        return text


def versions() -> dict[str, str]:
    """Returns the versions of the packages that numbers of a table depend on."""
    others = {n: importlib.metadata.version(n) for n in ("jax", "numpy", "scipy")}
    return {"prohmr_jax": __version__, **others}


def _people(row: TableRow) -> str:
    several = f" ({row.num_views} views)" if row.num_views != row.num_people else ""
    return f"{row.num_people}{several}"


def _paper(error: float | None) -> str:
    return "" if error is None else f"{error:.1f}"
