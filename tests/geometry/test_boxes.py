"""Boxes: tight, square, from the joints that count and no others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.geometry import boxes
from prohmr_jax.structs import Keypoints2D
from tests.support.batches import BATCHES


def detections(rng, *batch, joints=25):
    return Keypoints2D(
        xy=jnp.asarray(rng.uniform(10, 600, (*batch, joints, 2)), jnp.float32),
        confidence=jnp.asarray(rng.uniform(0, 1, (*batch, joints)), jnp.float32),
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_the_box_is_the_larger_extent_times_the_margin(rng, batch):
    keypoints = detections(rng, *batch)
    box = boxes.box_from_keypoints(keypoints, 0.3)
    assert box.size.shape == batch
    people = zip(
        np.asarray(keypoints.xy).reshape(-1, 25, 2),
        np.asarray(keypoints.confidence).reshape(-1, 25),
        np.asarray(box.center).reshape(-1, 2),
        np.asarray(box.size).reshape(-1),
        strict=True,
    )
    for xy, confidence, center, size in people:
        seen = [point for point, c in zip(xy, confidence, strict=True) if c > 0.3]
        low, high = np.min(seen, axis=0), np.max(seen, axis=0)
        np.testing.assert_allclose(center, (low + high) / 2, rtol=1e-6)
        np.testing.assert_allclose(size, 1.2 * np.max(high - low), rtol=1e-6)


def test_joints_that_do_not_count_do_not_move_the_box(rng):
    keypoints = detections(rng)
    hidden = keypoints.replace(confidence=keypoints.confidence.at[:5].set(0.0))
    elsewhere = hidden.replace(xy=hidden.xy.at[:5].set(1e5))
    a, b = boxes.box_from_keypoints(hidden), boxes.box_from_keypoints(elsewhere)
    np.testing.assert_array_equal(a.center, b.center)
    np.testing.assert_array_equal(a.size, b.size)


def test_the_box_moves_and_grows_with_the_person(rng):
    keypoints = detections(rng, 4)
    box = boxes.box_from_keypoints(keypoints)
    moved = boxes.box_from_keypoints(keypoints.replace(xy=3.0 * keypoints.xy + 50.0))
    np.testing.assert_allclose(moved.center, 3.0 * box.center + 50.0, rtol=1e-5)
    np.testing.assert_allclose(moved.size, 3.0 * box.size, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_joints_still_give_a_box_with_an_area(count):
    valid = jnp.arange(25) < count
    box = jax.jit(boxes.box_around)(jnp.full((25, 2), 7.0), valid)
    assert np.all(np.isfinite(box.center))
    assert box.size > 0
    np.testing.assert_array_equal(box.center, 7.0 * count)


def test_the_official_rule_looks_at_the_position_instead_of_the_confidence():
    keypoints = Keypoints2D(
        xy=jnp.asarray([[50.0, 0.0], [60.0, 20.0], [70.0, 30.0]]),
        confidence=jnp.asarray([0.9, 0.0, 0.9]),
    )
    np.testing.assert_array_equal(boxes.confident(keypoints), [True, False, True])
    np.testing.assert_array_equal(
        boxes.official_validity(keypoints), [False, True, True]
    )
