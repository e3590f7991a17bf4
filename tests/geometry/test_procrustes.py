"""Alignment: what similarities leave alone, what they cannot mend, degenerate sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.evaluation import metrics
from prohmr_jax.geometry import procrustes
from tests.support.batches import BATCHES

align = jax.jit(procrustes.align)


def similarity(rng, points):
    rotation = Rotation.random(rng=rng).as_matrix()
    return 0.7 * points @ rotation.T + rng.normal(size=3)


def float32(x):
    return jnp.asarray(x, jnp.float32)


def umeyama(source, target):
    """The textbook formula, one set at a time, float64."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / np.sum(a**2)
    return scale * a @ rotation.T + target.mean(0)


@pytest.mark.parametrize("batch", BATCHES)
def test_agrees_with_the_textbook(rng, batch):
    source = rng.normal(size=(*batch, 14, 3))
    target = source + 0.3 * rng.normal(size=source.shape)
    ours = align(float32(source), float32(target))
    assert ours.shape == source.shape
    flat = zip(source.reshape(-1, 14, 3), target.reshape(-1, 14, 3), strict=True)
    expected = np.stack([umeyama(s, t) for s, t in flat])
    np.testing.assert_allclose(np.reshape(ours, (-1, 14, 3)), expected, atol=1e-5)


def test_similar_sets_align_exactly_and_the_result_ignores_similarities(rng):
    source, target = rng.normal(size=(2, 14, 3))
    moved = similarity(rng, source)
    np.testing.assert_allclose(align(float32(source), float32(moved)), moved, atol=1e-5)
    np.testing.assert_allclose(
        align(float32(moved), float32(target)),
        align(float32(source), float32(target)),
        atol=1e-5,
    )
    assert metrics.pa_mpjpe(float32(source), float32(moved)) < 1e-5


def test_no_other_similarity_is_nearer(rng):
    source, target = rng.normal(size=(2, 14, 3))
    ours = np.asarray(align(float32(source), float32(target)), np.float64)
    best = np.sum((ours - target) ** 2)
    center = target.mean(0)
    for _ in range(200):
        turn = Rotation.from_rotvec(rng.normal(size=3) * 0.1).as_matrix()
        scale = np.exp(rng.normal() * 0.1)
        rival = scale * (ours - center) @ turn.T + center + rng.normal(size=3) * 0.01
        assert best <= np.sum((rival - target) ** 2) + 1e-6


def test_a_mirror_image_is_not_aligned(rng):
    source = rng.normal(size=(14, 3))
    mirrored = source * [-1.0, 1.0, 1.0]
    aligned = align(float32(source), float32(mirrored))
    np.testing.assert_allclose(aligned, umeyama(source, mirrored), atol=1e-5)
    assert metrics.mpjpe(aligned, float32(mirrored)) > 0.1


def test_flat_and_collinear_sets_align_exactly(rng):
    for dimensions in (1, 2):
        source = np.zeros((14, 3))
        source[:, :dimensions] = rng.normal(size=(14, dimensions))
        target = similarity(rng, source)
        aligned = align(float32(source), float32(target))
        np.testing.assert_allclose(aligned, target, atol=1e-5)


def test_single_points_go_to_the_centroid(rng):
    points, point = float32(rng.normal(size=(14, 3))), jnp.full((14, 3), 2.0)
    center = jnp.broadcast_to(points.mean(0), (14, 3))
    np.testing.assert_allclose(align(point, points), center, atol=1e-6)
    np.testing.assert_allclose(align(points, point), point, atol=1e-6)
    np.testing.assert_allclose(align(point, point), point)


def test_errors_are_those_of_loops(rng):
    predicted, target = rng.normal(size=(2, 3, 4, 14, 3))
    ours = metrics.mpjpe(float32(predicted), float32(target))
    aligned = metrics.pa_mpjpe(float32(predicted), float32(target))
    for index in np.ndindex(3, 4):
        p, t = predicted[index], target[index]
        loop = [np.sqrt(np.sum((a - b) ** 2)) for a, b in zip(p, t, strict=True)]
        np.testing.assert_allclose(ours[index], np.mean(loop), rtol=1e-5)
        rest = np.linalg.norm(umeyama(p, t) - t, axis=1).mean()
        np.testing.assert_allclose(aligned[index], rest, rtol=1e-5)
    assert np.all(aligned <= ours)


def test_weights_count_points_as_often(rng):
    source, target = rng.normal(size=(2, 6, 3))
    times = np.array([3, 1, 0, 2, 1, 1])
    weighted = align(float32(source), float32(target), float32(times))
    repeated = align(
        float32(np.repeat(source, times, axis=0)),
        float32(np.repeat(target, times, axis=0)),
    )
    np.testing.assert_allclose(
        np.repeat(np.asarray(weighted), times, axis=0), repeated, atol=1e-5
    )
    # Only the proportions count.
    halved = align(float32(source), float32(target), float32(0.5 * times))
    np.testing.assert_allclose(halved, weighted, atol=1e-5)
