"""What a comparison found: one row per quantity, then counts per file."""

import dataclasses

import numpy as np

from prohmr_jax.parity.golden import GoldenFile

# Largest errors, relative to the largest entry of each tensor.
VALUES = 1e-5
GRADIENTS = 1e-4
VALUES_FLOAT64 = 1e-10

OK, FAIL, LATER = "ok", "FAIL", "later"


@dataclasses.dataclass(frozen=True)
class Row:
    """One quantity of one file."""

    file: str
    what: str
    verdict: str
    """OK, FAIL or LATER."""
    absolute: float | None = None
    """Largest absolute error; None where nothing was measured."""
    relative: float | None = None
    """The same over the largest entry of the golden tensor."""
    tolerance: str = ""
    reason: str = ""
    """Why it fails, why the tolerance is looser, or what else was found."""

    def __str__(self) -> str:
        """Returns the row as a line of a table."""
        number = lambda x: "-" if x is None else f"{x:.1e}"  # noqa: E731
        return (
            f"{self.file:<22} {self.what:<84} {number(self.absolute):>8} "
            f"{number(self.relative):>8} {self.tolerance:>9}  {self.verdict}"
            + (f"  ({self.reason})" if self.reason else "")
        )


class Report:
    """Collects rows; `failed` says whether any of them failed."""

    def __init__(self):
        """Starts empty."""
        self.rows: list[Row] = []
        self.counts: list[str] = []

    @property
    def failed(self) -> bool:
        """Whether anything differed, or was not compared."""
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
        """Holds a result of ours against the golden entry `key`.

        Args:
          case: the file.
          key: the entry; counted as compared.
          ours: array of the same shape.
          tolerance: largest error, relative to the golden tensor's largest entry;
            whole numbers, flags and names must be equal whatever it is.
          where: mask of what can be compared, broadcast from the first axes.
          absolute: takes the tolerance as an absolute one.
          note: appended to the name, where an entry is compared more than once.
          reason: why the tolerance is looser or something is left out.
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
        """Adds the row of two arrays; see `compare`."""
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
        # Written so that NaN fails.
        good = worst <= tolerance if absolute else relative <= tolerance
        shown = f"{tolerance:.0e}" + (" abs" if absolute else "")
        self._add(case, what, OK if good else FAIL, worst, relative, shown, reason)

    def confirm(self, case: GoldenFile, key: str, holds: bool, what: str) -> None:
        """Adds the row of an entry that must obey a law; counted as compared.

        Args:
          case: the file.
          key: the entry.
          holds: whether it does.
          what: the law, in words.
        """
        case.golden(key)
        self._add(case, key, OK if holds else FAIL, tolerance="law", reason=what)

    def postpone(self, case: GoldenFile, keys: list[str], part: str) -> None:
        """Adds a row for entries that another part of the project compares."""
        case.later.update(keys)
        what = keys[0] if len(keys) == 1 else f"{len(keys)} entries"
        self._add(case, what, LATER, reason=f"{part} (later)")

    def fail(self, file: str, what: str, reason: str) -> None:
        """Adds a row for something that could not be compared at all."""
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
