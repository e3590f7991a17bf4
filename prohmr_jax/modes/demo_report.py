"""Reports what a run of the demo has written, as a table and as a page of pictures."""

import collections
import dataclasses
import math
import os
import re

from prohmr_jax.errors import InputError
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically


@dataclasses.dataclass(frozen=True)
class PersonSummary:
    """Holds the row of one person in the report."""

    name: str
    """Beginning of the names of all the person's files."""
    error_percent: float
    """Mean distance of the mode from the keypoints seen, % of the box side; NaN if no
    keypoint was seen."""
    num_seen: int
    """Number of keypoints that were seen."""
    num_keypoints: int
    """Number of keypoints that could have been seen."""
    spread_mm: float
    """Spread of the samples, mean over the joints, millimetres."""
    files: tuple[str, ...]
    """Names of the person's files in the output folder."""


@dataclasses.dataclass
class DemoReport:
    """Collects what a run has written; the run adds to it as it goes on."""

    people: list[PersonSummary] = dataclasses.field(default_factory=list)
    """Summaries of the people, in the order of files and of people in them."""
    overlays: list[str] = dataclasses.field(default_factory=list)
    """Names of the overlay pictures in the output folder."""
    faults: list[InputError] = dataclasses.field(default_factory=list)
    """What was wrong with each input file or person that could not be used."""

    @property
    def skipped(self) -> list[str]:
        """One line for each input file or person that could not be used."""
        return [str(fault) for fault in self.faults]

    def skipped_by_reason(self) -> str:
        """Returns one line for each reason, with the number and some of the files."""
        names = collections.defaultdict(list)
        for fault in self.faults:
            reason = re.sub(r"^person \d+ ", "a person ", fault.what)
            names[reason].append(os.path.basename(fault.path))
        return "\n".join(
            f"  {len(files)}: {reason} ({', '.join(files[:_NUM_NAMED])}"
            f"{', ...' * (len(files) > _NUM_NAMED)})"
            for reason, files in names.items()
        )

    def table(self) -> str:
        """Returns a Markdown table with a row for each person."""
        return markdown.table(_HEADER, map(_cells, self.people))

    def write_page(self, path: str | os.PathLike) -> None:
        """Writes the report as a Markdown page that shows the pictures.

        Args:
          path: file to write, in the output folder.

        Raises:
          InputError: the file cannot be written.
        """
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


# As many files are named for each reason; the page names all.
_NUM_NAMED = 3
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
    """Returns a file's name as the target of a Markdown link."""
    return f"<{name}>" if " " in name else name
