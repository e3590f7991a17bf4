"""Points that several cameras see are where the rays meet."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from prohmr_jax.geometry.triangulation import CameraRig, reprojected, triangulate
from tests.support.view_scenes import ring_of_cameras, shown_by

RIG = ring_of_cameras(4)
POINTS = np.random.default_rng(0).uniform(-1, 1, (3, 5, 3))


def seen() -> np.ndarray:
    """[3, 5, 4, 2]: pixels of the points in all cameras."""
    return np.stack([shown_by(RIG, camera, POINTS) for camera in range(4)], axis=-2)


def test_cameras_show_points_where_they_are():
    xy, depth = reprojected(RIG, POINTS)
    np.testing.assert_allclose(xy, seen(), atol=1e-9)
    for camera, place in enumerate(RIG.positions):
        forward = RIG.rotation[camera][2]
        np.testing.assert_allclose(depth[..., camera], (POINTS - place) @ forward)


@pytest.mark.parametrize("unseen", [(), (1,), (0, 3)])
def test_exact_rays_meet_in_their_points(unseen):
    weight = np.ones((3, 5, 4))
    weight[..., list(unseen)] = 0.0
    xy = seen()
    xy[..., list(unseen), :] = 7.0
    points, is_seen = triangulate(RIG, xy, weight)
    assert is_seen.all()
    np.testing.assert_allclose(points, POINTS, atol=1e-9)


def test_noisy_rays_are_nearest_to_their_point():
    """A minimiser finds no point that is nearer to the rays, by weight."""
    rng = np.random.default_rng(1)
    xy = seen()[0, 0] + 5.0 * rng.normal(size=(4, 2))
    weight = rng.uniform(0.2, 1.0, 4)
    point, _ = triangulate(RIG, xy, weight)

    def distances(candidate):
        result = []
        for camera, place in enumerate(RIG.positions):
            ray = np.linalg.inv(RIG.intrinsics[camera]) @ [*xy[camera], 1.0]
            ray = RIG.rotation[camera].T @ ray
            off = np.cross(candidate - place, ray / np.linalg.norm(ray))
            result.append(np.sqrt(weight[camera]) * off)
        return np.concatenate(result)

    expected = least_squares(distances, np.zeros(3), xtol=1e-12, ftol=1e-12).x
    np.testing.assert_allclose(point, expected, atol=1e-6)


def test_points_that_are_nowhere():
    one_view, nobody = np.eye(4)[0], np.zeros(4)
    for weight in (one_view, nobody):
        point, is_seen = triangulate(RIG, seen()[0, 0], weight)
        assert not is_seen
        np.testing.assert_array_equal(point, 0)
    # Two cameras that look the same way along parallel rays.
    beside = RIG.translation[:1] + [[0.0, 0, 0], [1.0, 0, 0]]
    twins = CameraRig(RIG.intrinsics[:2], RIG.rotation[[0, 0]], beside)
    middle = np.repeat(RIG.intrinsics[:1, :2, 2], 2, axis=0)
    assert not triangulate(twins, middle, np.ones(2))[1]


def test_inverted_cameras_transform_the_other_way():
    inverted = RIG.inverted()
    camera = np.einsum("nij,pj->pni", RIG.rotation, POINTS[0]) + RIG.translation
    world = np.einsum("nij,pnj->pni", inverted.rotation, camera) + inverted.translation
    np.testing.assert_allclose(world, np.repeat(POINTS[0][:, None], 4, 1), atol=1e-12)
    np.testing.assert_allclose(
        inverted.inverted().translation, RIG.translation, atol=1e-12
    )
