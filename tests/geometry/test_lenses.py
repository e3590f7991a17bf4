"""Lenses: OpenCV distorts and undistorts the same points to the same places."""

import cv2
import numpy as np
import pytest

from prohmr_jax.geometry.lenses import (
    Lens,
    distort_points,
    undistort_photo,
    undistort_points,
)

K = np.array([[900.0, 0, 640], [0, 950.0, 360], [0, 0, 1]])
LENSES = {
    "none": Lens(K, np.zeros(0)),
    "barrel": Lens(K, np.array([-0.28, 0.09, 0.001, -0.002])),
    "pincushion": Lens(K, np.array([0.12, 0.02, -0.001, 0.0005, 0.01])),
    "rational": Lens(K, np.array([0.4, -0.2, 1e-3, 2e-3, 0.01, 0.5, -0.1, 0.02])),
    "fisheye": Lens(K, np.array([-0.02, 0.01, -0.003, 0.0004]), is_fisheye=True),
}


def of_opencv(lens: Lens, xy: np.ndarray) -> np.ndarray:
    """Distorted pixels, by OpenCV's projection of rays."""
    rays = np.concatenate(
        [(xy - K[:2, 2]) / np.diagonal(K)[:2], np.ones((len(xy), 1))], 1
    )
    project = cv2.fisheye.projectPoints if lens.is_fisheye else cv2.projectPoints
    nowhere = np.zeros((3, 1))
    if lens.is_fisheye:
        shown, _ = project(rays[:, None], nowhere, nowhere, K, lens.coefficients)
    else:
        coefficients = lens.coefficients if len(lens.coefficients) else None
        shown, _ = project(rays[:, None], nowhere, nowhere, K, coefficients)
    return shown.reshape(-1, 2)


def grid() -> np.ndarray:
    """Pixels all over the picture, its middle among them."""
    rows, columns = np.mgrid[0:721:60, 0:1281:80]
    return np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float)


@pytest.mark.parametrize("name", LENSES)
def test_a_lens_is_opencvs(name):
    lens = LENSES[name]
    np.testing.assert_allclose(
        distort_points(lens, grid()), of_opencv(lens, grid()), atol=1e-6
    )


@pytest.mark.parametrize("name", LENSES)
def test_undistorting_undoes_it(name):
    lens = LENSES[name]
    shown = of_opencv(lens, grid())
    actual, has_place = undistort_points(lens, shown)
    assert has_place.all()
    np.testing.assert_allclose(actual, grid(), atol=1e-4)
    # Any leading axes.
    one, is_there = undistort_points(lens, shown[7])
    np.testing.assert_allclose(one, actual[7], atol=1e-6)
    assert is_there.shape == ()


def test_points_that_a_lens_cannot_show_have_no_place():
    """With this k1 the radius has a maximum of 0.385 focal lengths."""
    folded = Lens(K, np.array([-1.0, 0, 0, 0]))
    xy = K[:2, 2] + np.array([[300.0, 0], [400.0, 0], [np.nan, 0], [1e6, 0]])
    actual, has_place = undistort_points(folded, xy)
    np.testing.assert_array_equal(has_place, [True, False, False, False])
    np.testing.assert_array_equal(actual[1:], 0)
    behind = K[:2, 2] + [[0.0, 950 * 1.7], [0.0, 950 * 1.2]]
    plain = Lens(K, np.zeros(4), is_fisheye=True)
    np.testing.assert_array_equal(undistort_points(plain, behind)[1], [False, True])


@pytest.mark.parametrize("name", ["barrel", "fisheye"])
def test_a_photo_shows_what_a_pinhole_camera_would(name):
    lens = LENSES[name]
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 255, (12, 20, 3), np.uint8), (1280, 720))
    if lens.is_fisheye:
        expected = cv2.fisheye.undistortImage(photo, K, lens.coefficients, Knew=K)
    else:
        expected = cv2.undistort(photo, K, lens.coefficients)
    actual = undistort_photo(lens, photo)
    assert actual.shape == photo.shape
    difference = np.abs(actual.astype(int) - expected)
    assert np.median(difference) == 0
    assert np.percentile(difference, 99) <= 2
