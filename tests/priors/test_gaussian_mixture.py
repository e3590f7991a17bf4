"""The mixture of Gaussians over poses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import split_heading
from prohmr_jax.poses.limits import free_of_self_intersection, within_joint_limits
from prohmr_jax.priors import gaussian_mixture
from prohmr_jax.priors.gaussian_mixture import NUM_BODY, NUM_POSE, PosePrior
from prohmr_jax.skeleton import SMPL_24


def toy_prior(num=3, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(num))
    means = rng.normal(0.0, 0.3, (num, NUM_POSE))
    cholesky = np.tril(rng.normal(0.0, 0.01, (num, NUM_POSE, NUM_POSE)))
    cholesky += 0.08 * np.eye(NUM_POSE)
    return PosePrior(
        *(jnp.asarray(a, jnp.float32) for a in (np.log(weights), means, cholesky))
    )


def as_float64(prior):
    return (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(prior))


@pytest.mark.parametrize("batch_shape", [(), (5,), (2, 3)])
def test_log_prob_is_that_of_the_marginal_mixture(batch_shape):
    prior = toy_prior()
    rng = np.random.default_rng(1)
    body = rng.normal(0.0, 0.3, (*batch_shape, NUM_BODY))
    log_weights, means, cholesky = as_float64(prior)
    covariances = cholesky @ np.swapaxes(cholesky, 1, 2)
    expected = logsumexp(
        [
            w + multivariate_normal(m[:NUM_BODY], c[:NUM_BODY, :NUM_BODY]).logpdf(body)
            for w, m, c in zip(log_weights, means, covariances, strict=True)
        ],
        axis=0,
    )
    got = gaussian_mixture.log_prob(prior, jnp.asarray(body, jnp.float32))
    assert got.shape == batch_shape
    np.testing.assert_allclose(got, expected, rtol=2e-4)


def test_log_prob_has_the_gradient_of_the_nearest_gaussian_at_its_mean():
    prior = toy_prior()
    slope = jax.grad(lambda x: gaussian_mixture.log_prob(prior, x))
    at_mean = slope(prior.means[0, :NUM_BODY])
    aside = slope(prior.means[0, :NUM_BODY] + 0.01)
    assert np.abs(at_mean).max() < 1e-2 * np.abs(aside).max()


@pytest.mark.parametrize("batch_shape", [(), (4,), (2, 3)])
def test_samples_are_rotations_of_any_batch_shape(batch_shape):
    draw = jax.jit(gaussian_mixture.sample, static_argnums=2)
    orient, body = draw(toy_prior(), jax.random.key(0), batch_shape)
    assert orient.shape == (*batch_shape, 3, 3)
    assert body.shape == (*batch_shape, len(SMPL_24) - 1, 3, 3)
    for rotmat in (orient, body):
        identity = jnp.swapaxes(rotmat, -1, -2) @ rotmat
        np.testing.assert_allclose(
            identity, jnp.broadcast_to(jnp.eye(3), identity.shape), atol=1e-5
        )
        np.testing.assert_allclose(jnp.linalg.det(rotmat), 1.0, atol=1e-5)


def test_samples_have_the_mixture_s_moments_and_every_heading():
    # One Gaussian, so that means and covariances of samples are its own.
    prior = toy_prior(num=1)
    orient, body = gaussian_mixture.sample(prior, jax.random.key(0), (4000,))
    vectors = Rotation.from_matrix(np.asarray(body).reshape(-1, 3, 3)).as_rotvec()
    vectors = vectors.reshape(-1, NUM_BODY)
    _, means, cholesky = as_float64(prior)
    covariance = (cholesky[0] @ cholesky[0].T)[:NUM_BODY, :NUM_BODY]
    np.testing.assert_allclose(vectors.mean(0), means[0, :NUM_BODY], atol=1e-2)
    np.testing.assert_allclose(np.cov(vectors.T), covariance, atol=2e-3)
    heading, swing = split_heading(np.asarray(orient, np.float64))
    np.testing.assert_allclose(
        swing[:, [0, 2]].mean(0), means[0, [NUM_BODY, NUM_BODY + 2]], atol=1e-2
    )
    counts, _ = np.histogram(heading, bins=8, range=(-np.pi, np.pi))
    np.testing.assert_allclose(counts, 500, rtol=0.2)


def test_components_are_drawn_by_weight():
    prior = toy_prior()
    means = jnp.zeros_like(prior.means).at[:, 0].set(jnp.array([-1.0, 0.0, 1.0]))
    prior = prior.replace(means=means, cholesky=prior.cholesky * 0.1)
    drawn = gaussian_mixture.sample_axis_angle(prior, jax.random.key(3), (5000,))
    first = np.round(np.asarray(drawn[:, 1, 0]))
    counts = [np.mean(first == value) for value in (-1, 0, 1)]
    np.testing.assert_allclose(counts, np.exp(prior.weights_log), atol=0.025)


def test_vmap_equals_a_batch_and_keys_matter():
    prior = toy_prior()
    bodies = jax.random.normal(jax.random.key(0), (4, NUM_BODY)) * 0.3
    mapped = jax.vmap(lambda x: gaussian_mixture.log_prob(prior, x))(bodies)
    np.testing.assert_allclose(
        mapped, gaussian_mixture.log_prob(prior, bodies), rtol=1e-5
    )
    one, two = (
        gaussian_mixture.sample(prior, jax.random.key(k), ())[1] for k in (0, 1)
    )
    assert not np.allclose(one, two)


def test_a_prior_survives_its_file(tmp_path):
    prior = toy_prior()
    path = tmp_path / "prior.npz"
    gaussian_mixture.save_pose_prior(path, prior)
    read = gaussian_mixture.load_pose_prior(path)
    np.testing.assert_allclose(read.weights_log, prior.weights_log, atol=1e-6)
    np.testing.assert_array_equal(read.means, prior.means)
    np.testing.assert_allclose(read.cholesky, prior.cholesky, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"means": np.zeros((2, 70))}, "shape"),
        ({"means": np.full((2, NUM_POSE), np.nan)}, "not finite"),
        ({"weights_log": np.zeros(2)}, "sum to 2"),
        ({"cholesky_packed": np.zeros((2, NUM_POSE * (NUM_POSE + 1) // 2))},
         "positive definite"),
    ],
)  # fmt: skip
def test_faulty_priors_are_refused(tmp_path, change, says):
    rows, columns = np.tril_indices(NUM_POSE)
    arrays = {
        "weights_log": np.log([0.5, 0.5]),
        "means": np.zeros((2, NUM_POSE)),
        "cholesky_packed": np.tile(np.eye(NUM_POSE)[rows, columns], (2, 1)),
    }
    path = tmp_path / "prior.npz"
    np.savez(path, **(arrays | change))
    with pytest.raises(InputError, match=says):
        gaussian_mixture.load_pose_prior(path)


def test_shipped_prior_draws_poses_that_bodies_take():
    prior = gaussian_mixture.load_pose_prior()
    drawn = np.asarray(
        gaussian_mixture.sample_axis_angle(prior, jax.random.key(0), (400,)), np.float64
    )
    assert within_joint_limits(drawn).mean() > 0.4
    assert free_of_self_intersection(drawn).mean() > 0.5
    standing = np.zeros((len(SMPL_24), 3))
    standing[SMPL_24.index("left_shoulder"), 2] = -1.2
    standing[SMPL_24.index("right_shoulder"), 2] = 1.2
    broken = standing.copy()
    # Knees and an elbow the wrong way, the head turned backwards.
    for name, axis, angle in (
        ("left_knee", 0, -1.2), ("right_knee", 0, -1.2),
        ("left_elbow", 1, 1.2), ("head", 1, 1.5),
    ):  # fmt: skip
        broken[SMPL_24.index(name), axis] = angle
    likely, unlikely = (
        gaussian_mixture.log_prob(prior, jnp.asarray(p[1:].reshape(-1), jnp.float32))
        for p in (standing, broken)
    )
    assert likely > unlikely + 50.0
