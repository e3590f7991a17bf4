"""Reports what a run of the demo has written, as a table and as a page of pictures."""

import dataclasses
import logging
import math
import os
import pathlib
import re
import shlex

import numpy as np

from prohmr_jax.errors import InputError, count_by_reason
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.inference.results import PersonResult
from prohmr_jax.viewer.page import MAX_PEOPLE, Page, jpeg
from prohmr_jax.viewer.result_pages import page_person

INDEX, REPORT = "index.md", "report.html"
"""Names of the list of pictures, and of the page that shows them and the bodies."""
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PersonSummary:
    """Holds the row of one person in the report."""

    name: str
    """Beginning of the names of all the person's files."""
    picture: str
    """Picture and identity of the person, as the input states them; may be empty."""
    has_photo: bool
    """Whether there was a photo."""
    error_percent: float
    """Mean distance of the mode from the keypoints seen, % of the box side; NaN if no
    keypoint was seen."""
    stature_m: float
    """Height of the body at rest, metres."""
    distance_m: float
    """Depth of the body in front of the camera, metres."""
    implausible: str
    """Why the body is not plausible; empty if it is."""
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
    page: Page = dataclasses.field(
        default_factory=lambda: Page("People and their bodies")
    )
    """Page that shows the bodies of the first people."""
    photos_wanted: bool = True
    """Whether a person without a photo is worth mentioning."""

    @property
    def skipped(self) -> list[str]:
        """One line for each input file or person that could not be used."""
        return [str(fault) for fault in self.faults]

    def skip(self, fault: InputError) -> None:
        """Adds what was wrong with a file or a person, and logs it."""
        _LOG.warning("skipped: %s", fault)
        self.faults.append(fault)

    def lines(self) -> list[str]:
        """Returns what is printed: the table, and who has no photo or was skipped."""
        lines = [self.table(), *self.implausible_lines()]
        without = [person for person in self.people if not person.has_photo]
        if without and self.photos_wanted:
            lines.append(
                f"people without a photo: {len(without)} (none was found that the "
                "detections name, or with a name like that of their file)"
            )
        if self.faults:
            lines.append(f"skipped inputs: {len(self.faults)}")
            lines += [f"  {line}" for line in count_by_reason(self.faults)]
        return lines

    def last_lines(self, output: str, source: str) -> list[str]:
        """Returns the three lines that end a run: what was made, and what to try next.

        Args:
          output: folder that was written to.
          source: what the people were read from; empty for the portrait in the package.
        """
        whose = self._number_of_people()
        kinds = {os.path.splitext(f)[1] for p in self.people for f in p.files}
        own = "prohmr-jax photo.jpg, with a photo of your own"
        export = f"prohmr-jax export {shlex.quote(output)}, for Blender and others"
        return [
            f"made: the bodies of {whose}, as {', '.join(sorted(kinds))} in {output}",
            f"look at: {os.path.join(output, REPORT if self.page.people else INDEX)}, "
            f"or prohmr-jax view {shlex.quote(output)}",
            f"try next: {export if source else own}",
        ]

    def implausible_lines(self) -> list[str]:
        """Returns how many people are implausible, and a line for each with reasons."""
        implausible = [person for person in self.people if person.implausible]
        return [
            f"{len(implausible)} of {len(self.people)} implausible",
            *(f"  {person.name}: {person.implausible}" for person in implausible),
        ]

    def table(self) -> str:
        """Returns a Markdown table with a row for each person."""
        return markdown.table(_HEADER, map(_cells, self.people))

    def add_overlay(self, name: str, picture: np.ndarray) -> None:
        """Adds an overlay that was written.

        Args:
          name: name of the file in the output folder.
          picture: the overlay [h, w, 3] uint8.
        """
        self.overlays.append(name)
        if len(self.page.pictures) < MAX_PEOPLE:
            self.page.pictures.append((name, jpeg(picture)))

    def show(
        self,
        name: str,
        result: PersonResult,
        meshes: np.ndarray,
        sheet: np.ndarray | None,
    ) -> None:
        """Puts a person on the page that shows bodies, unless it is full.

        The arguments are those of `page_person`.
        """
        if not self.page.is_full:
            self.page.people.append(page_person(name, result, meshes, sheet))

    def write_pages(self, output: pathlib.Path, with_bodies: bool) -> None:
        """Writes the list of pictures, and the page that shows them and the bodies.

        Args:
          output: the output folder.
          with_bodies: whether the page with the bodies is written.

        Raises:
          InputError: a file cannot be written.
        """
        text = self._index()
        write_atomically(output / INDEX, lambda stream: stream.write(text.encode()))
        if not with_bodies:
            return
        implausible = sum(bool(person.implausible) for person in self.people)
        self.page.notes = [f"{self._number_of_people()}, {implausible} implausible"]
        more = len(self.people) - len(self.page.people)
        if more:
            note = f"{more} more people are in {INDEX}, and in their files"
            self.page.notes.append(note)
        self.page.notes += [f"skipped: {line}" for line in count_by_reason(self.faults)]
        self.page.write(output / REPORT)

    def _number_of_people(self) -> str:
        return "1 person" if len(self.people) == 1 else f"{len(self.people)} people"

    def _index(self) -> str:
        """Returns the list of pictures as Markdown."""
        files = [file for person in self.people for file in person.files]
        sheets = [file for file in files if file.endswith(".png")]
        blocks = [
            "# People and their bodies",
            self.table(),
            "\n".join(f"- {line.strip()}" for line in self.implausible_lines()),
            *(f"![{name}]({_link(name)})" for name in [*self.overlays, *sheets]),
        ]
        if self.skipped:
            blocks.append("\n".join(["Skipped:\n", *(f"- {s}" for s in self.skipped)]))
        return "\n\n".join(blocks) + "\n"


_HEADER = [
    "person",
    "picture",
    "plausible",
    "error / box",
    "stature",
    "distance",
    "keypoints",
    "spread",
    "files",
]


def _cells(person: PersonSummary) -> list[str]:
    return [
        person.name,
        person.picture,
        "no" if person.implausible else "yes",
        "-" if math.isnan(person.error_percent) else f"{person.error_percent:.1f} %",
        f"{person.stature_m:.2f} m",
        f"{person.distance_m:.1f} m",
        f"{person.num_seen} of {person.num_keypoints}",
        f"{person.spread_mm:.0f} mm",
        " ".join(file.removeprefix(person.name) for file in person.files),
    ]


def _link(name: str) -> str:
    """Returns a file's name as the target of a Markdown link."""
    return f"<{name}>" if re.search(r"[ ()]", name) else name
