"""Mean, medoid, spread and 2D error of samples, at once and streamed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation import calibration
from prohmr_jax.evaluation import sample_statistics as statistics
from prohmr_jax.evaluation.streaming import SampleMoments
from prohmr_jax.evaluation.weighted_means import (
    seen_and_hidden_means,
    weighted_mean,
    weighted_rms,
)
from prohmr_jax.geometry.spread import spread
from tests.support.batches import BATCHES


def test_spread_of_an_isotropic_gaussian():
    samples = 0.05 * jax.random.normal(jax.random.key(0), (20_000, 2, 3)) + 3.0
    result = spread(samples)
    np.testing.assert_allclose(result, 0.05 * np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize("batch", BATCHES)
def test_spread_is_the_root_mean_square_distance_from_the_mean(rng, batch):
    samples = rng.normal(size=(*batch, 7, 2, 3)).astype(np.float32)
    result = jax.jit(spread)(samples)
    exact = np.float64(samples)
    gaps = exact - exact.mean(axis=-3, keepdims=True)
    expected = np.sqrt(np.mean(np.sum(gaps**2, axis=-1), axis=-2))
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_spread_of_a_point_mass_is_zero_with_a_zero_gradient():
    samples = jnp.ones((5, 2, 3))
    value, gradient = jax.value_and_grad(lambda s: spread(s).sum())(samples)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(samples))


@pytest.mark.parametrize("batch", BATCHES)
def test_medoid_has_the_least_mean_distance(rng, batch):
    samples = rng.normal(size=(*batch, 11, 4, 3)).astype(np.float32)
    medoid = jax.jit(statistics.medoid_of_samples)(samples)
    assert medoid.shape == (*batch, 4, 3)
    for index in np.ndindex(*batch):
        poses = samples[index]
        totals = [np.linalg.norm(poses - p, axis=-1).sum() for p in poses]
        np.testing.assert_array_equal(medoid[index], poses[np.argmin(totals)])


def test_medoid_of_two_modes_lies_in_the_larger_one_and_the_mean_in_neither(rng):
    modes = np.where(np.arange(30) < 20, -1.0, 1.0)[:, None, None]
    samples = (modes + 0.01 * rng.normal(size=(30, 2, 3))).astype(np.float32)
    medoid = statistics.medoid_of_samples(samples)
    assert np.all(np.abs(medoid + 1) < 0.1)
    assert np.all(np.abs(statistics.mean_of_samples(samples) + 1 / 3) < 0.1)


def test_error_2d_is_in_percent_of_the_box(rng):
    samples = rng.normal(size=(6, 4, 3, 2)).astype(np.float32)
    true = rng.normal(size=(6, 3, 2)).astype(np.float32)
    result = statistics.mean_error_2d(samples, true)
    expected = 100 * np.linalg.norm(samples - true[:, None], axis=-1).mean(axis=1)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("chunks", [[], [1], [5, 6, 30]])
def test_streamed_moments_and_ranks_equal_those_of_all_samples(rng, chunks):
    # Far from the origin, where a difference of squares would cancel.
    samples = (100 + 0.1 * rng.integers(-3, 4, (2, 40, 3, 3))).astype(np.float32)
    truth = samples[:, 0]
    moments = SampleMoments.start(jnp.asarray(truth))
    add = jax.jit(SampleMoments.add)
    for part in np.split(samples, chunks, axis=1):
        moments = add(moments, part)
    np.testing.assert_allclose(moments.mean, samples.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(moments.spread(), spread(np.float64(samples)), rtol=1e-3)
    np.testing.assert_array_equal(
        moments.pit_ranks(), calibration.pit_ranks(samples, truth)
    )


def test_moments_are_carried_through_a_scan():
    truth = jnp.zeros((2, 3, 3))
    keys = jax.random.split(jax.random.key(0), 64)

    def take_chunk(moments, key):
        return moments.add(0.2 * jax.random.normal(key, (2, 64, 3, 3))), None

    moments, _ = jax.lax.scan(take_chunk, SampleMoments.start(truth), keys)
    assert moments.num_added == 4096
    np.testing.assert_allclose(moments.spread(), 0.2 * np.sqrt(3), rtol=0.03)
    np.testing.assert_allclose(moments.pit_ranks(), 0.5, atol=0.03)


def test_people_without_a_hidden_joint_do_not_poison_the_mean():
    values = np.float32([[1.0, 3.0], [5.0, np.nan]])
    seen = np.array([[True, True], [False, True]])
    seen_mean, hidden_mean = seen_and_hidden_means(values[:, :1], seen[:, :1])
    np.testing.assert_array_equal(seen_mean, [1.0, 0.0])
    np.testing.assert_array_equal(hidden_mean, [0.0, 5.0])
    has_hidden = (~seen[:, :1]).any(axis=1)
    assert weighted_mean(hidden_mean, has_hidden) == 5.0
    assert weighted_mean(values, np.array([[True, True], [True, False]])) == 3.0
    assert weighted_mean(values, np.zeros((2, 2), bool)) == 0.0


def test_weighted_means_are_those_of_numpy(rng):
    values = rng.normal(size=(3, 4, 5)).astype(np.float32)
    weights = rng.random((4, 1)).astype(np.float32)
    everywhere = np.broadcast_to(weights, values.shape)
    for axis in (None, 0, -1, (0, 2)):
        expected = np.average(values, axis=axis, weights=everywhere)
        np.testing.assert_allclose(
            weighted_mean(values, weights, axis), expected, atol=1e-6
        )
    square = np.sqrt(np.average(values**2, weights=everywhere))
    np.testing.assert_allclose(weighted_rms(values, weights), square, rtol=1e-6)
