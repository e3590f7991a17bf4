"""Loss terms against float64 loops written from their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import structs
from prohmr_jax.evaluation import metrics
from prohmr_jax.training import losses

RNG = np.random.default_rng(0)


def test_keypoint_2d_loss_is_a_confidence_weighted_l1_sum():
    predicted, target = RNG.normal(size=(2, 3, 7, 2))
    confidence = RNG.uniform(size=(3, 7))
    expected = [
        sum(
            confidence[b, j] * abs(predicted[b, j, c] - target[b, j, c])
            for j in range(7)
            for c in range(2)
        )
        for b in range(3)
    ]
    actual = losses.keypoint_2d_loss(predicted, target, confidence)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_keypoint_3d_loss_ignores_where_the_body_stands():
    predicted, target = RNG.normal(size=(2, 4, 9, 3)).astype(np.float32)
    confidence = RNG.uniform(size=(4, 9)).astype(np.float32)
    base = losses.keypoint_3d_loss(predicted, target, confidence, 5)
    moved = losses.keypoint_3d_loss(
        predicted + 3.0, target - np.float32([1.0, 2.0, 4.0]), confidence, 5
    )
    np.testing.assert_allclose(base, moved, rtol=1e-5)
    difference = (predicted - predicted[:, 5:6]) - (target - target[:, 5:6])
    expected = np.einsum("bj,bjc->b", confidence, np.abs(difference))
    np.testing.assert_allclose(base, expected, rtol=1e-5)


def test_rotation_and_betas_losses_are_sums_of_squares():
    a, b = RNG.normal(size=(2, 5, 23, 3, 3))
    np.testing.assert_allclose(
        losses.rotation_loss(a, b), ((a - b) ** 2).reshape(5, -1).sum(1), rtol=1e-5
    )
    x, y = RNG.normal(size=(2, 5, 10))
    np.testing.assert_allclose(losses.betas_loss(x, y), ((x - y) ** 2).sum(1), 1e-5)


def test_orthogonality_is_zero_for_rotations_and_a_mean_of_four_entries_otherwise():
    identity = np.tile([1.0, 0, 0, 0, 1, 0], (2, 24, 1)).astype(np.float32)
    np.testing.assert_allclose(losses.orthogonality_loss(identity), 0.0, atol=1e-7)
    pose = RNG.normal(size=(3, 24, 6))
    expected = []
    for person in pose:
        total = 0.0
        for block in person:
            columns = np.stack([block[:3], block[3:]], axis=1)
            total += ((columns.T @ columns - np.eye(2)) ** 2).sum()
        expected.append(total / (24 * 4))
    np.testing.assert_allclose(losses.orthogonality_loss(pose), expected, rtol=1e-5)


def energy_by_loops(samples, truth, confidence):
    """The loss of one person in float64, pair by pair; samples [K, J, D]."""
    number, joints = samples.shape[:2]
    total = 0.0
    for j in range(joints):
        to_truth = [np.linalg.norm(x - truth[j]) for x in samples[:, j]]
        apart = [
            np.linalg.norm(samples[a, j] - samples[b, j])
            for a in range(number)
            for b in range(a)
        ]
        total += confidence[j] * (np.mean(to_truth) - 0.5 * np.mean(apart))
    return total


@pytest.mark.parametrize(("number", "axes"), [(2, 2), (3, 3), (8, 3)])
def test_energy_loss_is_a_weighted_sum_of_scores_over_joints(number, axes):
    samples = RNG.normal(size=(4, number, 7, axes))
    truth, confidence = RNG.normal(size=(4, 7, axes)), RNG.uniform(size=(4, 7))
    expected = list(map(energy_by_loops, samples, truth, confidence))
    result = losses.energy_loss(*map(jnp.float32, (samples, truth, confidence)))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_energy_loss_of_two_samples_on_either_side_is_known():
    # E|X - y| = 1 and E|X - X'| = 2: the score is 0, and 1 without the pair.
    samples = jnp.array([[[1.0, 0.0, 0.0]], [[-1.0, 0.0, 0.0]]])
    assert float(losses.energy_loss(samples, jnp.zeros((1, 3)), jnp.ones(1))) == 0.0
    both = samples.at[1].set(samples[0])
    assert float(losses.energy_loss(both, jnp.zeros((1, 3)), jnp.ones(1))) == 1.0


def test_energy_loss_does_not_depend_on_order_place_or_turn_of_the_frame():
    samples = jnp.float32(RNG.normal(size=(5, 9, 3)))
    truth, confidence = jnp.float32(RNG.normal(size=(9, 3))), jnp.ones(9)
    base = losses.energy_loss(samples, truth, confidence)
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    change = lambda points: jnp.float32(points @ turn + np.arange(3))  # noqa: E731
    moved = losses.energy_loss(change(samples), change(truth), confidence)
    np.testing.assert_allclose(moved, base, rtol=1e-5)
    reordered = losses.energy_loss(samples[::-1], truth, confidence)
    np.testing.assert_allclose(reordered, base, rtol=1e-5)


def test_energy_loss_has_a_finite_gradient_where_samples_coincide():
    samples = jnp.ones((2, 4, 5, 3))
    gradient = jax.grad(
        lambda s: jnp.sum(losses.energy_loss(s, jnp.ones((2, 5, 3)), jnp.ones((2, 5))))
    )(samples)
    np.testing.assert_array_equal(gradient, np.zeros_like(samples))
    away = jax.grad(
        lambda s: jnp.sum(losses.energy_loss(s, jnp.zeros((2, 5, 3)), jnp.ones((2, 5))))
    )(samples)
    np.testing.assert_allclose(away, 1 / (4 * np.sqrt(3)), rtol=1e-5)


def test_joints_without_confidence_and_single_samples_have_no_energy_loss():
    samples = jnp.float32(RNG.normal(size=(2, 3, 4, 2)))
    none = losses.energy_loss(samples, samples[:, 0], jnp.zeros((2, 4)))
    np.testing.assert_array_equal(none, [0.0, 0.0])
    for number in (0, 1):
        few = losses.energy_loss(samples[:, :number], samples[:, 0], jnp.ones((2, 4)))
        np.testing.assert_array_equal(few, [0.0, 0.0])


def test_weighted_sum_covers_every_term():
    names = list(structs.LossTerms.__dataclass_fields__)
    values = {n: jnp.float32(2.0**i) for i, n in enumerate(names)}
    terms = structs.LossTerms(**values)
    weights = structs.LossTerms(**{n: float(i + 1) for i, n in enumerate(names)})
    expected = sum((i + 1) * 2.0**i for i in range(len(names)))
    assert float(losses.weighted_sum(terms, weights)) == pytest.approx(expected)


def test_masked_mean_of_nothing_is_zero_with_finite_gradient():
    values = jnp.ones((3,))
    assert float(metrics.masked_mean(values, jnp.zeros(3, bool))) == 0.0
    gradient = jax.grad(lambda v: metrics.masked_mean(v, jnp.zeros(3, bool)))(values)
    assert np.isfinite(gradient).all()


def test_pa_mpjpe_is_blind_to_similarity_and_mpjpe_is_not():
    joints = RNG.normal(size=(3, 14, 3)).astype(np.float32)
    turned = 1.7 * joints[:, :, [1, 2, 0]] + 0.4
    np.testing.assert_allclose(metrics.pa_mpjpe(turned, joints), 0.0, atol=1e-5)
    assert (np.asarray(metrics.mpjpe(turned, joints)) > 0.1).all()
