"""Collects the result of a comparison: one row per quantity, then counts per file.

The checks of all families add rows to a `Report`.
"""

import dataclasses

import numpy as np

from prohmr_jax.parity.golden import GoldenFile

# Default tolerances: largest errors, relative to the largest entry of each tensor.
VALUES = 1e-5
GRADIENTS = 1e-4
VALUES_FLOAT64 = 1e-10

OK, FAIL, LATER = "ok", "FAIL", "later"


@dataclasses.dataclass(frozen=True)
class Row:
    """Holds the result of comparing one quantity of one file."""

    file: str
    """Name of the file."""
    what: str
    """Name of the quantity."""
    verdict: str
    """One of OK, FAIL and LATER."""
    absolute: float | None = None
    """Largest absolute error; None where nothing was measured."""
    relative: float | None = None
    """Largest absolute error over the largest entry of the golden tensor."""
    tolerance: str = ""
    """Largest error that is allowed, as text."""
    reason: str = ""
    """Reason of a failure or of a looser tolerance, or another remark."""

    def __str__(self) -> str:
        """Returns the row as a line of a table."""
        number = lambda x: "-" if x is None else f"{x:.1e}"  # noqa: E731
        return (
            f"{self.file:<22} {self.what:<84} {number(self.absolute):>8} "
            f"{number(self.relative):>8} {self.tolerance:>9}  {self.verdict}"
            + (f"  ({self.reason})" if self.reason else "")
        )


class Report:
    """Collects the rows and counts of a comparison.

    Attributes:
      rows: results, in the order of comparison.
      counts: one line per file with the numbers of its entries.
    """

    def __init__(self):
        """Makes a report without rows."""
        self.rows: list[Row] = []
        self.counts: list[str] = []

    @property
    def failed(self) -> bool:
        """Whether any quantity differed, or was not compared."""
        return any(row.verdict == FAIL for row in self.rows)

    def verdict(self) -> str:
        """Returns the last line: how many rows agree, differ, and wait."""
        number = lambda verdict: sum(row.verdict == verdict for row in self.rows)  # noqa: E731
        return f"{number(OK)} ok, {number(FAIL)} FAIL, {number(LATER)} later"

    def compare(
        self,
        case: GoldenFile,
        key: str,
        ours,
        tolerance: float = VALUES,
        *,
        where=None,
        absolute: bool = False,
        note: str = "",
        reason: str = "",
    ) -> None:
        """Compares a result of ours with a golden entry, and adds a row.

        Args:
          case: the golden file.
          key: name of the entry, which is counted as compared.
          ours: our array, of the same shape.
          tolerance: largest error, relative to the golden tensor's largest entry.
            Integers, flags and names must be equal.
          where: mask of the entries that can be compared, over the first axes; None for
            all.
          absolute: whether the tolerance is an absolute one.
          note: text that is appended to the name, where an entry is compared more than
            once.
          reason: reason of a looser tolerance or of a mask.
        """
        golden = case.golden(key)
        self.measure(case, key + note, ours, golden, tolerance, where=where,
                     absolute=absolute, reason=reason)  # fmt: skip

    def measure(
        self,
        case: GoldenFile,
        what: str,
        ours,
        golden,
        tolerance: float = VALUES,
        *,
        where=None,
        absolute: bool = False,
        reason: str = "",
    ) -> None:
        """Adds the row of two arrays.

        Args:
          case: the golden file.
          what: name of the quantity.
          ours: our array.
          golden: official array.
          tolerance: see `compare`, as for the next.
          where: mask of the entries that can be compared.
          absolute: whether the tolerance is an absolute one.
          reason: reason of a looser tolerance or of a mask.
        """
        ours, golden = np.asarray(ours), np.asarray(golden)
        if ours.shape != golden.shape:
            shapes = f"shape {ours.shape} instead of {golden.shape}"
            self._add(case, what, FAIL, reason=shapes)
            return
        if golden.dtype.kind not in "fc":
            equal = np.array_equal(ours, golden)
            self._add(case, what, OK if equal else FAIL, tolerance="equal",
                      reason=reason if equal else "not equal")  # fmt: skip
            return
        if where is not None:
            ours, golden = ours[where], golden[where]
        ours, golden = ours.astype(np.float64), golden.astype(np.float64)
        worst = float(np.max(np.abs(ours - golden), initial=0.0))
        largest = float(np.max(np.abs(golden), initial=0.0))
        relative = worst / largest if largest else (np.inf if worst else 0.0)
        # An error that is NaN is not within the tolerance, and fails.
        good = worst <= tolerance if absolute else relative <= tolerance
        shown = f"{tolerance:.0e}" + (" abs" if absolute else "")
        self._add(case, what, OK if good else FAIL, worst, relative, shown, reason)

    def excuse(
        self, case: GoldenFile, what: str, ours, golden, holds: bool, proof: str
    ) -> None:
        """Adds the row of two numbers that differ by more than is allowed.

        Args:
          case: the golden file.
          what: name of the quantity.
          ours: our number.
          golden: official number.
          holds: whether the proof explains the difference.
          proof: the proof, with its numbers.
        """
        worst = abs(float(ours) - float(golden))
        relative = worst / abs(float(golden)) if golden else np.inf
        verdict = OK if holds else FAIL
        self._add(case, what, verdict, worst, relative, "proof", proof)

    def confirm(self, case: GoldenFile, key: str, holds: bool, what: str) -> None:
        """Adds the row of an entry that must obey a law.

        Args:
          case: the golden file.
          key: name of the entry, which is counted as compared.
          holds: whether the entry obeys the law.
          what: the law, in words.
        """
        case.golden(key)
        self._add(case, key, OK if holds else FAIL, tolerance="law", reason=what)

    def postpone(self, case: GoldenFile, keys: list[str], part: str) -> None:
        """Adds a row for entries that a later part of the project will compare.

        Args:
          case: the golden file.
          keys: names of the entries.
          part: the part of the project, in words.
        """
        case.later.update(keys)
        what = keys[0] if len(keys) == 1 else f"{len(keys)} entries"
        self._add(case, what, LATER, reason=f"{part} (later)")

    def fail(self, file: str, what: str, reason: str) -> None:
        """Adds a row for something that could not be compared at all.

        Args:
          file: name of the file.
          what: name of the quantity.
          reason: why it could not be compared.
        """
        self.rows.append(Row(file, what, FAIL, reason=reason))

    def close(self, case: GoldenFile) -> None:
        """Fails what the file holds and nothing used, and counts the rest."""
        for key in case.forgotten():
            self.fail(case.name, key, "present, not compared")
        inputs = len(case.inputs - case.compared)
        line = f"{case.name:<32} {len(case.compared):>4} compared"
        line += f" + {inputs:>4} inputs used"
        if case.later:
            line += f" + {len(case.later)} later"
        self.counts.append(f"{line} / {len(case)} present")

    def _add(self, case, what, verdict, worst=None, relative=None, tolerance="",
             reason=""):  # fmt: skip
        row = Row(case.name, what, verdict, worst, relative, tolerance, reason)
        self.rows.append(row)
