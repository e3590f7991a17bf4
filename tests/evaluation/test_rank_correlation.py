"""Spearman's correlation: that of SciPy, row by row."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from prohmr_jax.evaluation.rank_correlation import (
    correlations_within_joints,
    correlations_within_people,
    rank_correlations,
)


@pytest.mark.parametrize("num_values", [5, 1000])
def test_is_scipys_also_with_ties_and_gaps(rng, num_values):
    first = rng.integers(0, num_values, (6, 40)).astype(float)
    second = first + rng.integers(0, num_values, (6, 40))
    counted = rng.random((6, 40)) < 0.7
    result = rank_correlations(first, second, counted)
    assert result.is_defined.all()
    for row in range(6):
        pairs = first[row][counted[row]], second[row][counted[row]]
        expected = spearmanr(*pairs).statistic
        np.testing.assert_allclose(result.values[row], expected, atol=1e-12)
    np.testing.assert_allclose(result.mean(), result.values.mean())


def test_monotone_is_one_and_reversed_is_minus_one(rng):
    values = rng.normal(size=(3, 20))
    np.testing.assert_allclose(rank_correlations(values, np.exp(values)).values, 1.0)
    np.testing.assert_allclose(rank_correlations(values, -(values**3)).values, -1.0)


def test_constant_short_and_empty_rows_are_left_out(rng):
    first, second = rng.normal(size=(2, 4, 6))
    first[0] = 2.0
    counted = np.ones((4, 6), bool)
    counted[1, 2:] = False
    counted[2] = False
    result = rank_correlations(first, second, counted)
    np.testing.assert_array_equal(result.is_defined, [False, False, False, True])
    np.testing.assert_array_equal(result.values[:3], np.zeros(3))
    assert result.mean() == result.values[3]
    assert rank_correlations(first[:1], second[:1]).mean() is None


def test_within_joints_and_within_people_turn_the_table(rng):
    # Errors follow the spread over joints; over people they are against it.
    person, joint = np.arange(7.0)[:, None], np.arange(5.0)
    spread, error = joint + 10 * person, joint - 10 * person
    mask = rng.random((7, 5)) < 0.9
    np.testing.assert_allclose(
        correlations_within_joints(spread, error, mask).values, np.full(5, -1.0)
    )
    np.testing.assert_allclose(
        correlations_within_people(spread, error, mask).values, np.full(7, 1.0)
    )
