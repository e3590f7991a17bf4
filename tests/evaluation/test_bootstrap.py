"""Bootstrap intervals: they hold the true mean as often as they say."""

import numpy as np
import pytest

from prohmr_jax.evaluation.bootstrap import bootstrap_mean


def test_holds_the_known_mean_about_as_often_as_nominal(rng):
    hits = {0.5: 0, 0.9: 0}
    for seed in range(400):
        values = rng.exponential(size=60)
        for level in hits:
            interval = bootstrap_mean(values, seed=seed, level=level, num_resamples=300)
            hits[level] += interval.low <= 1.0 <= interval.high
    assert abs(hits[0.5] / 400 - 0.5) < 0.08
    assert 0.83 < hits[0.9] / 400 < 0.94


def test_of_many_people_is_the_normal_interval(rng):
    values = rng.normal(3.0, 2.0, size=4000)
    interval = bootstrap_mean(values, seed=1)
    half_width = 1.96 * values.std() / np.sqrt(4000)
    np.testing.assert_allclose(interval.mean, values.mean(), rtol=1e-12)
    np.testing.assert_allclose(interval.low, interval.mean - half_width, atol=0.008)
    np.testing.assert_allclose(interval.high, interval.mean + half_width, atol=0.008)


def test_many_values_of_a_person_at_once_share_the_draws(rng):
    values = rng.normal(size=(50, 2, 3))
    both = bootstrap_mean(values, seed=4)
    assert both.low.shape == (2, 3)
    alone = bootstrap_mean(values[:, 1, 2], seed=4)
    np.testing.assert_allclose(both.low[1, 2], alone.low)
    np.testing.assert_allclose(both.high[1, 2], alone.high)
    again = bootstrap_mean(values, seed=4)
    np.testing.assert_array_equal(again.low, both.low)
    assert np.any(bootstrap_mean(values, seed=5).low != both.low)


def test_groups_count_alike_and_people_are_drawn_within_them(rng):
    groups = np.repeat(["walk", "run", "sit"], [500, 20, 80])
    centre = np.repeat([1.0, 5.0, 30.0], [500, 20, 80])
    values = centre + rng.normal(size=600)
    interval = bootstrap_mean(values, groups=groups, seed=0)
    parts = [values[groups == g] for g in ("walk", "run", "sit")]
    np.testing.assert_allclose(interval.mean, np.mean([p.mean() for p in parts]))
    # Differences between groups add nothing to the width.
    error = np.sqrt(sum(p.var() / len(p) for p in parts)) / 3
    width = interval.high - interval.low
    np.testing.assert_allclose(width, 2 * 1.96 * error, rtol=0.15)
    constant = bootstrap_mean(centre, groups=groups, seed=0)
    np.testing.assert_allclose([constant.low, constant.high], 12.0)


def test_weights_leave_people_out(rng):
    values = rng.normal(size=40)
    values[20:] = np.nan
    weights = (np.arange(40) < 20).astype(float)
    interval = bootstrap_mean(values, weights=weights, seed=0)
    np.testing.assert_allclose(interval.mean, values[:20].mean())
    assert interval.low < interval.mean < interval.high
    # The second group has no weight: the mean of groups is that of the first.
    groups = np.arange(40) // 20
    by_group = bootstrap_mean(values, weights=weights, groups=groups, seed=0)
    np.testing.assert_allclose(by_group.mean, interval.mean)
    assert np.isfinite([by_group.low, by_group.high]).all()


def test_weights_of_each_value_are_those_of_numpy(rng):
    values, weights = rng.normal(size=(30, 2)), rng.random((30, 2))
    interval = bootstrap_mean(values, weights=weights, seed=0)
    np.testing.assert_allclose(
        interval.mean, np.average(values, axis=0, weights=weights)
    )


def test_nobody_has_no_mean():
    with pytest.raises(ValueError, match="weight"):
        bootstrap_mean(np.ones(3), weights=np.zeros(3), seed=0)
