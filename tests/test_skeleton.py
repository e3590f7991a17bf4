"""Joint sets: unique names, mirrors that undo themselves, the official orders."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.skeleton import BODY_25, EXTRA_19, JOINTS_44, SMPL_24, JointSet

SETS = [v for v in vars(skeleton).values() if isinstance(v, JointSet)]
SIZES = {
    "SMPL_24": 24, "LANDMARKS_21": 21, "BODY_25": 25, "EXTRA_19": 19, "JOINTS_44": 44,
    "COCO_17": 17, "BODY_25B": 25, "MEDIAPIPE_33": 33, "COCO_FEET_23": 23,
    "HALPE_26": 26, "H36M_17": 17,
    "H36M_32": 32, "OPENPOSE_18": 18, "SPIN_24": 24, "EVAL_H36M_14": 14,
    "EVAL_H36M_17": 17,
}  # fmt: skip


def test_every_set_has_the_size_that_it_is_named_for():
    assert {s.label: len(s) for s in SETS} == SIZES


@pytest.mark.parametrize("joints", SETS, ids=lambda s: s.label)
def test_mirroring_swaps_sides_and_undoes_itself(joints):
    mirror = np.array(joints.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(joints)))
    for name, other in zip(joints.names, mirror, strict=True):
        swapped = joints.names[other]
        if name.startswith(("left_", "right_")):
            assert swapped != name
            assert swapped.split("_", 1)[1] == name.split("_", 1)[1]
        else:
            assert swapped == name


@pytest.mark.parametrize("joints", SETS, ids=lambda s: s.label)
def test_positions_in_itself_are_the_order(joints):
    assert joints.positions_in(joints) == tuple(range(len(joints)))
    assert joints.indices(*reversed(joints.names))[0] == len(joints) - 1


def test_conversion_picks_the_joints_of_the_same_name():
    values = np.array(JOINTS_44.names)
    for part in (BODY_25, EXTRA_19, skeleton.H36M_17, skeleton.EVAL_H36M_17):
        assert tuple(values[list(part.positions_in(JOINTS_44))]) == part.names


def test_unknown_and_repeated_names_are_refused():
    with pytest.raises(KeyError, match="BODY_25 has no joint 'tail'"):
        BODY_25.index("tail")
    with pytest.raises(KeyError, match="SMPL_24"):
        EXTRA_19.positions_in(SMPL_24)
    with pytest.raises(ValueError, match="twice"):
        JointSet("BAD", ("a", "b", "a"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        BODY_25.label = "other"


def test_parents_come_first_and_levels_are_distances_from_the_root():
    parents = skeleton.SMPL_PARENTS
    assert parents[0] == -1
    assert all(0 <= p < j for j, p in enumerate(parents) if j)
    for depth, level in enumerate(skeleton.SMPL_LEVELS):
        for joint in level:
            steps = 0
            while parents[joint] >= 0:
                joint, steps = parents[joint], steps + 1
            assert steps == depth
    everyone = [joint for level in skeleton.SMPL_LEVELS for joint in level]
    assert sorted(everyone) == list(range(24))


def test_parents_mirror_like_the_joints():
    mirror, parents = skeleton.SMPL_MIRROR, skeleton.SMPL_PARENTS
    for joint in range(1, 24):
        assert parents[mirror[joint]] == mirror[parents[joint]]


def test_orders_are_the_official_ones():
    # fmt: off
    assert skeleton.SMPL_PARENTS == (
        -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20,
        21,
    )
    assert skeleton.SMPL_MIRROR == (
        0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20,
        23, 22,
    )
    assert skeleton.BODY_25_SOURCE == (
        24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, *range(25, 35),
    )
    # fmt: on
    assert skeleton.PELVIS_44 == 39
    assert sorted(skeleton.HIPS_44) == [8, 9, 12, 27, 28, 39]
    assert skeleton.EVAL_H36M_14.positions_in(JOINTS_44) == (*range(25, 38), 43)


def test_flip_is_the_official_permutation(shared_goldens):
    with np.load(shared_goldens / "preprocessing.npz") as golden:
        np.testing.assert_array_equal(
            JOINTS_44.mirror, golden["flip_keypoint_permutation"]
        )


def test_twins_are_two_names_of_one_body_part():
    for detected, extra in skeleton.TWINS_44:
        assert JOINTS_44.names[extra] == JOINTS_44.names[detected] + "_extra"
    assert len(skeleton.TWINS_44) == 12


def test_bones_join_neighbours_on_the_body():
    mirror = BODY_25.mirror
    bones = {frozenset(bone) for bone in skeleton.BODY_25_BONES}
    assert {frozenset(mirror[j] for j in bone) for bone in bones} == bones
    assert {joint for bone in bones for joint in bone} == set(range(25))
    assert len(bones) == len(BODY_25) - 1  # a tree: all joined, no cycle


def test_human36m_is_reduced_as_officially():
    """Joints 11, 6, 7, ... of the 32 are the 17, in this order of EXTRA_19."""
    picked = [11, 6, 7, 8, 1, 2, 3, 12, 24, 14, 15, 17, 18, 19, 25, 26, 27]
    placed = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]
    for source, target in zip(picked, placed, strict=True):
        assert skeleton.H36M_32.names[source] == EXTRA_19.names[target]
    assert set(skeleton.H36M_17.names) == {EXTRA_19.names[t] for t in placed}


def test_openpose_18_lacks_the_hip_and_the_feet():
    picked = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    assert skeleton.OPENPOSE_18.positions_in(BODY_25) == tuple(picked)
