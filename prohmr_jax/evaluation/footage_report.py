"""Writes what the mode "evaluate_real" measures as a page of Markdown."""

import dataclasses

import jax
import numpy as np

from prohmr_jax.evaluation.bootstrap import bootstrap_mean
from prohmr_jax.evaluation.distribution_errors import (
    DistributionSummary,
    summarize_seen_and_hidden,
)
from prohmr_jax.evaluation.footage_errors import LimbErrors, ViewErrors
from prohmr_jax.evaluation.footage_truth import LIMBS_12, TruthPrecision
from prohmr_jax.files import markdown

_MM = 1000.0


@dataclasses.dataclass(frozen=True)
class Row:
    """Holds the errors of one method."""

    method: str
    """Name of the method."""
    views: str
    """What the method sees."""
    errors: LimbErrors
    """Errors of R views or groups of views, mm."""
    sighting: np.ndarray
    """Number of the sighting that each belongs to, [R]."""
    truth: str
    """Views by which the joints were located."""

    def cells(self, seed: int) -> list[str]:
        """Returns the cells of the table; intervals are by bootstrap over sightings."""
        pa = _interval(self.errors.pa_mpjpe, self.sighting, seed)
        raw = _interval(self.errors.mpjpe, self.sighting, seed)
        return [self.views, self.method, pa, raw, str(len(self.sighting)), self.truth]


def _interval(values: np.ndarray, sighting: np.ndarray, seed: int) -> str:
    """Returns a mean with its 95 % interval; views of one moment are one draw."""
    numbers = np.unique(sighting)
    means = np.array([values[sighting == number].mean() for number in numbers])
    counts = np.array([(sighting == number).sum() for number in numbers])
    interval = bootstrap_mean(means, seed=seed, weights=counts)
    return f"{interval.mean:.1f} ({interval.low:.1f}-{interval.high:.1f})"


@dataclasses.dataclass(frozen=True)
class FootageReport:
    """Holds what was measured of one footage."""

    source: str
    """Name of the footage."""
    num_frames: int
    """How many frames of each camera were looked at."""
    num_sightings: int
    """How many times a person was seen by three cameras or more."""
    cameras: tuple[str, ...]
    """Names of the cameras."""
    located: float
    """Share of joints that the other views locate."""
    num_left_out: int
    """How many views were not measured, because too few joints are seen or located."""
    precision: TruthPrecision
    """How well located joints agree with each other."""
    best_of: tuple[int, ...]
    """Numbers of samples of which the best is reported."""
    seed: int = 0
    """Seed of samples and of the bootstrap."""
    rows: tuple[Row, ...] = ()
    """Errors of the methods."""
    seen: DistributionSummary | None = None
    """What is measured of the distribution of located joints that the view shows."""
    error_2d: float = 0.0
    """Mean distance of the mode's joints from the detections, percent of the box."""

    def with_rows(self, rows: list[Row]) -> "FootageReport":
        """Returns the report with more methods.

        Args:
          rows: errors of the methods.
        """
        return dataclasses.replace(self, rows=(*self.rows, *rows))

    def with_views(
        self, errors: ViewErrors, sighting: np.ndarray, seed: int
    ) -> "FootageReport":
        """Returns the report with what is measured of predictions from one view.

        Args:
          errors: errors of V views.
          sighting: number of the sighting that each belongs to, [V].
          seed: seed of samples and of the bootstrap.
        """
        best = [
            Row(
                f"best of {count} samples and the mode",
                "one view",
                LimbErrors(errors.best_pa_mpjpe[:, place], errors.best_mpjpe[:, place]),
                sighting,
                "other views",
            )
            for place, count in enumerate(self.best_of)
        ]
        named = {
            "mean pose": errors.mean_pose,
            "mode": errors.mode,
            "mode, the body's own joints": errors.mode_own_joints,
        }
        rows = [
            Row(name, "one view", part, sighting, "other views")
            for name, part in named.items()
        ]
        counted = np.ones(len(LIMBS_12), bool)
        seen, _ = summarize_seen_and_hidden(errors.distribution, counted)
        return dataclasses.replace(
            self.with_rows([*rows, *best]),
            seen=jax.device_get(seen),
            error_2d=float(errors.mode_error_2d.mean()),
            seed=seed,
        )

    def text(self) -> str:
        """Returns the report as Markdown."""
        precision, seen = self.precision, self.seen
        header = [
            "input", "method", "PA-MPJPE mm (95 % interval)",
            "MPJPE mm (95 % interval)", "N", "located by",
        ]  # fmt: skip
        blocks = [
            f"# {self.source}",
            f"{self.num_frames} frames of each of the cameras "
            f"{', '.join(self.cameras)}; {self.num_sightings} times a person is seen "
            "by three of them or more. The joints are "
            f"{', '.join(LIMBS_12.names)}. The other views locate "
            f"{100 * self.located:.0f} % of them; {self.num_left_out} views were left "
            "out, because too few joints are seen or located. N counts views, or "
            "groups of views. Intervals are by bootstrap over moments.",
            f"Located joints are not exact: points of two views lie "
            f"{precision.pairs_mm:.0f} mm (median of {precision.num_distances}) from "
            f"those of all views, and the length of a bone varies by "
            f"{precision.bones_mm:.0f} mm (standard deviation).",
            "## Errors",
            markdown.table(header, [row.cells(self.seed) for row in self.rows]),
        ]
        if seen is not None:
            blocks += [
                "## The distribution of single views",
                markdown.table(
                    ["located joints", "50 % holds", "90 % holds", "ECE per axis",
                     "energy score mm", "spread mm", "error of mean mm",
                     "2D of samples %", "2D of mode %"],
                    [[
                        f"{float(seen.num_joints):.0f}",
                        f"{100 * float(seen.coverage_50):.0f} %",
                        f"{100 * float(seen.coverage_90):.0f} %",
                        f"{float(seen.interval_ece):.3f} "
                        f"({float(seen.interval_signed_ece):+.3f})",
                        f"{_MM * float(seen.energy_score):.1f}",
                        f"{_MM * float(seen.spread):.0f}",
                        f"{_MM * float(seen.mean_error):.0f}",
                        f"{float(seen.error_2d):.1f}",
                        f"{self.error_2d:.1f}",
                    ]],
                ),
            ]  # fmt: skip
        return "\n\n".join(blocks) + "\n"
