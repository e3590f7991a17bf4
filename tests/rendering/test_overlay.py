"""Overlays: bodies and bones land where the photo's camera projects them."""

import numpy as np
import pytest
import trimesh

from prohmr_jax.rendering.colors import BODY_BLUE, BODY_PINK, CANVAS
from prohmr_jax.rendering.drawing import (
    LEFT_BONE,
    RIGHT_BONE,
    Window,
    compose,
    draw_keypoints,
    fit_within,
    plain_canvas,
)
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.views import Perspective, resized_pixels
from prohmr_jax.skeleton import BODY_25

BALL = trimesh.creation.icosphere(subdivisions=3)
# A leaning egg, off the axis: no symmetry hides a shift, a flip or a transposition.
EGG = BALL.vertices * [0.15, 0.5, 0.2] @ np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1]])
EGG = EGG + [0.35, -0.2, 3.0]
VIEW = Perspective((900.0, 900.0), (310.0, 250.0))
GREY = np.full((480, 640, 3), 90, np.uint8)


def extent(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()])


def test_body_is_drawn_where_its_vertices_project():
    picture = overlay(GREY, EGG, BALL.faces, VIEW)
    changed = (picture != GREY).any(axis=2)
    pixels = VIEW.project(EGG)
    expected = [*pixels.min(axis=0), *pixels.max(axis=0)]
    np.testing.assert_allclose(extent(changed), expected, atol=1)
    # Every vertex well in front of the outline is on a changed pixel.
    nearest = np.rint(pixels[EGG[:, 2] < 3.0]).astype(int)
    assert changed[nearest[:, 1], nearest[:, 0]].mean() > 0.97


def test_large_photos_are_scaled_and_the_body_with_them():
    photo = np.full((2400, 3200, 3), 90, np.uint8)
    view = VIEW.resized(np.array([5.0, 5.0]))
    picture = overlay(photo, EGG, BALL.faces, view, longest_side=640)
    assert picture.shape == (480, 640, 3)
    small = overlay(GREY, EGG, BALL.faces, VIEW)
    difference = np.abs(picture.astype(int) - small)
    assert difference.max() <= 2
    full = overlay(photo[:100, :130], EGG, BALL.faces, view, longest_side=None)
    assert full.shape == (100, 130, 3)


def test_photo_shines_through_inside_and_less_at_the_outline():
    black, white = (
        overlay(np.full_like(GREY, level), EGG, BALL.faces, VIEW).astype(int)
        for level in (0, 255)
    )
    through = (white - black).max(axis=2)
    column, row = np.rint(VIEW.project(EGG.mean(axis=0))).astype(int)
    inside = through[row, column]
    left = np.flatnonzero(through[row] < 255)[:4]
    assert 10 < inside < 60
    assert through[row, left].min() < 0.6 * inside


def test_nearer_person_is_in_front_whatever_the_order():
    near, far = EGG, EGG + [0.3, 0, 1]
    one = overlay(
        GREY,
        np.stack([near, far]),
        BALL.faces,
        VIEW,
        person_colors=[BODY_BLUE, BODY_PINK],
    )
    two = overlay(
        GREY,
        np.stack([far, near]),
        BALL.faces,
        VIEW,
        person_colors=[BODY_PINK, BODY_BLUE],
    )
    np.testing.assert_array_equal(one, two)
    column, row = np.rint(VIEW.project(near.mean(axis=0))).astype(int)
    red, _, blue = one[row, column].astype(int)
    assert blue > red
    column, row = np.rint(VIEW.project(far.mean(axis=0) + [0.1, 0, 0])).astype(int)
    red, _, blue = one[row, column].astype(int)
    assert red > blue


def standing_keypoints():
    """BODY_25 of a stick figure: right side at smaller x, all joints apart."""
    order = np.arange(25)
    side = [
        (-1 if n.startswith("right") else n.startswith("left")) for n in BODY_25.names
    ]
    return np.column_stack([300 + 60 * np.array(side, float), 40 + 16.0 * order])


def test_joints_are_drawn_at_their_pixels_in_the_colour_of_their_side():
    xy = standing_keypoints()
    picture = draw_keypoints(GREY, xy, np.ones(25))
    for name, color in (("left_wrist", LEFT_BONE), ("right_knee", RIGHT_BONE)):
        column, row = xy[BODY_25.index(name)].astype(int)
        np.testing.assert_array_equal(picture[row, column], color)


def test_unseen_joints_and_their_bones_are_not_drawn():
    xy, confidence = standing_keypoints(), np.ones(25)
    xy[BODY_25.index("left_knee")] = np.nan
    confidence[BODY_25.index("right_knee")] = 0
    picture = draw_keypoints(GREY, xy, confidence)
    column, row = xy[BODY_25.index("right_knee")].astype(int)
    np.testing.assert_array_equal(
        picture[row - 3 : row + 4, column - 3 : column + 4], 90
    )
    np.testing.assert_array_equal(draw_keypoints(GREY, xy, np.zeros(25)), GREY)
    above = draw_keypoints(GREY, xy, np.full(25, 0.3), min_confidence=0.3)
    np.testing.assert_array_equal(above, GREY)


def test_keypoints_follow_the_scale_of_the_photo():
    xy, photo = standing_keypoints() * 4, np.full((1920, 2560, 3), 90, np.uint8)
    behind = EGG * [1, 1, -1]
    picture = overlay(
        photo, behind, BALL.faces, VIEW, keypoints=xy, confidence=np.ones(25),
        longest_side=640,
    )  # fmt: skip
    expected = draw_keypoints(GREY, resized_pixels(xy, 0.25), np.ones(25))
    np.testing.assert_array_equal(picture, expected)


def test_without_a_photo_the_canvas_is_around_the_keypoints():
    xy, confidence = standing_keypoints(), np.ones(25)
    xy[0], confidence[0] = 9000, 0
    picture = overlay(
        None, EGG, BALL.faces, VIEW, keypoints=xy, confidence=confidence,
        longest_side=500,
    )  # fmt: skip
    assert max(picture.shape) == 500
    np.testing.assert_array_equal(picture[0, 0], CANVAS)
    _, scale, corner = plain_canvas(xy[1:], 500)
    at = resized_pixels(xy[BODY_25.index("left_wrist")] - corner, scale)
    column, row = np.rint(at).astype(int)
    np.testing.assert_array_equal(picture[row, column], LEFT_BONE)


def test_without_photo_and_keypoints_the_canvas_is_around_the_body():
    picture = overlay(None, EGG, BALL.faces, VIEW, longest_side=400)
    rows, columns = picture.shape[:2]
    left, top, right, bottom = extent((picture != CANVAS).any(axis=2))
    np.testing.assert_allclose(
        [left, top], [columns - 1 - right, rows - 1 - bottom], atol=2
    )
    assert bottom - top > 0.6 * rows
    with pytest.raises(ValueError, match="no photo"):
        overlay(None, EGG * [1, 1, -1], BALL.faces, VIEW)


@pytest.mark.parametrize("photo", [GREY[..., 0], GREY / 255.0, np.dstack([GREY, GREY])])
def test_other_pictures_than_rgb_are_refused(photo):
    with pytest.raises(ValueError, match="not uint8"):
        overlay(photo, EGG, BALL.faces, VIEW)


def test_window_shows_photo_points_and_camera_alike():
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[20, 50] = 255
    window = Window((47.3, 24.1), 30.0, 150)
    crop = window.crop(photo)
    assert crop.shape == (150, 150, 3)
    light = crop[..., 0].astype(float)
    rows, columns = np.indices(light.shape)
    middle = [(columns * light).sum() / light.sum(), (rows * light).sum() / light.sum()]
    np.testing.assert_allclose(window.pixels(np.array([50.0, 20.0])), middle, atol=0.1)
    points = np.array([[0.1, -0.2, 3.0], [-0.3, 0.4, 2.0]])
    np.testing.assert_allclose(
        window.view(VIEW).project(points), window.pixels(VIEW.project(points))
    )


def test_window_beyond_the_photo_is_plain():
    photo = np.full((40, 40, 3), 200, np.uint8)
    crop = Window((0.0, 19.5), 40.0, 40).crop(photo)
    np.testing.assert_array_equal(crop[:, :17], np.broadcast_to(CANVAS, (40, 17, 3)))
    np.testing.assert_array_equal(crop[:, 23:], 200)
    outside = Window((-500.0, 900.0), 40.0, 16).crop(photo)
    np.testing.assert_array_equal(outside, np.broadcast_to(CANVAS, (16, 16, 3)))


def test_fit_within_only_shrinks():
    assert fit_within(GREY, 1280) is GREY
    assert fit_within(GREY, None) is GREY
    assert fit_within(GREY, 320).shape == (240, 320, 3)
    assert fit_within(np.zeros((1, 5000, 3), np.uint8), 100).shape == (1, 100, 3)


def test_compose_weighs_by_alpha():
    layer = np.array([[[200, 100, 0, 255], [200, 100, 0, 51], [9, 9, 9, 0]]], np.uint8)
    under = np.full((1, 3, 3), 100, np.uint8)
    expected = [[[200, 100, 0], [120, 100, 80], [100, 100, 100]]]
    np.testing.assert_array_equal(compose(layer, under), expected)
    half = compose(layer, under, np.full((1, 3), 0.5))
    np.testing.assert_array_equal(half[0, 0], [150, 100, 50])
