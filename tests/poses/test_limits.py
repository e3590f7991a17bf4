"""Joint limits and self-intersections refuse poses that no body can take."""

import numpy as np
import pytest
from scipy.optimize import minimize

from prohmr_jax.poses.kinematics import (
    mirrored,
)
from prohmr_jax.poses.limits import (
    free_of_self_intersection,
    segment_distance,
    within_joint_limits,
)
from tests.support.poses_cases import pose_with


def test_segment_distance_against_numerical_minimum():
    rng = np.random.default_rng(0)
    ends = rng.normal(size=(4, 30, 3))
    got = segment_distance(*ends)
    for index in range(30):
        a0, a1, b0, b1 = ends[:, index]

        def gap(s, a0=a0, a1=a1, b0=b0, b1=b1):
            return np.sum((a0 + s[0] * (a1 - a0) - b0 - s[1] * (b1 - b0)) ** 2)

        best = minimize(gap, [0.5, 0.5], bounds=[(0, 1), (0, 1)], tol=1e-14).fun
        assert got[index] == pytest.approx(np.sqrt(best), abs=1e-5)


@pytest.mark.parametrize(
    "inhuman",
    [
        {"left_knee": (-0.6, 0, 0)},
        {"right_knee": (3.0, 0, 0)},
        {"left_elbow": (0, 1.0, 0)},
        {"right_elbow": (0, -1.0, 0)},
        {"left_hip": (1.6, 0, 0)},
        {"right_shoulder": (0, -1.5, 0)},
        {"head": (0, 1.0, 0)},
        {"spine1": (0, 0, 1.2)},
    ],
)
def test_joint_limits_refuse_what_breaks_bones(inhuman):
    assert within_joint_limits(pose_with())[0]
    assert not within_joint_limits(pose_with(**inhuman))[0]
    assert not within_joint_limits(mirrored(pose_with(**inhuman)))[0]


@pytest.mark.parametrize(
    "through",
    [
        {"left_shoulder": (0, 0, -1.9)},
        {"left_hip": (0, 0, -0.5), "right_hip": (0, 0, 0.5)},
        {"left_shoulder": (0, 0, 1.2), "left_elbow": (0, 0, 1.9)},
    ],
)
def test_limbs_through_the_body_are_refused(through):
    assert free_of_self_intersection(pose_with())[0]
    assert not free_of_self_intersection(pose_with(**through))[0]
