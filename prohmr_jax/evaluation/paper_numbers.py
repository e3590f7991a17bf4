"""Holds the numbers of the paper's tables that concern ProHMR's own rows.

Reports of tables show them beside measured numbers (Kolotouros et al., ICCV 2021).
"""

import dataclasses
from collections.abc import Mapping

DATA_TITLES: Mapping[str, str] = {
    "pw3d": "3DPW",
    "h36m_p2": "Human3.6M, protocol 2",
    "mpi_inf_3dhp": "MPI-INF-3DHP",
    "h36m_p2_detected": "Human3.6M, protocol 2, detected keypoints",
    "h36m_p2_true": "Human3.6M, protocol 2, true keypoints",
    "h36m_multiview": "Human3.6M, several views",
    "mannequin": "Mannequin Challenge",
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
_METHODS_OF_FITS = (
    "regression", "regression + SMPLify, mixture", "regression + SMPLify, flow",
    "regression + EFT", "ProHMR", "ProHMR + fitting",
)  # fmt: skip
# The regression of the paper is SPIN, and its learned prior is VPoser.
_TABLE_3 = {
    **_column(
        "3DPW",
        *zip(_METHODS_OF_FITS, (59.2, 66.5, 70.9, 56.6, 59.8, 55.1), strict=True),
    ),
    **_column(
        "Human3.6M, protocol 2, detected keypoints",
        *zip(_METHODS_OF_FITS, (41.8, 54.6, 53.5, 41.6, 41.2, 39.3), strict=True),
    ),
    **_column(
        "Human3.6M, protocol 2, true keypoints",
        *zip(_METHODS_OF_FITS, (41.8, 43.3, 39.9, 38.7, 41.2, 34.8), strict=True),
    ),
}
_METHODS_OF_VIEWS = "ProHMR", "ProHMR + rotation averaging", "ProHMR + fusion"
_TABLE_4 = {
    (data, method): PaperErrors(*errors)
    for data, column in (
        ("Human3.6M, several views", ((43.7, 65.1), (35.2, 64.8), (34.5, 62.2))),
        ("Mannequin Challenge", ((91.9, 176.0), (85.1, 174.4), (83.9, 171.3))),
    )
    for method, errors in zip(_METHODS_OF_VIEWS, column, strict=True)
}
_TABLE_5 = {
    **_TABLE_1,
    **_column("3DPW", ("ProHMR without L_mode, mode", 67.4)),
    **_column("Human3.6M, protocol 2", ("ProHMR without L_mode, mode", 54.8)),
    **_column("MPI-INF-3DHP", ("ProHMR without L_mode, mode", 76.5)),
}

PAPER: Mapping[int, Mapping[tuple[str, str], PaperErrors]] = {
    1: _TABLE_1,
    2: _TABLE_2,
    3: _TABLE_3,
    4: _TABLE_4,
    5: _TABLE_5,
}
"""Errors of each table by the title of the data and the name of the method."""

PAPER_TITLES: Mapping[int, str] = {
    1: "human mesh recovery",
    2: "multiple hypotheses",
    3: "model fitting",
    4: "multi-view refinement",
    5: "ablation of L_mode",
}
"""What each table is about."""
