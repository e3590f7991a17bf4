"""Cameras: a pinhole by hand, round trips, and the crop seen in the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.geometry import cameras
from prohmr_jax.structs import Box, Camera, WeakCamera
from tests.support.batches import BATCHES


def float32(x):
    return jnp.asarray(x, jnp.float32)


def some_camera(rng, *batch):
    return Camera(
        translation=float32(rng.normal(size=(*batch, 3)) + [0, 0, 6]),
        focal_length=float32(rng.uniform(500, 5000, (*batch, 2))),
        center=float32(rng.uniform(0, 900, (*batch, 2))),
    )


def some_weak(rng, *batch):
    return WeakCamera(
        scale=float32(rng.uniform(0.3, 1.5, batch)),
        xy=float32(rng.normal(size=(*batch, 2)) * 0.2),
    )


def some_box(rng, *batch):
    return Box(
        center=float32(rng.uniform(-100, 900, (*batch, 2))),
        size=float32(rng.uniform(50, 700, batch)),
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_project_is_a_pinhole(rng, batch):
    camera = some_camera(rng, *batch)
    points = float32(rng.normal(size=(*batch, 5, 3)))
    ours = cameras.project(points, camera)
    assert ours.shape == (*batch, 5, 2)
    translation, focal, center = (
        np.asarray(a, np.float64).reshape(-1, n)
        for a, n in (
            (camera.translation, 3),
            (camera.focal_length, 2),
            (camera.center, 2),
        )
    )
    flat = np.asarray(ours).reshape(-1, 5, 2)
    for b, people in enumerate(np.asarray(points, np.float64).reshape(-1, 5, 3)):
        for j, point in enumerate(people):
            x, y, z = point + translation[b]
            expected = focal[b] * np.array([x, y]) / z + center[b]
            np.testing.assert_allclose(flat[b, j], expected, rtol=1e-4, atol=1e-2)


def test_one_camera_serves_many_hypotheses(rng):
    camera = some_camera(rng, 2, 1)
    points = float32(rng.normal(size=(2, 4, 5, 3)))
    repeated = jax.tree.map(lambda a: jnp.repeat(a, 4, axis=1), camera)
    np.testing.assert_allclose(
        cameras.project(points, camera), cameras.project(points, repeated), rtol=1e-6
    )


def test_value_and_gradient_are_finite_in_the_camera_plane():
    camera = Camera(jnp.zeros(3), jnp.full(2, 5000.0), jnp.zeros(2))
    points = float32([[0.0, 0, 0], [1.0, 1, 0], [1.0, 1, 1e-9], [1.0, 1, -1e-9]])
    assert np.all(np.isfinite(cameras.project(points, camera)))
    gradient = jax.jit(jax.jacfwd(cameras.project))(points, camera)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("batch", BATCHES)
def test_scale_says_how_many_metres_fill_half_the_crop(rng, batch):
    weak = some_weak(rng, *batch)
    camera = cameras.crop_camera(weak)
    x, y = weak.xy[..., 0], weak.xy[..., 1]
    zero = jnp.zeros_like(x)
    # The body is moved back to the axis, then to the right edge of the crop.
    points = jnp.stack(
        [
            jnp.stack([-x, -y, zero], axis=-1),
            jnp.stack([1 / weak.scale - x, -y, zero], axis=-1),
        ],
        axis=-2,
    )
    expected = np.broadcast_to([[0.0, 0.0], [0.5, 0.0]], (*batch, 2, 2))
    np.testing.assert_allclose(cameras.project(points, camera), expected, atol=1e-5)


def test_crop_camera_has_the_official_depth(rng):
    weak = some_weak(rng, 7)
    depth = 2 * 5000.0 / (224.0 * np.asarray(weak.scale, np.float64) + 1e-9)
    camera = cameras.crop_camera(weak)
    np.testing.assert_allclose(camera.translation[:, 2], depth, rtol=1e-6)
    np.testing.assert_array_equal(camera.translation[:, :2], weak.xy)
    np.testing.assert_allclose(camera.focal_length, 5000.0 / 224.0, rtol=1e-6)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("focal", [5000.0, 1200.0])
def test_image_and_crop_cameras_agree_in_the_plane_of_the_body(rng, batch, focal):
    weak, box = some_weak(rng, *batch), some_box(rng, *batch)
    size = float32(np.broadcast_to([640.0, 480.0], (*batch, 2)))
    plane = rng.normal(size=(*batch, 6, 3)) * 0.5
    plane[..., 2] = 0.0
    in_crop = cameras.project(float32(plane), cameras.crop_camera(weak))
    camera = cameras.image_camera(weak, box, size, focal)
    in_image = cameras.project(float32(plane), camera)
    np.testing.assert_allclose(cameras.image_to_crop(in_image, box), in_crop,
                               atol=2e-4)  # fmt: skip
    np.testing.assert_allclose(camera.center, size / 2)


@pytest.mark.parametrize("batch", BATCHES)
def test_the_crops_camera_in_the_image_sees_what_the_crop_does(rng, batch):
    weak, box = some_weak(rng, *batch), some_box(rng, *batch)
    joints = float32(rng.normal(size=(*batch, 5, 3)))
    there = cameras.project(joints, cameras.crop_camera_in_image(weak, box))
    crop = cameras.project(joints, cameras.crop_camera(weak))
    np.testing.assert_allclose(there, cameras.crop_to_image(crop, box), rtol=1e-4)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_camera_in_crop_pixels_is_the_same_one(rng, batch):
    camera, box = some_camera(rng, *batch), some_box(rng, *batch)
    joints = float32(rng.normal(size=(*batch, 5, 3)))
    xy = cameras.image_to_crop(cameras.project(joints, camera), box)
    there = cameras.project(joints, cameras.in_crop_pixels(camera, box))
    expected = (xy + 0.5) * cameras.CROP_SIZE_PX
    np.testing.assert_allclose(there, expected, rtol=2e-3, atol=0.05)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_photos_camera_fills_in_what_is_not_known(rng, batch):
    weak, box = some_weak(rng, *batch), some_box(rng, *batch)
    nothing = np.zeros((*batch, 2), np.float32)
    size = nothing + np.array([640, 480], np.float32)
    focal = nothing + np.float32(700)
    camera, side = cameras.photo_camera(weak, box, size, focal)
    assert np.all(np.asarray(side) == 640)
    expected = cameras.image_camera(weak, box, size, focal)
    jax.tree.map(np.testing.assert_array_equal, camera, expected)
    # Without anything: the crop's own.
    camera, side = cameras.photo_camera(weak, box, nothing, nothing)
    np.testing.assert_array_equal(side, box.size)
    own = cameras.crop_camera_in_image(weak, box)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), camera, own
    )
    # A principal point moves the body, not what is seen at its depth.
    point = nothing + np.array([300, 200], np.float32)
    moved, _ = cameras.photo_camera(weak, box, size, focal, point)
    np.testing.assert_allclose(moved.center, point)
    middle = np.zeros((*batch, 1, 3), np.float32)
    np.testing.assert_allclose(
        cameras.project(middle, moved),
        cameras.project(middle, cameras.photo_camera(weak, box, size, focal)[0]),
        rtol=1e-3,
        atol=1e-2,
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_crop_units_round_trip(rng, batch):
    box = some_box(rng, *batch)
    xy = float32(rng.uniform(0, 900, (*batch, 9, 2)))
    again = cameras.crop_to_image(cameras.image_to_crop(xy, box), box)
    np.testing.assert_allclose(again, xy, atol=1e-3)
    corner = box.center[..., None, :] - box.size[..., None, None] / 2
    np.testing.assert_allclose(cameras.image_to_crop(corner, box), -0.5, atol=1e-5)


def test_a_vanishing_scale_stays_finite():
    weak = WeakCamera(jnp.zeros(()), jnp.zeros(2))
    assert np.all(np.isfinite(cameras.crop_camera(weak).translation))
