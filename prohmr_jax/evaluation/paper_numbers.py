"""Holds the numbers of the paper's tables that concern ProHMR's own rows.

Reports of tables show them beside measured numbers (Kolotouros et al., ICCV 2021).
"""

import dataclasses
from collections.abc import Mapping

DATA_TITLES: Mapping[str, str] = {
    "pw3d": "3DPW",
    "h36m_p2": "Human3.6M, protocol 2",
    "mpi_inf_3dhp": "MPI-INF-3DHP",
    "synthetic_humans": "synthetic humans",
}
"""Titles of data by the names of rows in configs."""

MODEL_TITLES: Mapping[str, str] = {
    "prohmr": "ProHMR",
    "without_mode": "ProHMR without L_mode",
}
"""Titles of models by their names in configs."""


@dataclasses.dataclass(frozen=True)
class PaperErrors:
    """Holds the errors that the paper reports in one place, millimetres."""

    pa_mpjpe: float
    """PA-MPJPE."""
    mpjpe: float | None = None
    """MPJPE; None where the paper has none."""


def _column(data: str, *errors: tuple[str, float]) -> dict:
    return {(data, method): PaperErrors(error) for method, error in errors}


_TABLE_1 = {
    **_column("3DPW", ("ProHMR, mode", 59.8)),
    **_column("Human3.6M, protocol 2", ("ProHMR, mode", 41.2)),
    **_column("MPI-INF-3DHP", ("ProHMR, mode", 65.0)),
}
_TABLE_2 = {
    **_column(
        "3DPW", ("ProHMR, n = 5", 56.5), ("ProHMR, n = 10", 54.6),
        ("ProHMR, n = 25", 52.4), ("ProHMR, best of 4096", 40.8),
    ),
    **_column(
        "Human3.6M, protocol 2", ("ProHMR, n = 5", 39.4), ("ProHMR, n = 10", 38.3),
        ("ProHMR, n = 25", 36.8), ("ProHMR, best of 4096", 29.9),
    ),
}  # fmt: skip
_TABLE_5 = {
    **_TABLE_1,
    **_column("3DPW", ("ProHMR without L_mode, mode", 67.4)),
    **_column("Human3.6M, protocol 2", ("ProHMR without L_mode, mode", 54.8)),
    **_column("MPI-INF-3DHP", ("ProHMR without L_mode, mode", 76.5)),
}

PAPER: Mapping[int, Mapping[tuple[str, str], PaperErrors]] = {
    1: _TABLE_1,
    2: _TABLE_2,
    5: _TABLE_5,
}
"""Errors of each table by the title of the data and the name of the method."""

PAPER_TITLES: Mapping[int, str] = {
    1: "human mesh recovery",
    2: "multiple hypotheses",
    5: "ablation of L_mode",
}
"""What each table is about."""
