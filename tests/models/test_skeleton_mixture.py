"""The mixture over skeletons agrees with SciPy, and its draws with its density."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

from prohmr_jax.errors import InputError
from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter
from prohmr_jax.models.skeleton_mixture import MIN_STD, SkeletonDensity
from tests.support.lifting_cases import SMALL_LIFTER, random_variables


def mixture(rng, *batch, kernels=3, joints=4):
    logits = rng.normal(size=(*batch, kernels)).astype(np.float32)
    return SkeletonDensity(
        log_weights=jax.nn.log_softmax(jnp.asarray(logits)),
        means=jnp.asarray(rng.normal(size=(*batch, kernels, joints, 3)), jnp.float32),
        std=jnp.asarray(rng.uniform(0.3, 2.0, (*batch, kernels)), jnp.float32),
    )


def log_density(weights, means, std, joints):
    """One density in float64, Gaussian by Gaussian, by SciPy."""
    terms = [
        np.log(w) + multivariate_normal.logpdf(joints.ravel(), m.ravel(), s**2)
        for w, m, s in zip(weights, means, std, strict=True)
    ]
    return np.logaddexp.reduce(terms)


def test_the_density_is_that_of_scipy(rng):
    density = mixture(rng, 2, 5)
    joints = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    weights = np.exp(np.float64(density.log_weights))
    actual = density.log_prob(joints)
    for row in np.ndindex(2, 5):
        expected = log_density(
            weights[row], np.float64(density.means)[row],
            np.float64(density.std)[row], np.float64(joints)[row],
        )  # fmt: skip
        assert actual[row] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_far_from_all_means_the_density_and_its_gradient_are_finite(rng):
    density = mixture(rng).replace(std=jnp.full(3, MIN_STD))
    value, gradient = jax.value_and_grad(density.log_prob)(jnp.full((4, 3), 50.0))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_the_density_integrates_to_one(rng):
    density = mixture(rng, kernels=2, joints=1)
    density = density.replace(std=jnp.array([0.5, 0.9]))
    axis = np.linspace(-7.0, 7.0, 71)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 1, 3)
    cell = (axis[1] - axis[0]) ** 3
    total = np.sum(np.exp(np.float64(density.log_prob(jnp.float32(grid))))) * cell
    assert total == pytest.approx(1.0, abs=1e-4)


def test_draws_follow_the_density(rng):
    """Draws near a mean are as many as its weight, and as far as its deviation."""
    means = 100.0 * jnp.arange(3.0)[:, None, None] * jnp.ones((3, 4, 3))
    density = mixture(rng).replace(means=means)
    draws = np.float64(density.draw(jax.random.key(0), 4_000))
    kernel = np.argmin(np.abs(draws[:, :1, 0] - 100.0 * np.arange(3)), axis=1)
    shares = np.bincount(kernel, minlength=3) / len(draws)
    np.testing.assert_allclose(shares, np.exp(density.log_weights), atol=0.03)
    for k in range(3):
        residual = (draws[kernel == k] - np.float64(means[k])) / float(density.std[k])
        squares, freedom = np.sum(residual**2), residual.size
        assert 1e-4 < chi2.cdf(squares, freedom) < 1 - 1e-4


def test_the_single_answer_is_the_mean_of_the_largest_weight(rng):
    density = mixture(rng, 6)
    heaviest = np.argmax(density.log_weights, axis=1)
    expected = np.stack([density.means[i, k] for i, k in enumerate(heaviest)])
    np.testing.assert_array_equal(density.heaviest_mean(), expected)


@pytest.mark.parametrize("head", ["point", "mixture"])
def test_the_networks_have_the_methods_of_the_flow(rng, head):
    spec = dataclasses.replace(SMALL_LIFTER, head=head, encoder_dropout=0.0)
    model, variables = build_lifter(spec), random_variables(spec)
    context = rng.normal(size=(3, 7)).astype(np.float32)
    z = np.zeros((3, 2, model.latent_features), np.float32)
    answer = model.apply(variables, context, z, method="hypotheses")
    assert answer.joints.shape == (3, 2, 4, 3)
    assert answer.log_prob.shape == (3, 2)
    np.testing.assert_array_equal(answer.joints[:, 0], answer.joints[:, 1])
    if head == "mixture":
        density = model.apply(variables, context, method="density")
        np.testing.assert_allclose(np.exp(density.log_weights).sum(1), 1.0, rtol=1e-5)
        assert np.all(density.std > MIN_STD)
        one = answer.joints[:, 0]
        log_prob = model.apply(variables, context, one, method="log_prob")
        np.testing.assert_allclose(log_prob, answer.log_prob[:, 0], rtol=1e-5)
    else:
        flat = context @ variables["params"]["last"]["kernel"]
        flat = flat + variables["params"]["last"]["bias"]
        np.testing.assert_allclose(
            answer.joints[:, 0].reshape(3, -1), flat, rtol=1e-4, atol=1e-5
        )


def test_impossible_heads_are_refused():
    with pytest.raises(InputError, match=r"model.head: 'line' is not"):
        build_lifter(LifterSpec(head="line"))
    with pytest.raises(InputError, match="num_kernels"):
        build_lifter(LifterSpec(head="mixture", num_kernels=0))
