"""The energy score: closed forms, numerical integrals, plain loops, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, gamma
from scipy.stats import norm

from prohmr_jax.geometry import energy_score as scores
from tests.support.batches import BATCHES

energy_score = jax.jit(scores.energy_score)


def by_loops(samples, truth):
    """The score in float64, pair by pair; samples [N, J, D], truth [J, D]."""
    samples, truth = np.float64(samples), np.float64(truth)
    number, joints = samples.shape[:2]
    result = np.zeros(joints)
    for j in range(joints):
        to_truth = [np.linalg.norm(x - truth[j]) for x in samples[:, j]]
        pairs = [
            np.linalg.norm(samples[a, j] - samples[b, j])
            for a in range(number)
            for b in range(number)
            if a != b
        ]
        result[j] = np.mean(to_truth) - 0.5 * np.mean(pairs)
    return result


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("number", [2, 3, 4, 7, 12])
def test_is_the_mean_over_pairs_for_odd_and_even_numbers(rng, batch, number):
    samples = rng.normal(size=(*batch, number, 2, 3)).astype(np.float32)
    truth = rng.normal(size=(*batch, 2, 3)).astype(np.float32)
    result = energy_score(samples, truth)
    assert result.shape == (*batch, 2)
    assert result.dtype == jnp.float32
    for index in np.ndindex(*batch):
        expected = by_loops(samples[index], truth[index])
        np.testing.assert_allclose(result[index], expected, atol=2e-6)


def test_mean_distances_to_others_are_those_of_each_sample(rng):
    samples = rng.normal(size=(9, 2, 3)).astype(np.float32)
    result = scores.mean_distances_to_others(samples)
    for i in range(9):
        others = np.delete(samples, i, axis=0)
        expected = np.linalg.norm(others - samples[i], axis=-1).mean(axis=0)
        np.testing.assert_allclose(result[i], expected, rtol=1e-5)


@pytest.mark.parametrize("truth", [0.0, 0.3, -2.0])
def test_of_a_gaussian_on_a_line_is_the_closed_form(truth):
    # Gneiting and Raftery (2007), section 4.2: the CRPS of a Gaussian.
    draws = jax.random.normal(jax.random.key(1), (200, 400, 1, 1))
    result = jnp.mean(energy_score(0.5 * draws, jnp.full((200, 1, 1), 0.5 * truth)))
    z = truth
    expected = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert abs(result - 0.5 * expected) < 2e-3


@pytest.mark.parametrize("away", [0.0, 1.5])
def test_of_an_isotropic_gaussian_in_space_is_the_closed_form(away):
    std = 0.1
    draws = std * jax.random.normal(jax.random.key(2), (100, 400, 1, 3))
    truth = jnp.array([[away * std, 0.0, 0.0]])
    result = jnp.mean(energy_score(draws, jnp.broadcast_to(truth, (100, 1, 3))))
    # Maxwell's mean, and that of the non-central chi distribution of 3 axes.
    mean_norm = np.sqrt(2) * gamma(2) / gamma(1.5)
    if away:
        mean_to_truth = (away + 1 / away) * erf(away / np.sqrt(2))
        mean_to_truth += np.sqrt(2 / np.pi) * np.exp(-(away**2) / 2)
    else:
        mean_to_truth = mean_norm
    expected = std * (mean_to_truth - 0.5 * np.sqrt(2) * mean_norm)
    assert abs(result - expected) < 2e-3


def test_of_a_mixture_is_the_integral_of_squared_distribution_differences():
    # On a line the energy score is the integral of (F(x) - [x >= y])^2.
    means, std, truth = np.array([-1.0, 2.0]), 0.3, 0.4
    key_side, key_noise = jax.random.split(jax.random.key(3))
    side = jax.random.bernoulli(key_side, 0.25, (200, 400, 1, 1)).astype(int)
    draws = jnp.asarray(means, jnp.float32)[side]
    draws = draws + std * jax.random.normal(key_noise, draws.shape)
    result = jnp.mean(energy_score(draws, jnp.full((200, 1, 1), truth)))
    x = np.linspace(-6, 7, 200_001)
    cdf = 0.75 * norm.cdf(x, means[0], std) + 0.25 * norm.cdf(x, means[1], std)
    expected = np.trapezoid((cdf - (x >= truth)) ** 2, x)
    assert abs(result - expected) < 5e-3


def test_of_a_point_mass_is_the_distance():
    point, truth = np.float32([[1.0, 2.0, 3.0]]), np.float32([[1.0, 2.0, 7.0]])
    samples = np.repeat(point[None], 50, axis=0)
    np.testing.assert_allclose(energy_score(samples, truth), [4.0], rtol=1e-6)
    np.testing.assert_array_equal(energy_score(samples, point), [0.0])


def test_the_true_distribution_scores_better_than_narrow_wide_or_moved_ones():
    key_truth, key_samples = jax.random.split(jax.random.key(4))
    truth = jax.random.normal(key_truth, (2000, 1, 3))
    draws = jax.random.normal(key_samples, (2000, 50, 1, 3))
    right = jnp.mean(energy_score(draws, truth))
    for wrong in (0.5 * draws, 2.0 * draws, draws + 0.5, 0.0 * draws):
        assert jnp.mean(energy_score(wrong, truth)) > right + 0.03


def test_one_sample_has_no_pair():
    with pytest.raises(ValueError, match="two samples"):
        scores.energy_score(np.zeros((1, 2, 3), np.float32), np.zeros((2, 3)))


@pytest.mark.parametrize("number", [2, 3])
def test_gradient_is_finite_where_everything_coincides(number):
    samples = jnp.ones((4, number, 5, 3))
    gradient = jax.grad(lambda s: jnp.sum(energy_score(s, samples[:, 0])))(samples)
    np.testing.assert_array_equal(gradient, np.zeros_like(samples))


@pytest.mark.parametrize("number", [2, 3, 6])
def test_gradient_is_that_of_finite_differences(rng, number):
    samples = rng.normal(size=(number, 2, 3)).astype(np.float32)
    truth = rng.normal(size=(2, 3)).astype(np.float32)
    gradient = jax.grad(lambda s: jnp.sum(energy_score(s, truth)))(samples)
    for index in np.ndindex(*samples.shape):
        step = np.zeros(samples.shape)
        step[index] = 1e-5
        ahead, behind = by_loops(samples + step, truth), by_loops(samples - step, truth)
        slope = np.sum(ahead - behind) / 2e-5
        np.testing.assert_allclose(gradient[index], slope, atol=1e-5)


def test_memory_does_not_grow_with_the_square_of_the_number_of_samples():
    shape = jax.ShapeDtypeStruct((1000, 4, 3), jnp.float32)
    truth = jax.ShapeDtypeStruct((4, 3), jnp.float32)

    def total(samples, truth):
        return jnp.sum(scores.energy_score(samples, truth))

    for function in (total, jax.grad(total)):
        compiled = jax.jit(function).lower(shape, truth).compile()
        size_of_samples = 1000 * 4 * 3 * 4
        assert compiled.memory_analysis().temp_size_in_bytes < 20 * size_of_samples
