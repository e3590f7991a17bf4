"""Focal lengths that no camera has are told, with the one that is likely meant."""

import pytest

from prohmr_jax.geometry.field_of_view import impossible_view, view_angle


@pytest.mark.parametrize(
    ("focal_length", "degrees"), [(0.5, 90.0), (0.866025, 60.0), (0.288675, 120.0)]
)
def test_angles(focal_length, degrees):
    assert view_angle(focal_length * 800, 800) == pytest.approx(degrees, abs=1e-3)


@pytest.mark.parametrize("focal_length", [300, 500, 1000, 5000, 28000])
def test_possible_cameras(focal_length):
    assert impossible_view(focal_length, 1000) == ""


@pytest.mark.parametrize(
    ("focal_length", "end"),
    [
        (29, "289 to 28645 pixels are possible; 29 mm on a full-frame sensor (36 mm) "
             "are 806 pixels"),
        (0.9, "possible; 0.9 sides of the picture are 900 pixels"),
        (50000, "289 to 28645 pixels are possible"),
    ],
)  # fmt: skip
def test_impossible_cameras(focal_length, end):
    what = impossible_view(focal_length, 1000)
    assert what.startswith("means a field of view of ")
    assert what.endswith(end)


def test_fisheye_lenses_show_more():
    assert impossible_view(200, 1000) != ""
    assert impossible_view(200, 1000, max_deg=170.0) == ""
