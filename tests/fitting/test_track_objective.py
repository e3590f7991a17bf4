"""The objective of tracks against loops in float64, its gradient, and its windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.fitting.foot_contact import foot_contact
from prohmr_jax.fitting.track_objective import sliding, squared_accelerations
from prohmr_jax.fitting.track_windows import split_into_windows
from prohmr_jax.skeleton import BODY_25


@pytest.fixture
def track(rng):
    """Positions [T, J, 3], links [T], and certainties that feet stand [T, 2]."""
    positions = np.cumsum(rng.normal(0, 0.02, (9, 4, 3)), axis=0)
    linked = np.array([0, 1, 1, 1, 0, 1, 1, 1, 0.0])
    return (
        positions.astype("f"),
        linked.astype("f"),
        rng.uniform(0, 1, (9, 2)).astype("f"),
    )


def test_accelerations_are_those_of_a_loop(track):
    positions, linked, _ = track
    rate, total = 25.0, 0.0
    for t in range(1, 8):
        if linked[t] and linked[t + 1]:  # three frames in a row
            p = positions.astype(float)
            second = (p[t + 1] - 2 * p[t] + p[t - 1]) * rate**2
            total += np.sum(second**2)
    value = squared_accelerations(positions, linked, jnp.float32(rate))
    np.testing.assert_allclose(value, total, rtol=1e-4)


def test_sliding_is_that_of_a_loop(track):
    positions, linked, contact = track
    rate, total = 25.0, 0.0
    for t in range(1, 9):
        for joint in range(4):
            foot = joint // 2
            velocity = rate * (positions[t, joint] - positions[t - 1, joint]).astype(
                float
            )
            robust = np.sum(0.25 * velocity**2 / (0.25 + velocity**2))
            stands = float(contact[t, foot]) * float(contact[t - 1, foot])
            total += linked[t] * stands * robust
    value = sliding(positions, contact, linked, jnp.float32(rate))
    np.testing.assert_allclose(value, total, rtol=1e-4)


def test_uniform_movement_costs_nothing_and_rest_has_a_finite_gradient():
    line = (0.1 * np.arange(6)[:, None, None] * np.ones((6, 4, 3))).astype("f")
    linked = jnp.ones(6)
    assert squared_accelerations(line, linked, jnp.float32(30.0)) < 1e-6
    rest = jnp.zeros((6, 4, 3))
    for function in (
        lambda p: squared_accelerations(p, linked, jnp.float32(30.0)),
        lambda p: sliding(p, jnp.ones((6, 2)), linked, jnp.float32(30.0)),
    ):
        np.testing.assert_array_equal(jax.grad(function)(rest), 0.0)


def test_gradients_are_those_of_differences(track):
    positions, linked, contact = track
    for function in (
        lambda p: squared_accelerations(p, linked, jnp.float32(2.0)),
        lambda p: sliding(p, contact, linked, jnp.float32(2.0)),
    ):
        with jax.enable_x64(True):
            point = jnp.asarray(positions.astype(np.float64))
            gradient = jax.grad(function)(point)
            direction = np.random.default_rng(1).normal(size=positions.shape)
            step = 1e-5
            change = function(point + step * direction) - function(
                point - step * direction
            )
            along = jnp.sum(gradient * direction)
        np.testing.assert_allclose(along, change / (2 * step), rtol=1e-5)


@pytest.mark.parametrize(
    ("frames", "length", "overlap"), [(5, 8, 2), (8, 8, 2), (9, 8, 4), (100, 16, 5)]
)
def test_windows_cover_all_frames_and_blend_to_the_same_values(
    rng, frames, length, overlap
):
    windows = split_into_windows(frames, length, overlap)
    values = rng.normal(size=(frames, 3))
    held = np.stack([values[windows.frames(w)] for w in range(len(windows.starts))])
    np.testing.assert_allclose(windows.joined(held), values, rtol=1e-6)
    for start, after in zip(windows.starts, windows.starts[1:], strict=False):
        assert start + length - after >= overlap
    valid = [windows.valid(w).sum() for w in range(len(windows.starts))]
    assert sum(valid) >= frames
    assert max(valid) <= length
    held_in = windows.window_of_frames()
    starts = np.array(windows.starts)
    assert (starts[held_in] <= np.arange(frames)).all()
    assert (np.arange(frames) < starts[held_in] + length).all()


def test_the_shares_of_two_windows_change_gradually():
    windows = split_into_windows(12, 8, 4)
    assert windows.starts == (0, 4)
    held = np.stack([np.zeros((8, 1)), np.ones((8, 1))])
    expected = [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1]
    np.testing.assert_allclose(windows.joined(held)[:, 0], expected)


@pytest.mark.parametrize("rate", [15.0, 30.0, 120.0])
def test_feet_stand_where_ankles_rest(rng, rate):
    """Left: one second of rest, then a step; right: never seen after half a second."""
    number = round(2 * rate)
    time = np.arange(number) / rate
    xy = np.zeros((number, 25, 2))
    left, right = BODY_25.indices("left_ankle", "right_ankle")
    xy[:, left, 0] = 300.0 * np.maximum(time - 1.0, 0.0)
    xy += rng.normal(0, 0.2, xy.shape)
    seen = np.ones((number, 25), bool)
    seen[time > 0.5, right] = False
    contact = foot_contact(xy, seen, np.full(number, 200.0), rate)
    assert contact[time < 0.85, 0].min() > 0.7
    assert contact[time > 1.15, 0].max() == 0.0
    assert contact[time > 0.55, 1].max() == 0.0
    # At ten times the size and the noise, nothing changes.
    scaled = foot_contact(10 * xy, seen, np.full(number, 2000.0), rate)
    np.testing.assert_allclose(scaled, contact, atol=1e-5)
