"""Ranks, coverage and calibration errors on distributions that are right or wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from prohmr_jax.evaluation import calibration
from tests.support.batches import BATCHES

PEOPLE, JOINTS = 3000, 2
ALL = np.ones((PEOPLE, JOINTS), bool)

pit_ranks = jax.jit(calibration.pit_ranks)
median_distance_ranks = jax.jit(calibration.median_distance_ranks)
interval_coverage = jax.jit(
    calibration.interval_coverage, static_argnames=("num_samples", "axis")
)
median_joint_coverage = jax.jit(calibration.median_joint_coverage)
mean_person_coverage = jax.jit(calibration.mean_person_coverage)


def drawn(num_samples, scale=1.0, seed=0):
    """Truths from a Gaussian, and samples from one that is `scale` times as wide."""
    truth_key, samples_key = jax.random.split(jax.random.key(seed))
    truth = jax.random.normal(truth_key, (PEOPLE, JOINTS, 3))
    samples = jax.random.normal(samples_key, (PEOPLE, num_samples, JOINTS, 3))
    return scale * samples, truth


@pytest.mark.parametrize("batch", BATCHES)
def test_ranks_count_samples_below_and_half_the_ties(rng, batch):
    # Few values, so that there are many ties.
    samples = rng.integers(0, 4, (*batch, 9, 2, 3)).astype(np.float32)
    truth = rng.integers(0, 4, (*batch, 2, 3)).astype(np.float32)
    ranks = pit_ranks(samples, truth)
    assert ranks.shape == truth.shape
    for *index, j, axis in np.ndindex(*truth.shape):
        values = samples[(*index, slice(None), j, axis)]
        true = truth[(*index, j, axis)]
        rank = sum(v < true for v in values) + (sum(v == true for v in values) + 1) / 2
        np.testing.assert_allclose(ranks[(*index, j, axis)], rank / 10, rtol=1e-6)


@pytest.mark.parametrize("num_samples", [1, 4, 25, 200])
def test_every_possible_rank_together_covers_exactly_the_level(num_samples):
    ranks = (np.arange(num_samples + 1) + 0.5) / (num_samples + 1)
    ranks = ranks.astype(np.float32)[:, None, None]
    coverage = interval_coverage(ranks, np.ones((1, 1)), num_samples)
    np.testing.assert_allclose(coverage, calibration.LEVELS, atol=1e-5)


@pytest.mark.parametrize("num_samples", [10, 200])
def test_the_true_gaussian_is_calibrated(num_samples):
    samples, truth = drawn(num_samples)
    ranks = pit_ranks(samples, truth)
    levels = np.float32([0.5, 0.9])
    coverage = interval_coverage(ranks, ALL, num_samples, levels, axis=0)
    assert coverage.shape == (JOINTS, 3, 2)
    binomial = np.sqrt(levels * (1 - levels) / PEOPLE)
    assert np.all(np.abs(coverage - levels) < 4 * binomial)
    pooled = interval_coverage(ranks, ALL, num_samples)
    assert calibration.expected_calibration_error(pooled) < 0.02
    assert abs(calibration.signed_calibration_error(pooled)) < 0.02


@pytest.mark.parametrize("scale", [0.4, 2.0])
def test_a_wrong_width_covers_what_the_closed_form_says(scale):
    samples, truth = drawn(400, scale)
    ranks = pit_ranks(samples, truth)
    levels = np.float32([0.5, 0.9])
    coverage = interval_coverage(ranks, ALL, 400, levels)
    expected = 2 * norm.cdf(scale * norm.ppf((1 + levels) / 2)) - 1
    np.testing.assert_allclose(coverage, expected, atol=0.015)
    pooled = interval_coverage(ranks, ALL, 400)
    signed = calibration.signed_calibration_error(pooled)
    assert np.sign(signed) == np.sign(scale - 1)
    assert abs(signed) > 0.1
    # Wrong to one side at every level: both errors say the same.
    error = calibration.expected_calibration_error(pooled)
    np.testing.assert_allclose(error, abs(signed), atol=2e-3)


def test_a_point_mass_covers_nothing_or_itself():
    truth = np.zeros((5, 1, 3), np.float32)
    levels = np.float32([0.1, 0.5, 0.9, 0.95])
    ones = np.ones((5, 1), bool)
    for gap, expected in ((0.3, 0.0), (-0.3, 0.0), (0.0, 1.0)):
        samples = np.full((5, 200, 1, 3), gap, np.float32)
        ranks = pit_ranks(samples, truth)
        coverage = interval_coverage(ranks, ones, 200, levels)
        np.testing.assert_allclose(coverage, np.full(4, expected), atol=1e-6)


def test_joints_without_weight_do_not_count(rng):
    ranks = np.full((4, 2, 3), 0.5, np.float32)
    ranks[:, 1] = np.nan
    weights = np.array([True, False])
    coverage = interval_coverage(ranks, weights, 50, axis=0)
    np.testing.assert_array_equal(coverage[0, :, 1:], np.ones((3, 20)))
    np.testing.assert_array_equal(coverage[1], np.zeros((3, 21)))


def published_shares(samples, truth, mask, hidden_only=False):
    """w(q) as published, with NumPy's quantiles in float64."""
    samples, truth = np.float64(samples), np.float64(truth)
    quantiles = np.linspace(0, 1, 21)
    shares = []
    for person, true in zip(samples, truth, strict=True):
        median = np.sort(person, axis=0)[(len(person) - 1) // 2]
        distances = np.linalg.norm(person - median, axis=-1)
        values = np.quantile(distances, quantiles, axis=0)
        shares.append(values > np.linalg.norm(true - median, axis=-1))
    shares = np.where(mask[:, None], np.float64(shares), np.nan)
    if hidden_only:
        people = mask.any(axis=1)
        return np.nanmean(shares[people], axis=2).mean(axis=0)
    return np.median(np.nanmean(shares, axis=0), axis=1)


@pytest.mark.parametrize("num_samples", [2, 7, 200])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_published_error_is_that_of_plain_loops(rng, num_samples, scale):
    samples = scale * rng.normal(size=(60, num_samples, 5, 3)).astype(np.float32)
    truth = rng.normal(size=(60, 5, 3)).astype(np.float32)
    mask = rng.random((60, 5)) < 0.6
    mask[:3] = False
    ranks = median_distance_ranks(samples, truth)
    median = median_joint_coverage(ranks, mask)
    np.testing.assert_allclose(
        median, published_shares(samples, truth, mask), atol=1e-6
    )
    mean = mean_person_coverage(ranks, mask)
    expected = published_shares(samples, truth, mask, hidden_only=True)
    np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_published_error_of_right_and_narrow_gaussians():
    errors = {}
    for scale in (0.4, 1.0):
        samples, truth = drawn(200, scale)
        ranks = median_distance_ranks(samples, truth)
        coverage = median_joint_coverage(ranks, ALL)
        errors[scale] = (
            calibration.expected_calibration_error(coverage),
            calibration.signed_calibration_error(coverage),
        )
    assert errors[1.0][0] < 0.02
    assert errors[0.4][1] < -0.2
    np.testing.assert_allclose(errors[0.4][0], -errors[0.4][1], atol=1e-3)


def test_distance_rank_is_one_beyond_all_samples_and_negative_before_all(rng):
    samples = np.float32([[-3.0], [-2.0], [0.0], [2.0], [3.0]])[:, None]
    ranks = [median_distance_ranks(samples, np.float32([[y]])) for y in (9, 2.5, 0.0)]
    # Distances 0, 2, 2, 3, 3: half way from the third to the fourth.
    np.testing.assert_allclose(np.ravel(ranks), [1.0, 2.5 / 4, 0.0], atol=1e-6)
    # The componentwise median may be a point where no sample is.
    samples = np.float32([[1, 0, 0], [0, 1, 0], [0, 0, 1]])[:, None]
    assert median_distance_ranks(samples, np.zeros((1, 3), np.float32)) == -1.0


def test_without_any_weight_coverage_is_zero_and_never_nan():
    ranks = jnp.full((3, 2), 0.4)
    none = np.zeros((3, 2), bool)
    for coverage in (
        median_joint_coverage(ranks, none),
        mean_person_coverage(ranks, none),
    ):
        np.testing.assert_array_equal(coverage, np.zeros(21))
