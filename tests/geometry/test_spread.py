"""The spread of samples, against its definition one distance at a time."""

import numpy as np

from prohmr_jax.geometry.spread import spread


def test_spread_is_the_root_mean_square_distance_from_the_mean(rng):
    points = rng.normal(size=(2, 6, 4, 3))
    expected = np.zeros((2, 4))
    for person in range(2):
        for joint in range(4):
            samples = points[person, :, joint]
            center = sum(samples) / len(samples)
            squared = [np.sum((sample - center) ** 2) for sample in samples]
            expected[person, joint] = np.sqrt(sum(squared) / len(squared))
    actual = spread(points.astype(np.float32))
    assert actual.shape == (2, 4)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_equal_samples_have_no_spread_and_a_shift_changes_nothing(rng):
    points = rng.normal(size=(5, 3, 3)).astype(np.float32)
    same = np.broadcast_to(points[:1], points.shape)
    np.testing.assert_allclose(spread(same), 0.0, atol=1e-6)
    np.testing.assert_allclose(spread(points + 4.0), spread(points), rtol=1e-4)
