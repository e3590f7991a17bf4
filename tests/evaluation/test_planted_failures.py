"""Planted failures: each is wrong in its own way, and changes nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation.fitting_scenes import Scenes
from prohmr_jax.evaluation.planted_failures import (
    CAMERA_FAULTS,
    KEYPOINT_FAULTS,
    SIDE_PX,
    VIEW_FAULTS,
    in_pixels,
)
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Keypoints2D


@pytest.fixture(scope="module")
def keypoints() -> Keypoints2D:
    """Three people, within the photo."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 900, (3, 25, 2)).astype(np.float32)
    return Keypoints2D(jnp.asarray(xy), jnp.ones((3, 25)))


@pytest.fixture(scope="module")
def scenes(keypoints) -> Scenes:
    """Three people, each seen by two cameras."""
    both = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a], axis=1), keypoints)
    turn = jnp.asarray([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    rotation = jnp.broadcast_to(jnp.stack([jnp.eye(3), turn]), (3, 2, 3, 3))
    translation = jnp.arange(18.0).reshape(3, 2, 3)
    return Scenes(None, Extrinsics(rotation, translation), both)


def test_pixels_have_the_principal_point_in_the_middle():
    keypoints = Keypoints2D(jnp.array([[[0.0, 0.0], [0.5, -0.5]]]), jnp.ones((1, 2)))
    xy = in_pixels(keypoints).xy[0]
    np.testing.assert_allclose(xy, [[500, 500], [1000, 0]])
    assert SIDE_PX == 1000


def test_joints_in_the_order_of_coco(keypoints):
    wrong = KEYPOINT_FAULTS["joints in COCO's order"](keypoints)
    for place, name in enumerate(COCO_17.names):
        true = keypoints.xy[:, BODY_25.index(name)]
        np.testing.assert_array_equal(wrong.xy[:, place], true)
    assert np.all(wrong.confidence[:, len(COCO_17) :] == 0)
    assert np.all(wrong.confidence[:, : len(COCO_17)] == 1)


def test_positions_are_exchanged_and_scaled(keypoints):
    wrong = {name: fault(keypoints).xy for name, fault in KEYPOINT_FAULTS.items()}
    xy = np.asarray(keypoints.xy)
    np.testing.assert_array_equal(wrong["x and y exchanged"][..., 0], xy[..., 1])
    np.testing.assert_array_equal(wrong["x and y exchanged"][..., 1], xy[..., 0])
    upwards = wrong["y counted upwards"]
    np.testing.assert_allclose(upwards[..., 1], 1000 - xy[..., 1], rtol=1e-6)
    np.testing.assert_array_equal(upwards[..., 0], xy[..., 0])
    np.testing.assert_allclose(wrong["normalised positions"], xy / 1000, rtol=1e-6)
    np.testing.assert_array_equal(wrong["joints shifted by one"][:, 1:], xy[:, :-1])


def test_legs_are_those_of_the_next_person_and_as_large(keypoints):
    wrong = KEYPOINT_FAULTS["legs of another person"](keypoints)
    knee, wrist = BODY_25.index("left_knee"), BODY_25.index("left_wrist")
    np.testing.assert_array_equal(wrong.xy[:, wrist], keypoints.xy[:, wrist])
    low, high = (np.asarray(f(keypoints.xy, axis=1)) for f in (jnp.min, jnp.max))
    side, middle = (high - low).max(axis=1), (high + low) / 2
    alone = (np.asarray(keypoints.xy[:, knee]) - middle) / side[:, None]
    for person in range(3):
        there = alone[(person - 1) % 3] + [0.5, 0.0]
        np.testing.assert_allclose(
            wrong.xy[person, knee], there * side[person] + middle[person], rtol=1e-4
        )


def test_another_person_is_in_the_last_view_alone(scenes):
    (fault,) = VIEW_FAULTS.values()
    wrong, focal = fault(scenes)
    assert focal == 1.0
    xy = scenes.keypoints.xy
    np.testing.assert_array_equal(wrong.keypoints.xy[:, 0], xy[:, 0])
    np.testing.assert_array_equal(wrong.keypoints.xy[:, 1], xy[jnp.array([2, 0, 1]), 1])


def test_cameras_are_wrong_and_keypoints_are_not(scenes):
    results = {name: fault(scenes) for name, fault in CAMERA_FAULTS.items()}
    extrinsics = {name: wrong.extrinsics for name, (wrong, _) in results.items()}
    true = scenes.extrinsics
    for wrong, _ in results.values():
        np.testing.assert_array_equal(wrong.keypoints.xy, scenes.keypoints.xy)
    np.testing.assert_allclose(
        extrinsics["translations in millimetres"].translation, 1000 * true.translation
    )
    # The inverse of x -> R x + t takes the camera's centre to where it stands.
    inverse = extrinsics["camera to world"]
    point = np.array([1.0, 2.0, 3.0])
    there = true.rotation @ point + true.translation
    back = np.einsum("...ij,...j->...i", inverse.rotation, there) + inverse.translation
    np.testing.assert_allclose(back, np.broadcast_to(point, back.shape), atol=1e-4)
    exchanged = extrinsics["exchanged cameras"]
    np.testing.assert_array_equal(
        exchanged.translation, true.translation[:, jnp.array([1, 0])]
    )
    factors = {name: np.asarray(focal).tolist() for name, (_, focal) in results.items()}
    assert factors["focal lengths doubled"] == 2.0
    assert factors["focal lengths halved"] == 0.5
    assert factors["one focal length doubled"] == [1.0, 2.0]
