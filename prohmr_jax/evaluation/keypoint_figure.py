"""Draws reports of keypoint models side by side; `tools/draw_reports.py` calls it."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.keypoint_report import ConditionReport, JointsReport
from prohmr_jax.files.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = ("#1f5fa8", "#d1495b", "#4c956c", "#8f6bb3")
_STYLES = {"exact": "-", "noisy": "--", "half hidden": ":"}
# Few colours make small files, and lines and letters need no more.
_PALETTE = 64


def draw_reports(
    path: str | os.PathLike, models: Mapping[str, Sequence[ConditionReport]], split: str
) -> None:
    """Writes a PNG file with four comparisons of models on one split.

    They are the error of the best of N samples, the share of coordinates that central
    intervals hold, the spread of joints beside their error, and the energy score.

    Args:
      path: the file.
      models: reports of each model, by a short name of the model; at most four.
      split: name of the split of people.

    Raises:
      InputError: there are more models than colours, or one has no report of the split.
    """
    from matplotlib.figure import Figure

    if not 0 < len(models) <= len(_COLORS):
        raise InputError(path, f"shows 1 to {len(_COLORS)} models, not {len(models)}")
    of_split = {
        name: [report for report in reports if report.split == split]
        for name, reports in models.items()
    }
    for name, reports in of_split.items():
        if not reports:
            raise InputError(name, f"has no report of the split {split!r}")
    figure = Figure(figsize=(9, 7), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    draw = (_best_of_n, _intervals, _spread_and_error, _energy_scores)
    for draw_panel, ax in zip(draw, panels, strict=True):
        for (name, reports), color in zip(of_split.items(), _COLORS, strict=False):
            draw_panel(ax, name, reports, color)
        ax.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(models))
    _label(panels, of_split)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    drawn = Image.open(stream).convert("RGB")
    picture = drawn.quantize(_PALETTE, dither=Image.Dither.NONE)
    write_atomically(path, lambda out: picture.save(out, "png", optimize=True))


def _joints(reports: Sequence[ConditionReport]) -> Iterator[tuple[str, JointsReport]]:
    """Yields the rows of a table of distributions, with their names."""
    for report in reports:
        yield f"{report.condition}, seen", report.seen
        if report.hidden.num_joints:
            yield f"{report.condition}, hidden", report.hidden


def _best_of_n(ax: "Axes", name: str, reports: Sequence[ConditionReport], color: str):
    for report in reports:
        style = _STYLES.get(report.condition, "-.")
        errors = report.h36m_14.best_pa_mpjpe
        ax.plot(report.counts, errors, style, color=color, marker=".")


def _intervals(ax: "Axes", name: str, reports: Sequence[ConditionReport], color: str):
    for number, (_, joints) in enumerate(_joints(reports)):
        held = 100 * np.array([joints.coverage_50, joints.coverage_90])
        label = name if number == 0 else None
        ax.plot([50, 90], held, "o-", color=color, alpha=0.7, label=label)


def _spread_and_error(
    ax: "Axes", name: str, reports: Sequence[ConditionReport], color: str
):
    for row, joints in _joints(reports):
        filled = color if row.endswith("seen") else "none"
        point = joints.error_of_mean_mm, joints.spread_mm
        ax.plot(*point, "o", color=color, markerfacecolor=filled)


def _energy_scores(
    ax: "Axes", name: str, reports: Sequence[ConditionReport], color: str
):
    rows = list(_joints(reports))
    scores = [joints.energy_score_mm for _, joints in rows]
    ax.plot(scores, [row for row, _ in rows], "o", color=color)


def _label(
    panels: Sequence["Axes"], models: Mapping[str, Sequence[ConditionReport]]
) -> None:
    """Writes what the panels show, and the lines to which their points compare."""
    best, intervals, spread, energy = panels
    first = next(iter(models.values()))
    for report in first:
        style = _STYLES.get(report.condition, "-.")
        best.plot([], [], style, color="grey", label=report.condition)
    best.set(
        title="Best of N samples and the mode", xlabel="N", ylabel="PA-MPJPE, mm",
        xscale="log",
    )  # fmt: skip
    counts = first[0].counts
    best.set_xticks(counts, labels=[str(count) for count in counts])
    best.minorticks_off()
    best.set_ylim(bottom=0)
    best.legend()
    intervals.plot([0, 100], [0, 100], color="grey", linewidth=1)
    intervals.set(
        title="What central intervals hold", xlabel="interval, %",
        ylabel="coordinates within, %", xlim=(40, 100), ylim=(0, 100),
    )  # fmt: skip
    largest = 1.1 * max(spread.dataLim.x1, spread.dataLim.y1)
    # Samples around the truth's own distribution are as far from their mean as it is.
    spread.plot([0, largest], [0, largest], color="grey", linewidth=1)
    spread.plot([], [], "o", color="grey", label="joints seen")
    spread.plot([], [], "o", color="grey", markerfacecolor="none", label="hidden")
    spread.set(
        title="Spread beside error", xlabel="error of the samples' mean, mm",
        ylabel="spread of the samples, mm", xlim=(0, largest), ylim=(0, largest),
    )  # fmt: skip
    spread.legend(loc="upper left")
    energy.set(title="Energy score", xlabel="mm; less is better")
    energy.set_xlim(left=0)
    energy.invert_yaxis()
