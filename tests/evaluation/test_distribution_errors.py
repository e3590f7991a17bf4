"""Errors of distributions by person, and their means apart for seen and hidden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation import distribution_errors as measures
from prohmr_jax.geometry.energy_score import energy_score

distribution_errors = jax.jit(measures.distribution_errors)
summarize_seen_and_hidden = jax.jit(measures.summarize_seen_and_hidden)

PEOPLE, SAMPLES, JOINTS = 1500, 100, 3
SEEN_STD, HIDDEN_STD = 0.03, 0.2


@pytest.fixture(scope="module")
def people():
    """Hidden joints are predicted rightly, seen ones a third as wide as they are."""
    keys = jax.random.split(jax.random.key(0), 3)
    seen = jax.random.bernoulli(keys[0], 0.6, (PEOPLE, JOINTS)).at[0].set(True)
    std = jnp.where(seen, SEEN_STD, HIDDEN_STD)[..., None]
    truth = std * jax.random.normal(keys[1], (PEOPLE, JOINTS, 3))
    draws = jax.random.normal(keys[2], (PEOPLE, SAMPLES, JOINTS, 3))
    predicted_std = jnp.where(seen, SEEN_STD / 3, HIDDEN_STD)[:, None, :, None]
    samples = predicted_std * draws
    # The joint that is the origin: both sides agree by choice.
    samples, truth = (a.at[..., JOINTS - 1, :].set(0.0) for a in (samples, truth))
    return samples, truth, samples[..., :2], truth[..., :2], seen


@pytest.fixture(scope="module")
def errors(people):
    return distribution_errors(*people)


COUNTED = np.arange(JOINTS) < JOINTS - 1


def test_seen_and_hidden_joints_are_summed_up_apart(errors):
    seen, hidden = summarize_seen_and_hidden(errors, COUNTED)
    assert seen.num_joints + hidden.num_joints == 2 * PEOPLE
    np.testing.assert_allclose(hidden.coverage_50, 0.5, atol=0.04)
    np.testing.assert_allclose(hidden.coverage_90, 0.9, atol=0.02)
    assert hidden.interval_ece < 0.02
    assert hidden.joint_ece < 0.03
    assert hidden.person_ece < 0.03
    np.testing.assert_allclose(hidden.rms_spread, hidden.rms_mean_error, rtol=0.05)
    np.testing.assert_allclose(hidden.spread, HIDDEN_STD * np.sqrt(3), rtol=0.02)
    np.testing.assert_allclose(seen.spread, SEEN_STD / np.sqrt(3), rtol=0.02)
    assert seen.coverage_90 < 0.5
    for signed in (
        seen.interval_signed_ece,
        seen.joint_signed_ece,
        seen.person_signed_ece,
    ):
        assert signed < -0.2
    np.testing.assert_allclose(seen.rms_mean_error, SEEN_STD * np.sqrt(3), rtol=0.04)


def test_means_are_those_of_numpy(errors):
    seen, hidden = summarize_seen_and_hidden(errors, COUNTED)
    for name in ("energy_score", "sample_error", "mean_error", "medoid_error",
                 "spread", "error_2d"):  # fmt: skip
        values = np.asarray(getattr(errors, name))[:, COUNTED]
        mask = np.asarray(errors.seen)[:, COUNTED]
        np.testing.assert_allclose(getattr(seen, name), values[mask].mean(), rtol=1e-4)
        expected = values[~mask].mean()
        np.testing.assert_allclose(getattr(hidden, name), expected, rtol=1e-4)


def test_batches_stack_to_the_whole(people, errors):
    parts = [
        distribution_errors(*(a[start : start + 500] for a in people))
        for start in range(0, PEOPLE, 500)
    ]
    stacked = jax.tree.map(lambda *a: np.concatenate(a), *parts)
    assert stacked.num_samples == SAMPLES
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), stacked, errors
    )


def test_extra_leading_axes_do_not_matter(people):
    few = tuple(a[:4] for a in people)
    folded = distribution_errors(*(a.reshape(2, 2, *a.shape[1:]) for a in few))
    flat = distribution_errors(*few)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a.reshape(b.shape), b, atol=1e-6),
        folded,
        flat,
    )
    one = summarize_seen_and_hidden(folded, COUNTED)
    two = summarize_seen_and_hidden(flat, COUNTED)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), one, two)


def test_the_energy_score_is_the_one_of_its_own_function(people, errors):
    expected = energy_score(people[0][:10], people[1][:10])
    np.testing.assert_allclose(errors.energy_score[:10], expected, atol=1e-7)


def test_where_nothing_is_hidden_the_summary_is_zero_and_finite(people):
    samples, truth, samples_xy, true_xy, seen = (a[:4] for a in people)
    all_seen = jnp.ones_like(seen)
    result = distribution_errors(samples, truth, samples_xy, true_xy, all_seen)
    _, hidden = summarize_seen_and_hidden(result, COUNTED)
    for value in jax.tree.leaves(hidden):
        assert value == 0.0
