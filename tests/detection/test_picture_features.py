"""The features of a person: read where the joints are, and of that person alone."""

import jax
import numpy as np
import pytest

from prohmr_jax.detection.detector import CROP_PX, detect_people, load_detector
from prohmr_jax.detection.picture_features import picture_features
from prohmr_jax.detection.resampling import square
from prohmr_jax.detection.types import square_around
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.images import read_image


@pytest.fixture(scope="module")
def seen():
    detector = load_detector()
    photo = read_image(DEMO_PHOTO)
    keypoints = detect_people(detector, photo)[0].keypoints
    one = jax.tree.map(lambda a: np.asarray(a)[None], keypoints)
    return detector, photo, one, picture_features(detector, photo, one)


def test_the_map_is_read_between_cells_by_hand(seen):
    detector, photo, one, features = seen
    ((x, y, side),) = square_around(one)
    crop, place = square(photo, np.array([x, y]), side, CROP_PX)
    network, variables = detector.thunder, detector.thunder_variables
    maps = jax.jit(network.apply)(variables, crop[None]).backbone
    grid = np.asarray(maps.stride_16[0])
    for joint in range(17):
        column, row = (place.to_piece(one.xy[0, joint]) + 0.5) / 16 - 0.5
        column, row = np.clip([column, row], 0, 15)
        left, top = min(int(column), 14), min(int(row), 14)
        right_share, low_share = column - left, row - top
        upper = grid[top, left] * (1 - right_share) + grid[top, left + 1] * right_share
        lower = grid[top + 1, left] * (1 - right_share)
        lower += grid[top + 1, left + 1] * right_share
        expected = upper * (1 - low_share) + lower * low_share
        np.testing.assert_allclose(
            features.at_joints[0, joint], expected, rtol=1e-3, atol=1e-3
        )
    pooled = np.asarray(maps.features[0]).mean(axis=(0, 1))
    np.testing.assert_allclose(features.pooled[0], pooled, rtol=1e-3, atol=1e-3)


def test_people_do_not_depend_on_each_other_or_on_the_place(seen):
    detector, photo, one, features = seen
    moved = np.pad(photo, [(64, 0), (96, 0), (0, 0)])
    shifted = one.replace(xy=one.xy + np.array([96.0, 64.0]))
    both = jax.tree.map(lambda a, b: np.concatenate([a, b]), one, shifted)
    again = picture_features(detector, moved, both)
    alone = picture_features(detector, moved, shifted)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[1], b[0]), again, alone)
    # What is outside the photo is black, as in the padding, but for its border.
    difference = np.abs(again.pooled - features.pooled).mean(axis=-1)
    assert difference[1] < 0.02 < 0.1 < difference[0]
