"""What a run of the demo made, as a table and as a page with its pictures."""

import dataclasses
import math
import os

from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically


@dataclasses.dataclass(frozen=True)
class PersonSummary:
    """One person of the report."""

    name: str
    """What the names of all its files start with."""
    error_percent: float
    """Mean distance of the mode from the keypoints seen, % of the box side; NaN where
    there are none."""
    num_seen: int
    num_keypoints: int
    spread_mm: float
    """Standard deviation of the draws, mean over the joints."""
    files: tuple[str, ...]
    """Names in the output folder."""


@dataclasses.dataclass
class DemoReport:
    """Grows while the run goes on."""

    people: list[PersonSummary] = dataclasses.field(default_factory=list)
    overlays: list[str] = dataclasses.field(default_factory=list)
    """Names in the output folder."""
    skipped: list[str] = dataclasses.field(default_factory=list)
    """One line per input file, or person of one, that could not be used."""

    def table(self) -> str:
        """Returns the people as a Markdown table, a row for each of them."""
        return markdown.table(_HEADER, map(_cells, self.people))

    def write_page(self, path: str | os.PathLike) -> None:
        """Writes the report as Markdown that shows the pictures, atomically."""
        files = [file for person in self.people for file in person.files]
        sheets = [file for file in files if file.endswith(".png")]
        blocks = [
            "# People and their bodies",
            self.table(),
            *(f"![{name}]({_link(name)})" for name in [*self.overlays, *sheets]),
        ]
        if self.skipped:
            blocks.append("\n".join(["Skipped:\n", *(f"- {s}" for s in self.skipped)]))
        text = "\n\n".join(blocks) + "\n"
        write_atomically(path, lambda stream: stream.write(text.encode()))


_HEADER = ["person", "error / box", "keypoints", "spread", "files"]


def _cells(person: PersonSummary) -> list[str]:
    return [
        person.name,
        "-" if math.isnan(person.error_percent) else f"{person.error_percent:.1f} %",
        f"{person.num_seen} of {person.num_keypoints}",
        f"{person.spread_mm:.0f} mm",
        " ".join(file.removeprefix(person.name) for file in person.files),
    ]


def _link(name: str) -> str:
    return f"<{name}>" if " " in name else name
