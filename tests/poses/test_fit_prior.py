"""The fit of the mixture over poses, and how its size is chosen."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from prohmr_jax.poses.build_bank import build_pose_bank
from prohmr_jax.poses.fit_prior import (
    choose_num_components,
    fit_mixture,
    pose_vectors,
    split_for_validation,
)
from prohmr_jax.poses.kinematics import split_heading, to_rotmat
from tests.support.poses_cases import random_poses, some_clips


def test_pose_vectors_hold_the_body_and_a_swing_without_heading():
    poses = random_poses(6)
    vectors = pose_vectors(poses)
    np.testing.assert_array_equal(vectors[:, :69], poses[:, 1:].reshape(6, 69))
    heading, swing = split_heading(to_rotmat(poses[:, 0]))
    np.testing.assert_array_equal(vectors[:, 69:], swing)
    assert np.any(heading != 0.0)


def test_validation_takes_every_fourth_clip_of_an_action():
    fitting, validating = split_for_validation(some_clips(4, 9))
    assert [c.name for c in validating] == ["walk__3", "walk__7"]
    assert len(fitting) == 7


def test_fit_recovers_two_clusters_and_scores_like_scipy():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    vectors = rng.normal(0.0, 0.1, (900, 6)) + (rng.random((900, 1)) < 1 / 3) * 2.0
    mixture = fit_mixture(vectors, 2, seed=0)
    weights, means = mixture.weights_, mixture.means_
    order = np.argsort(means[:, 0])
    np.testing.assert_allclose(weights[order], [2 / 3, 1 / 3], atol=0.05)
    np.testing.assert_allclose(means[order], [[0.0] * 6, [2.0] * 6], atol=0.03)
    densities = [
        np.log(w) + multivariate_normal(m, c).logpdf(vectors)
        for w, m, c in zip(weights, means, mixture.covariances_, strict=True)
    ]
    expected = logsumexp(densities, axis=0).mean()
    assert mixture.score(vectors) == pytest.approx(expected, rel=1e-5)


def test_the_likelier_number_of_gaussians_has_the_higher_score():
    pytest.importorskip("sklearn")
    clips = some_clips(num_frames=80, num_clips=5)
    scores = choose_num_components(clips, [1, 2], num_poses=400, seed=0)
    assert list(scores) == [1, 2]
    fitting, validating = split_for_validation(clips)
    vectors = pose_vectors(build_pose_bank(fitting, 400, 0).axis_angle)
    mean, covariance = vectors.mean(0), np.cov(vectors.T, bias=True)
    covariance += np.deg2rad(2.5) ** 2 * np.eye(72)
    unseen = pose_vectors(validating[0].axis_angle)
    expected = multivariate_normal(mean, covariance).logpdf(unseen).mean()
    assert scores[1] == pytest.approx(expected, rel=1e-3)
