"""Compares training recipes in one table; `modes/ablate_keypoints` calls it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.keypoint_report import ConditionReport, JointsReport
from prohmr_jax.files.json_text import read_json
from prohmr_jax.files.markdown import table

RecipeReports = list[Sequence[ConditionReport]]
"""Reports of one recipe: for each seed, those of all splits and conditions."""


def read_reports(path: str | os.PathLike) -> list[ConditionReport]:
    """Returns the reports that `modes/evaluate_keypoints` wrote as JSON.

    Args:
      path: path of the JSON file.

    Raises:
      InputError: the file cannot be read, or holds something else.
    """
    try:
        return [_report_of(fields) for fields in read_json(path)["reports"]]
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(path, "is not a report of an evaluation of lifting") from error


def _report_of(fields: dict[str, Any]) -> ConditionReport:
    parts = {
        "h36m_14": Errors(**fields["h36m_14"]),
        "smpl_24": Errors(**fields["smpl_24"]),
        "seen": JointsReport(**fields["seen"]),
        "hidden": JointsReport(**fields["hidden"]),
        "counts": tuple(fields["counts"]),
        "mode_pa_interval": tuple(fields["mode_pa_interval"]),
    }
    return ConditionReport(**fields | parts)


def mean_and_deviation(values: Sequence[float], digits: int, scale: float = 1.0) -> str:
    """Returns the mean over seeds as text, with the standard deviation behind ±.

    One value alone has no deviation, and none is written.

    Args:
      values: one number per seed.
      digits: number of decimal places.
      scale: factor of all values.
    """
    scaled = scale * np.asarray(values, np.float64)
    text = f"{scaled.mean():.{digits}f}"
    if len(scaled) > 1:
        text += f" ± {scaled.std(ddof=1):.{digits}f}"
    return text


def ablation_table(recipes: Mapping[str, RecipeReports]) -> str:
    """Returns a table with one row per recipe, split, condition and kind of joints.

    Rows of one split and condition stand together, so that recipes can be compared.

    Args:
      recipes: the reports of each recipe by name, one or more seeds.
    """
    header = [
        "poses", "keypoints", "joints", "recipe", "seeds", "ECE per axis",
        "50 % holds", "90 % holds", "energy score mm", "2D of samples %",
        "mode PA", "best of 100 PA",
    ]  # fmt: skip
    rows = []
    first = next(iter(recipes.values()))[0]
    for position, report in enumerate(first):
        for kind in ("seen", "hidden"):
            if not getattr(report, kind).num_joints:
                continue
            for name, seeds in recipes.items():
                same = [reports[position] for reports in seeds]
                rows.append([
                    report.split, report.condition, kind, name.replace("_", " "),
                    len(seeds), *_numbers(same, kind),
                ])  # fmt: skip
    return table(header, rows)


def _numbers(reports: Sequence[ConditionReport], kind: str) -> list[str]:
    joints = [getattr(report, kind) for report in reports]
    best = [r.h36m_14.best_pa_mpjpe[_position_of_100(r.counts)] for r in reports]
    return [
        mean_and_deviation([j.interval_ece for j in joints], 3),
        mean_and_deviation([j.coverage_50 for j in joints], 0, 100.0) + " %",
        mean_and_deviation([j.coverage_90 for j in joints], 0, 100.0) + " %",
        mean_and_deviation([j.energy_score_mm for j in joints], 1),
        mean_and_deviation([j.samples_error_2d for j in joints], 1),
        mean_and_deviation([r.h36m_14.mode_pa_mpjpe for r in reports], 1),
        mean_and_deviation(best, 1),
    ]


def _position_of_100(counts: Sequence[int]) -> int:
    """Returns where 100 is among the numbers N, or the last of them."""
    return counts.index(100) if 100 in counts else len(counts) - 1
