"""Errors of lifted skeletons against loops over people and samples, in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation.lifting_errors import (
    measure_skeletons,
    noisy,
    num_drawn,
)
from prohmr_jax.geometry.procrustes import align
from prohmr_jax.models.lifter_spec import build_lifter
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.synthetic.skeleton_pairs import JITTER_17, SkeletonPair
from tests.support.lifting_cases import SMALL_LIFTER, random_variables

COUNTS, CHUNK, PEOPLE = (1, 3, 5), 2, 3
MIXTURE = dataclasses.replace(SMALL_LIFTER, head="mixture", num_kernels=2)
MODEL, VARIABLES = build_lifter(MIXTURE), random_variables(MIXTURE)
MEAN_POSE = np.full((4, 3), 0.1, np.float32)


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(1)
    keypoints = Keypoints2D(
        rng.normal(size=(PEOPLE, 5, 2)).astype(np.float32),
        np.ones((PEOPLE, 5), np.float32),
    )
    joints = rng.normal(size=(PEOPLE, 4, 3)).astype(np.float32)
    return SkeletonPair(keypoints, joints), jax.random.split(jax.random.key(3), PEOPLE)


@pytest.fixture(scope="module")
def errors(people):
    pairs, keys = people
    return measure_skeletons(
        MODEL, VARIABLES, MEAN_POSE, pairs, keys, counts=COUNTS, chunk=CHUNK
    )


@pytest.fixture(scope="module")
def drawn(people):
    """All samples of every person, [P, N, J, 3], and the density of each person."""
    pairs, keys = people

    @jax.jit
    def draw(context, key):
        return MODEL.apply(VARIABLES, context, key, CHUNK, method="draw")

    @jax.jit
    def predict(keypoints):
        context = MODEL.apply(VARIABLES, keypoints, method="encode")
        return context, MODEL.apply(VARIABLES, context, method="density")

    context, density = predict(pairs.keypoints)
    chunks = [
        [draw(c, jax.random.fold_in(key, number)) for number in range(3)]
        for c, key in zip(context, keys, strict=True)
    ]
    return np.float64([np.concatenate(chunk) for chunk in chunks]), density


aligned_to = jax.jit(align)


def distance(a, b):
    return 1000.0 * np.mean(np.linalg.norm(np.float64(a) - np.float64(b), axis=-1))


def test_the_best_is_taken_of_the_first_samples(people, errors, drawn):
    truth = people[0].joints
    assert num_drawn(COUNTS, CHUNK) == 6
    for p, samples in enumerate(drawn[0]):
        raw = [distance(sample, truth[p]) for sample in samples]
        aligned = [
            distance(aligned_to(jnp.float32(sample), truth[p]), truth[p])
            for sample in samples
        ]
        for c, count in enumerate(COUNTS):
            best, best_pa = min(raw[:count]), min(aligned[:count])
            assert errors.samples.best_mpjpe[p, c] == pytest.approx(best, rel=1e-4)
            assert errors.samples.best_pa_mpjpe[p, c] == pytest.approx(
                best_pa, rel=1e-3, abs=0.05
            )


def test_answer_mean_pose_and_statistics_of_samples(people, errors, drawn):
    truth = people[0].joints
    samples, density = drawn
    answer = np.asarray(density.heaviest_mean())
    for p in range(PEOPLE):
        assert errors.mpjpe[p] == pytest.approx(distance(answer[p], truth[p]), rel=1e-4)
        expected = distance(np.broadcast_to(MEAN_POSE, (4, 3)), truth[p])
        assert errors.mean_pose_mpjpe[p] == pytest.approx(expected, rel=1e-4)
        below = np.sum(samples[p] < truth[p], axis=0)
        np.testing.assert_allclose(errors.samples.pit_rank[p], (below + 0.5) / 7)
        center = samples[p].mean(axis=0)
        squares = np.mean(np.sum((samples[p] - center) ** 2, axis=-1), axis=0)
        np.testing.assert_allclose(
            errors.samples.spread[p], 1000.0 * np.sqrt(squares), rtol=1e-3
        )
        gap = 1000.0 * np.linalg.norm(center - truth[p], axis=-1)
        np.testing.assert_allclose(errors.samples.mean_error[p], gap, rtol=1e-3)
    np.testing.assert_allclose(
        errors.samples.log_prob, density.log_prob(truth), rtol=1e-4
    )


def test_one_answer_has_no_samples(people):
    pairs, keys = people
    spec = dataclasses.replace(SMALL_LIFTER, head="point")
    measured = measure_skeletons(
        build_lifter(spec), random_variables(spec), MEAN_POSE, pairs, keys
    )
    assert measured.samples is None
    assert measured.mpjpe.shape == (PEOPLE,)


def test_noise_is_half_of_the_annotators_spread(rng):
    xy = rng.normal(size=(17, 2)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 4_000)
    gaps = jax.vmap(noisy, (0, None))(keys, xy) - xy
    side = np.max(np.ptp(xy, axis=0))
    deviation = np.sqrt(np.mean(np.square(gaps), axis=(0, 2)))
    np.testing.assert_allclose(deviation, 0.5 * side * JITTER_17, rtol=0.05)
