"""Hypotheses are reduced to the centres of their clusters, each person alone."""

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.quantisation import quantise, quantised_errors
from tests.support.joint_loops import loop_errors

JOINTS, CLUSTERS = 5, 3


def clustered(rng, per_cluster=8):
    """Joints near three places far apart, and the mean of those at each place."""
    places = 3.0 * rng.normal(size=(CLUSTERS, 1, JOINTS, 3))
    near = 0.05 * rng.normal(size=(CLUSTERS, per_cluster, JOINTS, 3))
    joints = (places + near).astype(np.float32)
    flat = joints.reshape(-1, JOINTS, 3)
    return rng.permutation(flat), joints.astype(np.float64).mean(axis=1)


def test_centres_are_the_means_of_clusters(rng):
    joints, means = clustered(rng)
    centres = quantise(joints, CLUSTERS, np.random.default_rng(0))
    order = np.argsort(centres[:, 0, 0])
    expected = means[np.argsort(means[:, 0, 0])]
    np.testing.assert_allclose(centres[order], expected, atol=1e-5)


def test_the_best_centre_counts_and_batches_do_not_matter(rng):
    people = np.stack([clustered(rng)[0] for _ in range(3)])
    truth = rng.normal(size=(3, JOINTS, 3)).astype(np.float32)
    errors = quantised_errors(people, truth, (1, 3), seed=4, first=0)
    for person in range(3):
        for column, number in enumerate((1, 3)):
            seed = np.random.default_rng((4, person))
            centres = quantise(people[person], number, seed)
            every = [loop_errors(centre, truth[person]) for centre in centres]
            actual = errors.pa_mpjpe[person, column], errors.mpjpe[person, column]
            np.testing.assert_allclose(actual, np.min(every, axis=0), rtol=1e-4)
    mean = loop_errors(people[0].astype(np.float64).mean(axis=0), truth[0])
    np.testing.assert_allclose(errors.mpjpe[0, 0], mean[1], rtol=1e-4)
    last = quantised_errors(people[2:], truth[2:], (1, 3), seed=4, first=2)
    np.testing.assert_allclose(last.pa_mpjpe[0], errors.pa_mpjpe[2], rtol=1e-5)


def test_there_must_be_enough_different_hypotheses():
    with pytest.raises(InputError, match="fewer than 2 different"):
        quantise(np.ones((9, JOINTS, 3)), 2, np.random.default_rng(0))
