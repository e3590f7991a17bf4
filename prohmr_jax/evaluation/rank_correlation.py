"""Measures whether the spread of samples tells where the error is large.

On the host, in float64, once over all people evaluated.
"""

import dataclasses

import numpy as np
from scipy.stats import rankdata

# Of two pairs of values the correlation is 1 or -1 whatever they are.
_MIN_PAIRS = 3


@dataclasses.dataclass(frozen=True)
class RankCorrelations:
    """Holds one rank correlation per row of a table."""

    values: np.ndarray
    """[R] float64, in [-1, 1]; 0 where it is not defined."""
    is_defined: np.ndarray
    """[R] bool: the row counts three pairs or more, and neither side is constant."""

    def mean(self) -> float | None:
        """Returns the mean of those that are defined; None if none is."""
        return (
            float(self.values[self.is_defined].mean())
            if self.is_defined.any()
            else None
        )


def rank_correlations(
    first: np.ndarray, second: np.ndarray, counted: np.ndarray | None = None
) -> RankCorrelations:
    """Returns Spearman's rank correlation of each row of two tables.

    It is Pearson's correlation of the ranks; tied values share their mean rank
    (Spearman, The Proof and Measurement of Association between Two Things, 1904).

    Args:
      first: [R, M], any unit.
      second: [R, M], any unit.
      counted: [R, M] bool, which pairs count; None for all.
    """
    counted = np.ones(np.shape(first), bool) if counted is None else counted
    ranks = [
        rankdata(np.where(counted, table, np.nan), axis=-1, nan_policy="omit")
        for table in (first, second)
    ]
    number = np.sum(counted, axis=-1, keepdims=True)

    def centred(rank):
        rank = np.where(counted, rank, 0.0)
        mean = rank.sum(-1, keepdims=True) / np.maximum(number, 1)
        return np.where(counted, rank - mean, 0.0)

    one, other = map(centred, ranks)
    variances = np.sum(one**2, axis=-1) * np.sum(other**2, axis=-1)
    is_defined = (variances > 0) & (number[..., 0] >= _MIN_PAIRS)
    product = np.sum(one * other, axis=-1)
    values = product / np.sqrt(np.where(is_defined, variances, 1.0))
    return RankCorrelations(np.where(is_defined, values, 0.0), is_defined)


def correlations_within_joints(
    spread: np.ndarray, error: np.ndarray, counted: np.ndarray | None = None
) -> RankCorrelations:
    """Returns, for each joint, the rank correlation of spread and error over people.

    It says whether the spread tells which people the error is large for.

    Args:
      spread: [P, J], any unit.
      error: [P, J], any unit.
      counted: [P, J] bool, which joints of which people count; None for all.
    """
    turned = None if counted is None else np.transpose(counted)
    return rank_correlations(np.transpose(spread), np.transpose(error), turned)


def correlations_within_people(
    spread: np.ndarray, error: np.ndarray, counted: np.ndarray | None = None
) -> RankCorrelations:
    """Returns, for each person, the rank correlation of spread and error over joints.

    It says whether the spread tells which of a person's joints the error is large
    at. Arguments as in `correlations_within_joints`.
    """
    return rank_correlations(spread, error, counted)
