"""The weight of keypoints in fits: posteriors with known answers, placing, the mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from prohmr_jax.evaluation.data_weight import log_likelihood_gain, placed_energy
from prohmr_jax.fitting.objectives import KEYPOINT_LATENT_WEIGHT, reprojection
from prohmr_jax.geometry.cameras import project
from prohmr_jax.structs import Camera, Keypoints2D

_WEIGHTS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0])


def test_the_weight_of_a_gaussian_measurement_is_found():
    # Prior N(0, 1), measurement with variance 0.5: E is the weighted squared residual
    # in the units of Eq. 11, so that weight 1 is the true posterior.
    rng = np.random.default_rng(0)
    people, samples = 2_000, 4_000
    truth = rng.normal(size=people)
    measured = truth + np.sqrt(0.5) * rng.normal(size=people)
    energy = lambda x: KEYPOINT_LATENT_WEIGHT * (x - measured[:, None]) ** 2 / 0.5  # noqa: E731
    drawn = rng.normal(size=(people, samples))
    gain = log_likelihood_gain(
        jnp.asarray(energy(truth[:, None])[:, 0]), jnp.asarray(energy(drawn)), _WEIGHTS
    ).mean(axis=0)
    np.testing.assert_allclose(gain[0], 0.0, atol=1e-5)
    assert np.argmax(gain) == list(_WEIGHTS).index(1.0)
    # The posterior is N(2/3 measured, 1/3): its mean log-density less the prior's.
    expected = np.mean(
        -0.5 * np.log(1 / 3) - 1.5 * (truth - 2 / 3 * measured) ** 2 + 0.5 * truth**2
    )
    np.testing.assert_allclose(gain[3], expected, atol=0.02)


def test_a_measurement_that_the_prior_has_counted_already_is_not_counted_again():
    # The model's distribution is the posterior itself: any weight makes it worse.
    rng = np.random.default_rng(1)
    truth = rng.normal(size=2_000)
    measured = truth + np.sqrt(0.5) * rng.normal(size=2_000)
    drawn = 2 / 3 * measured[:, None] + np.sqrt(1 / 3) * rng.normal(size=(2_000, 500))
    energy = lambda x: KEYPOINT_LATENT_WEIGHT * (x - measured[:, None]) ** 2 / 0.5  # noqa: E731
    gain = log_likelihood_gain(
        jnp.asarray(energy(truth[:, None])[:, 0]), jnp.asarray(energy(drawn)), _WEIGHTS
    ).mean(axis=0)
    assert np.all(np.diff(gain) < 0)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(2)
    joints = jnp.asarray(rng.uniform(-0.8, 0.8, (3, 44, 3)), jnp.float32)
    camera = Camera(
        translation=jnp.asarray([[0.1, 0.0, 6.0]] * 3),
        focal_length=jnp.full((3, 2), 900.0),
        center=jnp.full((3, 2), 112.0),
    )
    xy = project(joints, camera) + jnp.asarray(3.0 * rng.normal(size=(3, 44, 2)))
    confidence = jnp.asarray(rng.uniform(0.2, 1.0, (3, 44)), jnp.float32)
    return joints, camera, Keypoints2D(xy, confidence.at[:, ::5].set(0.0))


def test_bodies_are_placed_where_scipy_places_them(scene):
    joints, camera, keypoints = scene
    start = camera.replace(translation=camera.translation + jnp.array([0.3, -0.2, 1.0]))
    side = jnp.full(3, 224.0)
    energy = placed_energy(joints, keypoints, start, side)
    for person in range(3):
        pick = lambda tree, p=person: jax.tree.map(lambda a: a[p], tree)  # noqa: E731

        def energy_at(t, pick=pick):
            moved = pick(camera).replace(translation=jnp.asarray(t, jnp.float32))
            return float(
                reprojection(pick(joints), pick(keypoints), moved, jnp.float32(224.0))
            )

        least = scipy.optimize.minimize(
            energy_at, camera.translation[person], method="Nelder-Mead"
        )
        np.testing.assert_allclose(energy[person], least.fun, rtol=2e-3)


def test_missing_keypoints_may_be_anything(scene):
    joints, camera, keypoints = scene
    side = jnp.full(3, 224.0)
    expected = placed_energy(joints, keypoints, camera, side)
    missing = keypoints.confidence[..., None] == 0
    unknown = keypoints.replace(xy=jnp.where(missing, jnp.nan, keypoints.xy))
    np.testing.assert_array_equal(
        placed_energy(joints, unknown, camera, side), expected
    )
    nothing = keypoints.replace(confidence=jnp.zeros_like(keypoints.confidence))
    np.testing.assert_array_equal(placed_energy(joints, nothing, camera, side), 0.0)
