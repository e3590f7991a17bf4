"""Pairs of skeletons: the 2D joints are those of the 3D joints, with known faults."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.files.body_files import read_body
from prohmr_jax.synthetic.pair_settings import KeypointPairSettings
from prohmr_jax.synthetic.position_faults import moved_joints
from prohmr_jax.synthetic.skeleton_pairs import (
    JITTER_17,
    from_pelvis,
    h36m_17,
    skeleton_pair,
)

PEOPLE = 50
OTHERS = np.delete(np.arange(17), skeleton.H36M_17.index("pelvis_mpii"))


@pytest.fixture(scope="module")
def exact():
    """People with exact detections, seen from far away."""
    body = jax.tree.map(jnp.asarray, read_body("open"))
    settings = KeypointPairSettings(
        perfect_rate=1.0, min_distance=999.0, max_distance=1000.0, max_off_axis=0.0
    )
    poses = 0.3 * jax.random.normal(jax.random.key(1), (PEOPLE, 24, 3))
    make = jax.jit(jax.vmap(lambda k, pose: skeleton_pair(k, body, pose, settings)))
    return jax.device_get(make(jax.random.split(jax.random.key(0), PEOPLE), poses))


def test_exact_detections_are_the_projection_up_to_scale(exact):
    pelvis = exact.keypoints.xy[:, :1]
    seen = (exact.keypoints.xy[:, OTHERS] - pelvis).reshape(PEOPLE, -1)
    true = exact.joints[..., :2].reshape(PEOPLE, -1)
    scale = np.sum(seen * true, axis=1) / np.sum(true * true, axis=1)
    # From a kilometre perspective moves a joint by less than 2 mm per metre.
    np.testing.assert_allclose(seen, scale[:, None] * true, atol=5e-3)
    # The tight box, with its margin, is the unit.
    extent = np.max(np.ptp(exact.keypoints.xy, axis=1), axis=1)
    np.testing.assert_allclose(extent, 1 / 1.2, rtol=1e-4)
    np.testing.assert_array_equal(exact.keypoints.confidence, 1.0)


def test_jitter_is_that_of_the_joints(rng):
    """All joints move, each by its own deviation times the level of the person."""
    xy = rng.uniform(-1.0, 1.0, (17, 2)).astype(np.float32)
    side = np.max(np.ptp(xy, axis=0))
    settings = KeypointPairSettings(
        perfect_rate=0.0, outlier_rate=0.0, swap_rate=0.0, max_jitter=0.6
    )
    none = np.zeros((0, 17), bool)
    move = jax.jit(
        jax.vmap(
            lambda key: moved_joints(
                jax.random.split(key, 5), xy, JITTER_17, skeleton.H36M_17.mirror,
                none, settings,
            )
        )
    )  # fmt: skip
    moved = move(jax.random.split(jax.random.key(0), 4_000))
    gap = np.asarray(moved.xy) - xy
    # A level that is uniform up to 0.6 has the mean square 0.12.
    deviation = np.sqrt(np.mean(gap**2, axis=(0, 2)))
    np.testing.assert_allclose(deviation, np.sqrt(0.12) * side * JITTER_17, rtol=0.06)
    np.testing.assert_allclose(
        moved.error, np.linalg.norm(gap, axis=-1) / side, rtol=1e-3, atol=1e-5
    )
    assert not np.any(moved.perfect)


def test_joints_have_the_order_of_human36m(rng):
    joints = rng.normal(size=(3, 44, 3)).astype(np.float32)
    seventeen = h36m_17(joints)
    for number, name in enumerate(skeleton.H36M_17.names):
        column = joints[:, skeleton.JOINTS_44.index(name)]
        np.testing.assert_array_equal(seventeen[:, number], column)
    expected = seventeen[:, OTHERS] - joints[:, skeleton.PELVIS_44, None]
    np.testing.assert_array_equal(from_pelvis(joints), expected)
