"""Pieces of photos: every pixel says where in the photo it came from."""

import numpy as np
import pytest

from prohmr_jax.detection.resampling import cut, resized, square

HEIGHT, WIDTH = 90, 120


@pytest.fixture
def ramp():
    """A photo whose red is 2x and whose green is 2y: each colour names its place."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([2 * x, 2 * y, 0 * x + 50], axis=-1).astype(np.uint8)


def assert_places(piece, placement, inside):
    """The colours of a piece are those of the places it says."""
    v, u = np.nonzero(inside)
    xy = placement.to_photo(np.stack([u, v], axis=-1))
    colour = piece[v, u].astype(float)
    np.testing.assert_allclose(colour[:, :2] / 2, xy, atol=0.6)
    assert abs(np.mean(colour[:, :2] / 2 - xy)) < 0.1


@pytest.mark.parametrize("long_side", [40, 77, 120, 200, 353.5])
def test_a_resized_photo_keeps_positions(ramp, long_side):
    piece, placement = resized(ramp, long_side)
    assert max(piece.shape[:2]) == round(long_side)
    inside = np.ones(piece.shape[:2], bool)
    margin = 1 + int(np.ceil(1 / placement.scale.min()))  # borders are held
    inside[:margin], inside[-margin:] = False, False
    inside[:, :margin], inside[:, -margin:] = False, False
    assert_places(piece, placement, inside)
    # The outer edges of the photo are those of the piece.
    height, width = piece.shape[:2]
    np.testing.assert_allclose(placement.to_photo([-0.5, -0.5]), -0.5)
    edge = placement.to_photo([width - 0.5, height - 0.5])
    np.testing.assert_allclose(edge, [WIDTH - 0.5, HEIGHT - 0.5])


@pytest.mark.parametrize(
    ("center", "side"),
    [((60.0, 45.0), 40.0), ((60.3, 41.7), 13.0), ((50.2, 44.9), 84.0),
     ((3.0, 80.0), 50.0), ((118.0, 2.0), 200.0), ((60.0, 45.0), 700.0)],
)  # fmt: skip
def test_a_square_keeps_positions_and_is_black_outside(ramp, center, side):
    piece, placement = square(ramp, np.array(center), side, 64)
    np.testing.assert_allclose(placement.to_photo([31.5, 31.5]), center)
    v, u = np.mgrid[:64, :64]
    xy = placement.to_photo(np.stack([u, v], axis=-1))
    margin = 1.5 * max(placement.scale.max(), 1.0)
    limit = np.array([WIDTH, HEIGHT]) - 1
    inside = np.all((xy >= margin) & (xy <= limit - margin), axis=-1)
    outside = np.any((xy < -margin) | (xy > limit + margin), axis=-1)
    if side < 300:
        assert_places(piece, placement, inside)
    assert np.all(piece[outside] == 0)


def test_a_square_far_outside_is_black(ramp):
    piece, _ = square(ramp, np.array([-500.0, 900.0]), 30.0, 16)
    assert not piece.any()


def test_cutting_fills_with_black(ramp):
    piece = cut(ramp, 100, 80, (32, 64))
    np.testing.assert_array_equal(piece[:10, :20], ramp[80:, 100:])
    assert not piece[10:].any()
    assert not piece[:, 20:].any()
