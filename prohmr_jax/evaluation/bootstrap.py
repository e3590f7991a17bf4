"""Confidence intervals of means over people, by resampling the people.

On the host, in float64, once over all people evaluated.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

# Resamples drawn at a time: their counts are a table of this many rows per person.
_BLOCK = 100


@dataclasses.dataclass(frozen=True)
class MeanInterval:
    """Holds a mean over people and its confidence interval: `[*c]`, unit of values."""

    mean: np.ndarray
    """The mean itself."""
    low: np.ndarray
    """Lower end of its confidence interval."""
    high: np.ndarray
    """Upper end of its confidence interval."""


def bootstrap_mean(
    values: np.ndarray,
    *,
    seed: int,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 1000,
) -> MeanInterval:
    """Returns a mean over people with its percentile bootstrap confidence interval.

    People are drawn anew, as many as there are, with replacement, and the mean is
    taken of them; the interval reaches between the quantiles (1 - level) / 2 and
    (1 + level) / 2 of such means (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 13). With groups (actions), people are drawn within each
    group, and the mean is that of the groups' means. People must be independent:
    frames of one clip are not, so give the means of clips where that matters.

    Args:
      values: [P, *c], any unit; where the weight is 0 they may be NaN.
      seed: of the draws.
      weights: [P] or [P, *c], not negative; None for all alike. A person without a
        hidden joint has the weight 0 in a mean over hidden joints.
      groups: [P], the label of each person's group; None for one group. A group
        without weight is left out of the mean of groups.
      level: nominal probability of the interval.
      num_resamples: how often people are drawn anew.

    Raises:
      ValueError: no person has a weight.
    """
    values = np.asarray(values, np.float64)
    shape = values.shape[1:]
    table = values.reshape(len(values), -1)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights)
    weights = weights.reshape(*weights.shape, *(1,) * (values.ndim - weights.ndim))
    weights = np.broadcast_to(weights, values.shape).reshape(table.shape)
    weights = weights.astype(np.float64)
    if not np.all(weights.sum(axis=0) > 0):
        raise ValueError("a mean over people needs a person with a weight")
    weighted = np.where(weights > 0, weights * table, 0.0)

    labels = np.zeros(len(values)) if groups is None else np.asarray(groups)
    _, member_of = np.unique(labels, return_inverse=True)
    rng = np.random.default_rng(seed)
    exact, drawn = [], []
    for group in range(member_of.max() + 1):
        members = member_of == group
        sums, totals = weighted[members], weights[members]
        everyone = np.ones((1, len(sums)))
        exact.append(_ratio(everyone @ sums, everyone @ totals))
        blocks = _resamples(rng, len(sums), num_resamples)
        means = [_ratio(counts @ sums, counts @ totals) for counts in blocks]
        drawn.append(np.concatenate(means))
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(_mean_of_groups(drawn), [tail, 1.0 - tail], axis=0)
    mean = _mean_of_groups(exact)[0]
    return MeanInterval(mean.reshape(shape), low.reshape(shape), high.reshape(shape))


def _resamples(
    rng: np.random.Generator, num_people: int, num_resamples: int
) -> Iterator[np.ndarray]:
    """Yields [<= 100, num_people]: how often each person was drawn."""
    for start in range(0, num_resamples, _BLOCK):
        rows = min(_BLOCK, num_resamples - start)
        people = rng.integers(0, num_people, (rows, num_people))
        cells = people + num_people * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * num_people)
        yield counts.reshape(rows, num_people).astype(np.float64)


def _ratio(sums: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1.0), np.nan)


def _mean_of_groups(means: list[np.ndarray]) -> np.ndarray:
    """Returns the mean of those groups that have weight; NaN where none has."""
    stacked = np.stack(means)
    has_weight = ~np.isnan(stacked)
    number = has_weight.sum(axis=0)
    return _ratio(np.where(has_weight, stacked, 0.0).sum(axis=0), number)
