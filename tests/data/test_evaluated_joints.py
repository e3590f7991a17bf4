"""Who can be scored by a protocol, and what the others lack."""

import numpy as np

from prohmr_jax.data.evaluated_joints import (
    EVALUATED_JOINTS,
    describe_missing,
    has_joints,
)
from prohmr_jax.skeleton import JOINTS_44, PELVIS_44

# Numbers in the official lists of datasets, `KEYPOINT_LIST`.
OFFICIAL = {
    "h36m_14": [*range(25, 38), 43],
    "h36m_17": [*range(25, 38), 39, 41, 42, 43],
    "mpi_inf_17": [*range(25, 40), 41, 42],
}


def test_lists_are_the_official_ones():
    assert set(OFFICIAL) == set(EVALUATED_JOINTS)
    for name, joints in EVALUATED_JOINTS.items():
        assert sorted(joints.positions_in(JOINTS_44)) == OFFICIAL[name]


def test_a_person_needs_all_joints_and_the_pelvis(rng):
    confidence = (rng.random((200, 44)) > 0.03).astype(np.float32)
    for name, joints in EVALUATED_JOINTS.items():
        needed = {*OFFICIAL[name], PELVIS_44}
        expected = [all(row[joint] > 0 for joint in needed) for row in confidence]
        assert 0 < sum(expected) < 200
        np.testing.assert_array_equal(has_joints(confidence, joints), expected)


def test_missing_joints_are_counted_by_name():
    joints = EVALUATED_JOINTS["h36m_14"]
    confidence = np.ones((5, 44), np.float32)
    assert describe_missing(confidence, joints) == ""
    confidence[1:, PELVIS_44] = 0
    confidence[2, JOINTS_44.index("head_h36m")] = 0
    said = describe_missing(confidence, joints)
    assert said == (
        "4 lack the 3D label of pelvis_mpii, 1 lack the 3D label of head_h36m"
    )
    said = describe_missing(np.zeros((3, 44), np.float32), joints)
    assert said == "3 lack the 3D labels of all 15 joints"
