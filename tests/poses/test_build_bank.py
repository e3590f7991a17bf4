"""The bank of poses built from a few clips."""

import numpy as np
import pytest

from prohmr_jax.poses.build_bank import SHARES, build_pose_bank
from prohmr_jax.poses.kinematics import (
    split_heading,
    to_rotmat,
)
from prohmr_jax.poses.limits import (
    free_of_self_intersection,
    within_joint_limits,
)
from prohmr_jax.skeleton import SMPL_24
from tests.support.poses_cases import some_clips


@pytest.fixture(scope="module")
def bank():
    return build_pose_bank(some_clips(), num_poses=600, seed=0)


def test_bank_holds_every_source_in_its_share(bank):
    assert bank.source_names == tuple(SHARES)
    counts = np.bincount(bank.source, minlength=len(SHARES))
    expected = 600 * np.array(list(SHARES.values())) / sum(SHARES.values())
    np.testing.assert_allclose(counts, expected, atol=1.0)


def test_bank_holds_only_possible_poses_with_all_headings(bank):
    poses = bank.axis_angle.astype(np.float64)
    assert within_joint_limits(poses).mean() > 0.995
    assert free_of_self_intersection(poses).mean() > 0.995
    heading, _ = split_heading(to_rotmat(poses[:, SMPL_24.index("pelvis")]))
    counts, _ = np.histogram(heading, bins=6, range=(-np.pi, np.pi))
    assert counts.min() > 600 / 6 / 2


def test_bank_is_reproducible_from_its_seed(bank):
    again = build_pose_bank(some_clips(), num_poses=600, seed=0)
    np.testing.assert_array_equal(again.axis_angle, bank.axis_angle)
    other = build_pose_bank(some_clips(), num_poses=600, seed=1)
    assert not np.array_equal(other.axis_angle, bank.axis_angle)
