"""Joints beyond their limits: found one by one, and none missed."""

import numpy as np
import pytest

from prohmr_jax.evaluation.joint_limits import (
    PARTS,
    beyond_joint_limits,
    share_beyond_limits,
)
from prohmr_jax.poses.limits import within_joint_limits
from prohmr_jax.skeleton import SMPL_24


def bent(**axis_angles_deg):
    pose = np.zeros((24, 3))
    for name, degrees in axis_angles_deg.items():
        pose[SMPL_24.index(name)] = np.deg2rad(degrees)
    return pose


def names_beyond(pose):
    return {SMPL_24.names[j] for j in np.flatnonzero(beyond_joint_limits(pose))}


def test_every_joint_but_the_pelvis_belongs_to_one_part():
    joints = [name for part in PARTS for name in part]
    assert sorted(joints) == sorted(set(SMPL_24.names) - {"pelvis"})


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_knee_bends_backward_only(side):
    knee = f"{side}_knee"
    assert names_beyond(bent(**{knee: (100, 0, 0)})) == set()
    assert names_beyond(bent(**{knee: (-60, 0, 0)})) == {knee}


def test_joints_with_a_common_limit_are_beyond_it_together():
    spine = {"spine1", "spine2", "spine3"}
    folded_back = {name: (-30, 0, 0) for name in spine}
    assert names_beyond(bent(**folded_back)) == spine
    assert names_beyond(bent(spine1=(-30, 0, 0))) == set()


def test_turning_the_whole_body_is_never_beyond():
    assert names_beyond(bent(pelvis=(170, 20, 90))) == set()


@pytest.mark.parametrize("scale", [0.15, 0.3])
def test_a_pose_is_within_its_limits_just_where_all_joints_are(rng, scale):
    poses = scale * rng.normal(size=(20, 10, 24, 3))
    beyond = beyond_joint_limits(poses)
    assert beyond.shape == (20, 10, 24)
    within = within_joint_limits(poses.reshape(-1, 24, 3)).reshape(20, 10)
    np.testing.assert_array_equal(~beyond.any(axis=-1), within)
    assert 0 < within.sum() < within.size
    share = share_beyond_limits(poses)
    np.testing.assert_allclose(share, beyond.mean(axis=1))


def test_the_mirror_image_bends_the_mirrored_joints(rng):
    poses = 0.4 * rng.normal(size=(50, 24, 3))
    mirror = list(SMPL_24.mirror)
    image = poses[:, mirror] * [1.0, -1.0, -1.0]
    np.testing.assert_array_equal(
        beyond_joint_limits(image), beyond_joint_limits(poses)[:, mirror]
    )
