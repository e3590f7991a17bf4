"""Reports how well skeletons are lifted, beside Table 6 of the paper.

`modes.evaluate_lifting` measures people and gives the errors to `lifting_row`;
`markdown_report` writes the rows for people, `dataclasses.asdict` for programs.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from prohmr_jax.evaluation.bootstrap import bootstrap_mean
from prohmr_jax.evaluation.calibration import (
    expected_calibration_error,
    interval_coverage,
    signed_calibration_error,
)
from prohmr_jax.evaluation.lifting_errors import SampleErrors, SkeletonErrors
from prohmr_jax.files.markdown import table

# Rows of Table 6 of the paper: model, MPJPE and PA-MPJPE, mm.
PAPER_TABLE_6 = (
    ("Martinez et al.", 62.9, 47.7),
    ("Li and Lee, mode", 64.5, 47.8),
    ("ProHMR, mode", 62.9, 47.6),
    ("Li and Lee, least error of samples", 42.6, 34.4),
    ("ProHMR, least error of samples", 42.4, 32.9),
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Holds a mean over people, with its 95 % confidence interval."""

    mean: float
    """The mean."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    def __str__(self) -> str:
        """Returns the mean, and the interval behind it."""
        return f"{self.mean:.1f} ({self.low:.1f}-{self.high:.1f})"


@dataclasses.dataclass(frozen=True)
class SamplesReport:
    """Holds what is reported of the samples of a model."""

    counts: tuple[int, ...]
    """The numbers N of the best of N."""
    best_mpjpe: tuple[Estimate, ...]
    """MPJPE of the best of N, mm."""
    best_pa_mpjpe: tuple[Estimate, ...]
    """PA-MPJPE of the best of N, mm."""
    log_prob: Estimate
    """Logarithm of the density at the truth, nats."""
    coverage_50: float
    """Share of true coordinates inside the samples' central 50 %."""
    coverage_90: float
    """Share of true coordinates inside the samples' central 90 %."""
    interval_ece: float
    """Mean |coverage - level| over levels."""
    interval_signed_ece: float
    """Mean of coverage - level; negative means overconfident."""
    spread_mm: float
    """Mean root mean square distance of samples from their mean."""
    error_of_mean_mm: float
    """Mean distance of the samples' mean from the truth."""


@dataclasses.dataclass(frozen=True)
class LiftingRow:
    """Holds what is reported of one model on the people of one split."""

    split: str
    """Name of the split."""
    condition: str
    """How the 2D joints reach the model."""
    model: str
    """Name of the model."""
    num_people: int
    """Number of people, which are frames times views."""
    num_units: int
    """Number of clips or actions, which the intervals resample."""
    mpjpe: Estimate
    """MPJPE of the mode, or of the only answer, mm."""
    pa_mpjpe: Estimate
    """PA-MPJPE of the same, mm."""
    mean_pose_mpjpe: float
    """MPJPE of the mean pose, mm."""
    mean_pose_pa_mpjpe: float
    """PA-MPJPE of the mean pose, mm."""
    samples: SamplesReport | None
    """What is reported of samples; None where the model gives one answer."""


def lifting_row(
    split: str,
    condition: str,
    model: str,
    errors: SkeletonErrors,
    units: np.ndarray,
    counts: Sequence[int],
    num_samples: int,
    seed: int,
) -> LiftingRow:
    """Returns what is reported of one model on the people of one split.

    Args:
      split: name of the split.
      condition: how the 2D joints reach the model.
      model: name of the model.
      errors: what was measured of each person, NumPy, leading axis P.
      units: the clip, or action, of each person, [P]: frames of one clip are not
        independent, and so the intervals resample clips.
      counts: numbers N of the best of N.
      num_samples: number of samples that were drawn of each person.
      seed: seed of the resampling.
    """

    def estimates(values: np.ndarray) -> list[Estimate]:
        _, unit = np.unique(units, return_inverse=True)
        sizes = np.bincount(unit)
        by_column = values.reshape(len(values), -1).T.astype(np.float64)
        means = np.stack([np.bincount(unit, column) / sizes for column in by_column])
        drawn = bootstrap_mean(means.T, seed=seed, weights=sizes)
        ends = drawn.mean, drawn.low, drawn.high
        return [Estimate(*each) for each in np.stack(ends, axis=1).tolist()]

    def samples_report(samples: SampleErrors) -> SamplesReport:
        ranks = samples.pit_rank
        everyone = np.ones(ranks.shape[:-1], np.float32)
        levels = np.array([0.5, 0.9], np.float32)
        half, most = interval_coverage(ranks, everyone, num_samples, levels).tolist()
        coverage = interval_coverage(ranks, everyone, num_samples)
        return SamplesReport(
            counts=tuple(counts),
            best_mpjpe=tuple(estimates(samples.best_mpjpe)),
            best_pa_mpjpe=tuple(estimates(samples.best_pa_mpjpe)),
            log_prob=estimates(samples.log_prob)[0],
            coverage_50=half,
            coverage_90=most,
            interval_ece=float(expected_calibration_error(coverage)),
            interval_signed_ece=float(signed_calibration_error(coverage)),
            spread_mm=float(np.mean(samples.spread)),
            error_of_mean_mm=float(np.mean(samples.mean_error)),
        )

    return LiftingRow(
        split=split,
        condition=condition,
        model=model,
        num_people=len(units),
        num_units=len(np.unique(units)),
        mpjpe=estimates(errors.mpjpe)[0],
        pa_mpjpe=estimates(errors.pa_mpjpe)[0],
        mean_pose_mpjpe=float(np.mean(errors.mean_pose_mpjpe)),
        mean_pose_pa_mpjpe=float(np.mean(errors.mean_pose_pa_mpjpe)),
        samples=None if errors.samples is None else samples_report(errors.samples),
    )


def markdown_report(heading: str, rows: Sequence[LiftingRow]) -> str:
    """Returns the report as Markdown: a heading, then tables.

    Args:
      heading: what was measured, and by which command.
      rows: rows of the tables, in order.
    """
    sampled = [row for row in rows if row.samples is not None]
    parts = [heading, "## Errors of the mode, or of the only answer", _accuracy(rows)]
    if sampled:
        parts += [
            "## Best of N samples, MPJPE", _best(sampled, "best_mpjpe"),
            "## Best of N samples, PA-MPJPE", _best(sampled, "best_pa_mpjpe"),
            "## Distributions", _distributions(sampled),
        ]  # fmt: skip
    parts += [
        "## Table 6 of the paper",
        "These are the paper's numbers on Human3.6M, with detections of a stacked "
        "hourglass network. People, cameras, detections and joints are others than "
        "above, so that they cannot be compared with the numbers above.",
        table(["model", "MPJPE", "PA-MPJPE"], PAPER_TABLE_6),
    ]
    return "\n\n".join(parts) + "\n"


def _names(row: LiftingRow) -> list[str]:
    people = f"{row.split} (N = {row.num_people}, {row.num_units} clips)"
    return [people, row.condition, row.model.replace("_", " ")]


_HEADER = ["people", "2D joints", "model"]


def _accuracy(rows: Sequence[LiftingRow]) -> str:
    header = ["MPJPE", "PA-MPJPE", "mean pose MPJPE", "mean pose PA-MPJPE"]
    cells = [
        [
            *_names(r), r.mpjpe, r.pa_mpjpe,
            f"{r.mean_pose_mpjpe:.1f}", f"{r.mean_pose_pa_mpjpe:.1f}",
        ]
        for r in rows
    ]  # fmt: skip
    return table(_HEADER + header, cells)


def _best(rows: Sequence[LiftingRow], name: str) -> str:
    header = [f"N = {count}" for count in rows[0].samples.counts]
    return table(
        _HEADER + header, [[*_names(r), *getattr(r.samples, name)] for r in rows]
    )


def _distributions(rows: Sequence[LiftingRow]) -> str:
    header = [
        "50 % holds", "90 % holds", "ECE per axis", "spread mm", "error of mean mm",
        "log density of the truth, nats",
    ]  # fmt: skip
    cells = []
    for row in rows:
        samples = row.samples
        ece, signed = samples.interval_ece, samples.interval_signed_ece
        cells.append([
            *_names(row),
            f"{100 * samples.coverage_50:.0f} %", f"{100 * samples.coverage_90:.0f} %",
            f"{ece:.3f} ({signed:+.3f})",
            f"{samples.spread_mm:.0f}", f"{samples.error_of_mean_mm:.0f}",
            samples.log_prob,
        ])  # fmt: skip
    return table(_HEADER + header, cells)
