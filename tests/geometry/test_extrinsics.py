"""Where the rays of several cameras meet, against points that they were made from."""

import numpy as np

from prohmr_jax.geometry.extrinsics import Extrinsics, meeting_point, to_world
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat


def test_rays_meet_where_the_point_is(rng):
    point = rng.normal(size=(2, 3))
    turns = axis_angle_to_rotmat(rng.normal(size=(2, 4, 3)))
    ahead = np.array([0.0, 0.0, 8.0]) + 0.3 * rng.normal(size=(2, 4, 3))
    extrinsics = Extrinsics(turns, ahead)
    seen = np.einsum("gnij,gj->gni", turns, point) + extrinsics.translation
    valid = np.array([[1, 1, 1, 1], [0, 1, 0, 0]], np.float32)
    met = meeting_point(seen, extrinsics, valid)
    np.testing.assert_allclose(met, point, atol=2e-5)
    # A wrong depth in every view misleads only where there is one view.
    met = meeting_point(1.3 * seen, extrinsics, valid)
    assert np.linalg.norm(met[0] - point[0]) < 0.2 * np.linalg.norm(met[1] - point[1])
    np.testing.assert_array_equal(meeting_point(seen, extrinsics, 0 * valid), 0.0)


def test_rotations_to_world_axes_undo_the_cameras_rotation(rng):
    cameras = np.asarray(axis_angle_to_rotmat(rng.normal(size=(2, 4, 3))))
    in_world = np.asarray(axis_angle_to_rotmat(rng.normal(size=(2, 4, 3))))
    extrinsics = Extrinsics(cameras, np.zeros((2, 4, 3)))
    returned = to_world(extrinsics, np.einsum("...ij,...jk->...ik", cameras, in_world))
    np.testing.assert_allclose(returned, in_world, atol=1e-5)
