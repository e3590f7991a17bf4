"""Poses of stances are mostly possible, and are what they are called."""

import numpy as np
import pytest

from prohmr_jax.poses.kinematics import (
    joint_positions,
    to_rotmat,
    world_rotations,
)
from prohmr_jax.poses.limits import (
    free_of_self_intersection,
    within_joint_limits,
)
from prohmr_jax.poses.procedural.compose import pose_from_stance
from prohmr_jax.poses.procedural.low_stances import LOW
from prohmr_jax.poses.procedural.upright_stances import UPRIGHT
from prohmr_jax.skeleton import SMPL_24


@pytest.mark.parametrize("name", [*UPRIGHT, *LOW])
def test_stances_are_mostly_possible_and_what_they_are_called(name):
    rng = np.random.default_rng(0)
    poses = pose_from_stance(rng, (UPRIGHT | LOW)[name](rng, 300))
    fine = within_joint_limits(poses) & free_of_self_intersection(poses)
    assert fine.mean() > 0.15
    joints = joint_positions(world_rotations(to_rotmat(poses[fine])))

    def height(joint):
        return joints[:, SMPL_24.index(joint), 1]

    knees = np.maximum(height("left_knee"), height("right_knee"))
    if name == "stand":
        assert np.all(height("head") > 0.4)
        assert np.all(height("left_ankle") < -0.6)
    elif name == "lie":
        assert np.median(np.abs(height("head"))) < 0.25
    elif name == "all fours":
        assert np.median(height("left_wrist")) < -0.3
        assert np.median(knees) < -0.25
    elif name in ("sit on chair", "sit on floor", "sit cross-legged"):
        assert np.median(knees) > -0.25
        assert np.median(height("head")) > 0.4
