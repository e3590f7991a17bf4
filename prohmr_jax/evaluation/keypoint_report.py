"""Reports the keypoint model's evaluation: its accuracy, and whether to believe it.

`modes/evaluate_keypoints` measures people under each condition and gives the results
to `split_report`; `markdown_report` writes them for people, `dataclasses.asdict` for
programs.
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.bootstrap import MeanInterval, bootstrap_mean
from prohmr_jax.evaluation.calibration import interval_coverage
from prohmr_jax.evaluation.distribution_errors import (
    DistributionErrors,
    DistributionSummary,
    summarize_seen_and_hidden,
)
from prohmr_jax.evaluation.joint_limits import share_beyond_limits
from prohmr_jax.evaluation.keypoint_errors import PersonErrors
from prohmr_jax.evaluation.over_actions import mean_over_actions
from prohmr_jax.evaluation.rank_correlation import correlations_within_joints
from prohmr_jax.files.markdown import table

_MM = 1000.0
_LIMB_NAMES = tuple(skeleton.BODY_25.names[i] for i in skeleton.LIMBS_25)


@dataclasses.dataclass(frozen=True)
class JointsReport:
    """Holds what is said of the distributions of seen, or of hidden, joints."""

    num_joints: int
    """Joints of people that count; 0 makes the other numbers meaningless."""
    energy_score_mm: float
    """Mean energy score."""
    energy_score_interval_mm: tuple[float, float]
    """Its 95 % confidence interval, by bootstrap over people."""
    coverage_50: float
    """Share of true coordinates inside the samples' central 50 %."""
    coverage_90: float
    """The same for 90 %."""
    lowest_coverage_90: float
    """The 90 % coverage of the joint for which it is least."""
    lowest_joint: str
    """The name of that joint."""
    interval_ece: float
    """Mean |coverage - level| over levels, coordinates pooled."""
    interval_signed_ece: float
    """The same with its sign; negative means overconfident."""
    joint_ece: float
    """Calibration error as published by cGNF."""
    joint_signed_ece: float
    """The same with its sign."""
    spread_mm: float
    """Mean root mean square distance of samples from their mean."""
    error_of_mean_mm: float
    """Mean distance of the samples' mean from the truth."""
    samples_error_2d: float
    """Mean distance of projected samples from the truth, percent of the box."""
    mode_error_2d: float
    """The same of the mode."""
    rank_correlation: float
    """Mean over joints of the rank correlation of spread and error over people."""


@dataclasses.dataclass(frozen=True)
class ConditionReport:
    """Holds all that is reported of one split of people under one condition."""

    split: str
    condition: str
    num_people: int
    num_actions: int
    counts: tuple[int, ...]
    """The numbers N of the best of N (the mode counted beside the N samples)."""
    h36m_14: Errors
    """Means over actions, mm."""
    smpl_24: Errors
    """Means over actions, mm."""
    medoid_pa_mpjpe: float
    """PA-MPJPE of the medoid on H36M-14, mean over actions, mm."""
    medoid_mpjpe: float
    """MPJPE of the medoid on H36M-14, mean over actions, mm."""
    mode_pa_interval: tuple[float, float]
    """95 % confidence interval of the mode's PA-MPJPE on H36M-14, mm."""
    beyond_limits: float
    """Share of samples' joints that are bent beyond their limits."""
    seen: JointsReport
    hidden: JointsReport


def split_report(
    split: str,
    condition: str,
    actions: Sequence[str],
    errors: PersonErrors,
    counts: Sequence[int],
    seed: int = 0,
) -> ConditionReport:
    """Returns what is reported of the people of one split.

    Args:
      split: name of the split.
      condition: name of the condition.
      actions: the action of each person, `[P]`.
      errors: what was measured of each person, leading axis P.
      counts: numbers N of the best of N.
      seed: seed of the bootstrap.
    """
    groups = np.unique(np.asarray(actions), return_inverse=True)[1]
    means = mean_over_actions((errors.h36m_14, errors.smpl_24, errors.medoid), actions)
    h36m, smpl, medoid = means
    mode = bootstrap_mean(errors.h36m_14.mode_pa_mpjpe, seed=seed, groups=groups)
    everyone = np.ones_like(errors.distribution.seen)
    seen, hidden = jax.device_get(
        summarize_seen_and_hidden(errors.distribution, everyone)
    )
    is_seen = np.asarray(errors.distribution.seen, bool)
    return ConditionReport(
        split=split,
        condition=condition,
        num_people=len(actions),
        num_actions=len(set(actions)),
        counts=tuple(counts),
        h36m_14=jax.tree.map(lambda a: a.tolist(), h36m),
        smpl_24=jax.tree.map(lambda a: a.tolist(), smpl),
        medoid_pa_mpjpe=float(medoid.pa_mpjpe),
        medoid_mpjpe=float(medoid.mpjpe),
        mode_pa_interval=_ends(mode),
        beyond_limits=float(np.mean(share_beyond_limits(errors.axis_angle)[..., 1:])),
        seen=_joints_report(errors, is_seen, seen, seed),
        hidden=_joints_report(errors, ~is_seen, hidden, seed),
    )


def _ends(interval: MeanInterval, scale: float = 1.0) -> tuple[float, float]:
    return float(scale * interval.low), float(scale * interval.high)


def _joints_report(
    errors: PersonErrors, counted: np.ndarray, summary: DistributionSummary, seed: int
) -> JointsReport:
    """Returns what is reported of the joints `counted` `[P, J]`; NaN where none is."""
    distribution = errors.distribution
    energy_ends, coverage, lowest = (np.nan, np.nan), np.nan, 0
    correlation, mode_error_2d = None, np.nan
    if counted.any():
        per_person = counted.sum(axis=1)
        energy = np.sum(counted * distribution.energy_score, axis=1)
        energy = energy / np.maximum(per_person, 1)
        energy_ends = _ends(bootstrap_mean(energy, seed=seed, weights=per_person), _MM)
        by_joint = _coverage_by_joint(distribution, counted)
        lowest = int(np.nanargmin(by_joint))
        coverage = float(by_joint[lowest])
        correlation = correlations_within_joints(
            distribution.spread, distribution.mean_error, counted
        ).mean()
        mode_error_2d = float(np.mean(errors.mode_error_2d[counted]))
    return JointsReport(
        num_joints=int(counted.sum()),
        energy_score_mm=float(_MM * summary.energy_score),
        energy_score_interval_mm=energy_ends,
        coverage_50=float(summary.coverage_50),
        coverage_90=float(summary.coverage_90),
        lowest_coverage_90=coverage,
        lowest_joint=_LIMB_NAMES[lowest],
        interval_ece=float(summary.interval_ece),
        interval_signed_ece=float(summary.interval_signed_ece),
        joint_ece=float(summary.joint_ece),
        joint_signed_ece=float(summary.joint_signed_ece),
        spread_mm=float(_MM * summary.spread),
        error_of_mean_mm=float(_MM * summary.mean_error),
        samples_error_2d=float(summary.error_2d),
        mode_error_2d=mode_error_2d,
        rank_correlation=np.nan if correlation is None else float(correlation),
    )


def _coverage_by_joint(
    distribution: DistributionErrors, counted: np.ndarray
) -> np.ndarray:
    """Returns the coverage of 90 % intervals of each joint, `[J]`; NaN if uncounted."""
    coverage = interval_coverage(
        distribution.pit_rank,
        counted,
        distribution.num_samples,
        np.array([0.9], np.float32),
        axis=0,
    )
    by_joint = np.mean(coverage[..., 0], axis=-1)
    return np.where(counted.any(axis=0), by_joint, np.nan)


def markdown_report(heading: str, reports: Sequence[ConditionReport]) -> str:
    """Returns the report as Markdown: a heading, then three tables.

    Args:
      heading: what was measured, and by which command.
      reports: one per split and condition, in the order of the rows.
    """
    return (
        "\n\n".join(
            [
                heading,
                "## Errors of the mode, of the best of N, of the medoid",
                _accuracy_table(reports),
                "## Distributions: joints seen and joints hidden",
                _distribution_table(reports),
                "## Best of N samples, PA-MPJPE on H36M-14",
                _best_table(reports),
            ]
        )
        + "\n"
    )


def _accuracy_table(reports: Sequence[ConditionReport]) -> str:
    most = reports[0].counts[-1]
    header = [
        "poses", "keypoints", "joints", "mode PA (95 % interval)",
        f"best of {most} PA", "medoid PA", "mean pose PA",
        "mode MPJPE", f"best of {most} MPJPE", "medoid MPJPE", "mean pose MPJPE",
    ]  # fmt: skip
    rows = []
    for report in reports:
        name = f"{report.split} ({report.num_actions} actions, {report.num_people})"
        low, high = report.mode_pa_interval
        medoid = f"{report.medoid_pa_mpjpe:.1f}", f"{report.medoid_mpjpe:.1f}"
        for label, errors in (
            ("H36M-14", report.h36m_14), ("SMPL-24", report.smpl_24)
        ):  # fmt: skip
            is_first = label == "H36M-14"
            interval = f" ({low:.1f}-{high:.1f})" if is_first else ""
            rows.append([
                name, report.condition, label,
                f"{errors.mode_pa_mpjpe:.1f}{interval}",
                f"{errors.best_pa_mpjpe[-1]:.1f}",
                medoid[0] if is_first else "",
                f"{errors.mean_pose_pa_mpjpe:.1f}",
                f"{errors.mode_mpjpe:.1f}",
                f"{errors.best_mpjpe[-1]:.1f}",
                medoid[1] if is_first else "",
                f"{errors.mean_pose_mpjpe:.1f}",
            ])  # fmt: skip
    return table(header, rows)


def _distribution_table(reports: Sequence[ConditionReport]) -> str:
    header = [
        "poses", "keypoints", "joints", "energy score mm (95 % interval)",
        "50 % holds", "90 % holds", "least joint", "ECE per axis", "ECE by distance",
        "spread mm", "error of mean mm", "2D of samples %", "2D of mode %",
        "rank correlation", "beyond limits",
    ]  # fmt: skip
    rows = []
    for report in reports:
        for label, joints in (("seen", report.seen), ("hidden", report.hidden)):
            if not joints.num_joints:
                continue
            low, high = joints.energy_score_interval_mm
            rows.append([
                report.split, report.condition, label,
                f"{joints.energy_score_mm:.1f} ({low:.1f}-{high:.1f})",
                f"{100 * joints.coverage_50:.0f} %",
                f"{100 * joints.coverage_90:.0f} %",
                f"{joints.lowest_joint} {100 * joints.lowest_coverage_90:.0f} %",
                f"{joints.interval_ece:.3f} ({joints.interval_signed_ece:+.3f})",
                f"{joints.joint_ece:.3f} ({joints.joint_signed_ece:+.3f})",
                f"{joints.spread_mm:.0f}", f"{joints.error_of_mean_mm:.0f}",
                f"{joints.samples_error_2d:.1f}", f"{joints.mode_error_2d:.1f}",
                f"{joints.rank_correlation:.2f}",
                f"{100 * report.beyond_limits:.1f} %",
            ])  # fmt: skip
    return table(header, rows)


def _best_table(reports: Sequence[ConditionReport]) -> str:
    header = ["poses", "keypoints", *(f"N = {count}" for count in reports[0].counts)]
    rows = [
        [r.split, r.condition, *(f"{error:.1f}" for error in r.h36m_14.best_pa_mpjpe)]
        for r in reports
    ]
    return table(header, rows)
