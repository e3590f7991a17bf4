"""Writes tables of errors of tracks; the modes that measure tracks call it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prohmr_jax.evaluation.bootstrap import MeanInterval, bootstrap_mean
from prohmr_jax.files import markdown


def errors_table(
    columns: Mapping[str, str],
    errors: Mapping[str, Sequence[Any]],
    clips: Sequence[int],
    seed: int,
) -> str:
    """Returns a table of Markdown with a row for each method.

    Cells are means over clips, where the tracks of one clip count as one, with 95 %
    intervals by bootstrap over clips. The last column is the first column minus that
    of the first method, clip by clip.

    Args:
      columns: titles of the columns by the names of the errors.
      errors: errors of the same T tracks by method, with those names as attributes; NaN
        where a track has no such error.
      clips: number of the clip of each track, [T].
      seed: seed of the bootstrap.
    """
    by_clip = {
        method: {
            name: means_of_clips([getattr(e, name) for e in of_method], clips)
            for name in columns
        }
        for method, of_method in errors.items()
    }
    first = next(iter(columns))
    base = next(iter(by_clip.values()))[first]
    rows = []
    for number, (method, means) in enumerate(by_clip.items()):
        cells = [_cell(interval_of_means(means[name], seed)) for name in columns]
        change = _cell(interval_of_means(means[first] - base, seed), sign="+")
        rows.append([method, *cells, change if number else "0"])
    change_title = f"{columns[first]} minus the first row's"
    return markdown.table(["method", *columns.values(), change_title], rows)


def means_of_clips(values: Sequence[float], clips: Sequence[int]) -> np.ndarray:
    """Returns the mean of each clip's tracks, [C]; NaN where no track has a value.

    Args:
      values: an error of each track, [T]; NaN where it has none.
      clips: number of the clip of each track, [T].
    """
    values, clips = np.asarray(values, float), np.asarray(clips)
    numbers = np.unique(clips)
    means = np.full(len(numbers), np.nan)
    for place, number in enumerate(numbers):
        of_clip = values[clips == number]
        if np.isfinite(of_clip).any():
            means[place] = np.nanmean(of_clip)
    return means


def interval_of_means(means: np.ndarray, seed: int) -> MeanInterval | None:
    """Returns the mean over clips and its interval; None if no clip has a value.

    Args:
      means: means of clips, [C], NaN where a clip has none.
      seed: seed of the bootstrap.
    """
    has_value = np.isfinite(means)
    if not has_value.any():
        return None
    return bootstrap_mean(means, seed=seed, weights=has_value.astype(float))


def _cell(interval: MeanInterval | None, sign: str = "") -> str:
    if interval is None:
        return "none"
    low, high = float(interval.low), float(interval.high)
    return f"{float(interval.mean):{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"
