"""Bodies are turned along the ray on which the picture shows them."""

import numpy as np

from prohmr_jax.geometry.cameras import crop_camera, image_camera, project
from prohmr_jax.geometry.rays import place_on_ray, rotation_to_ray
from prohmr_jax.geometry.rotations import rotate
from prohmr_jax.structs import Box, WeakCamera

FOCAL, CENTER = np.array([900.0, 950.0], "f"), np.array([640.0, 360.0], "f")


def test_the_axis_is_turned_to_the_ray_by_the_shortest_way(rng):
    xy = rng.uniform(-200, 1500, (50, 2)).astype("f")
    turn = np.asarray(rotation_to_ray(xy, FOCAL, CENTER), float)
    rays = np.concatenate([(xy - CENTER) / FOCAL, np.ones((50, 1))], axis=1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    np.testing.assert_allclose(turn[:, :, 2], rays, atol=1e-6)
    identity = turn @ turn.swapaxes(1, 2)
    np.testing.assert_allclose(identity, np.tile(np.eye(3), (50, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turn), 1.0, atol=1e-5)
    # The angle of the rotation is that between the axis and the ray.
    cosine = (np.trace(turn, axis1=1, axis2=2) - 1) / 2
    np.testing.assert_allclose(cosine, rays[:, 2], atol=1e-6)


def test_in_the_middle_of_the_picture_it_is_the_official_camera():
    weak = WeakCamera(np.array(0.9, "f"), np.array([0.1, -0.2], "f"))
    box = Box(CENTER, np.array(300.0, "f"))
    pelvis = np.array([0.0, -0.2, 0.01], "f")
    turn, camera = place_on_ray(weak, box, pelvis, FOCAL, CENTER)
    expected = image_camera(weak, box, 2 * CENTER, FOCAL)
    np.testing.assert_allclose(turn, np.eye(3), atol=1e-7)
    np.testing.assert_allclose(camera.translation, expected.translation, rtol=1e-6)


def test_an_oblique_body_is_seen_as_in_its_crop(rng):
    """The projection differs from the crop's by perspective alone, which is weak."""
    weak = WeakCamera(np.array(0.9, "f"), np.array([0.02, -0.03], "f"))
    box = Box(np.array([1100.0, 500.0], "f"), np.array(80.0, "f"))
    pelvis = np.array([0.0, -0.2, 0.01], "f")
    joints = (rng.normal(size=(30, 3)) * [0.25, 0.5, 0.0]).astype("f") + pelvis
    crop = np.asarray(project(joints, crop_camera(weak)))
    focal = np.array([900.0, 900.0], "f")
    turn, camera = place_on_ray(weak, box, pelvis, focal, CENTER)
    turned = rotate(turn, joints - pelvis) + pelvis
    seen = (np.asarray(project(turned, camera)) - box.center) / box.size
    # Away from the middle, a plane shows things larger by 1 / cos^2 along the radius.
    assert np.abs(seen - crop).max() < 0.15
    middle = np.asarray(project(pelvis[None], camera))[0]
    in_crop = np.asarray(project(pelvis[None], crop_camera(weak)))[0]
    np.testing.assert_allclose((middle - box.center) / box.size, in_crop, atol=0.03)
