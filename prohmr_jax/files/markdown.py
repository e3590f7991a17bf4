"""Writes Markdown tables, for every report of the project."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table in GitHub's Markdown, without a newline at its end.

    Cells are written as `str` gives them: numbers are formatted by the caller. A
    vertical bar in a cell is escaped, and a line break becomes a space.

    Args:
      header: names of the columns.
      rows: cells of each row, as many as there are columns.
    """
    return tabulate(
        [_cells(row) for row in rows],
        _cells(header),
        tablefmt="github",
        disable_numparse=True,
    )


def _cells(row: Sequence[object]) -> list[str]:
    return [" ".join(str(cell).split()).replace("|", r"\|") for cell in row]
