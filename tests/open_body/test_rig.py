"""The open body's skeleton, skinning, correctives and regressors, made small."""

import numpy as np
import pytest
import scipy.sparse
from scipy.spatial.transform import Rotation

from prohmr_jax.open_body import (
    correctives,
    kinematics,
    makehuman_files,
    random_poses,
    regressors,
    rest_pose,
)
from prohmr_jax.skeleton import SMPL_24, SMPL_MIRROR, SMPL_PARENTS


def test_smallest_rotation_turns_about_the_common_normal():
    rng = np.random.default_rng(0)
    for source, target in rng.standard_normal((5, 2, 3)):
        matrix = rest_pose.smallest_rotation(source, target)
        turned = matrix @ source / np.linalg.norm(source)
        np.testing.assert_allclose(turned, target / np.linalg.norm(target))
        normal = np.cross(source, target)
        np.testing.assert_allclose(matrix @ normal, normal)
        np.testing.assert_allclose(np.linalg.det(matrix), 1)
    np.testing.assert_array_equal(
        rest_pose.smallest_rotation(target, target), np.eye(3)
    )


def test_bones_are_merged_into_the_joint_they_belong_to():
    for bone, joint in (
        ("spine04", "pelvis"), ("spine01", "spine3"), ("breast.R", "spine2"),
        ("upperleg02.L", "left_hip"), ("toe3-1.R", "right_foot"), ("jaw", "head"),
        ("shoulder01.R", "right_collar"), ("finger1-3.L", "left_wrist"),
        ("finger5-2.L", "left_hand"), ("oculi01.R", "head"),
    ):  # fmt: skip
        assert SMPL_24.names[kinematics.driving_joint(bone)] == joint


def test_merged_weights_keep_the_four_strongest():
    bones = ("spine05", "spine03", "spine02", "spine01", "neck02", "neck01", "head")
    rows = scipy.sparse.csr_array(
        [[0.4, 0.25, 0.2, 0.1, 0.02, 0.03, 0.0], [0.999, 0, 0, 0, 0, 0, 0.001]]
    )
    rig = makehuman_files.Rig(bones, np.arange(-1, 6), rows, rows)
    weights = kinematics.merged_weights(rig, np.arange(2))
    index = SMPL_24.indices("pelvis", "spine1", "spine2", "spine3", "neck", "head")
    expected = np.array([[0.4, 0.25, 0.2, 0.1, 0, 0], [1, 0, 0, 0, 0, 0]])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(weights[:, index], expected)


def test_skinning_against_chains_of_4x4_matrices():
    rng = np.random.default_rng(0)
    joints, vertices = rng.standard_normal((24, 3)), rng.standard_normal((10, 3))
    weights = rng.dirichlet(np.ones(24), 10)
    pose = rng.standard_normal((24, 3))

    def about(joint):
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(pose[joint]).as_matrix()
        matrix[:3, 3] = joints[joint] - matrix[:3, :3] @ joints[joint]
        parent = SMPL_PARENTS[joint]
        return about(parent) @ matrix if parent >= 0 else matrix

    moved = kinematics.skin(
        vertices, weights, *kinematics.joint_transforms(joints, pose)
    )
    for vertex, row, result in zip(vertices, weights, moved, strict=True):
        blended = sum(w * about(j) for j, w in enumerate(row))
        np.testing.assert_allclose(result, (blended @ [*vertex, 1])[:3], atol=1e-10)


def test_dual_quaternions_keep_the_girth_of_a_twisted_limb():
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([0 * angle + 0.5, np.cos(angle), np.sin(angle)], 1)
    twist = np.deg2rad(120) * np.array([1.0, 0, 0])
    rotations = Rotation.from_rotvec([np.zeros(3), twist]).as_matrix()
    shifts = np.zeros((2, 3))
    halves = np.full((8, 2), 0.5)
    linear = kinematics.skin(ring, halves, rotations, shifts)
    dual = correctives.dual_quaternion_skin(ring, halves, rotations, shifts)
    np.testing.assert_allclose(np.linalg.norm(linear[:, 1:], axis=1), 0.5)
    np.testing.assert_allclose(
        dual, Rotation.from_rotvec(twist / 2).apply(ring), atol=1e-12
    )


def test_dual_quaternions_move_rigid_parts_rigidly():
    rng = np.random.default_rng(0)
    points, shifts = rng.standard_normal((6, 3)), rng.standard_normal((3, 3))
    rotations = Rotation.random(3, rng=rng).as_matrix()
    rigid = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    np.testing.assert_allclose(
        correctives.dual_quaternion_skin(points, rigid, rotations, shifts),
        kinematics.skin(points, rigid, rotations, shifts),
        atol=1e-12,
    )


def test_convex_row_finds_a_joint_between_few_vertices():
    rng = np.random.default_rng(0)
    vertices = rng.standard_normal((21, 40, 3))
    target = vertices[:, [3, 8, 20]].transpose(0, 2, 1) @ [0.5, 0.3, 0.2]
    row = regressors.convex_row(vertices, target, np.ones(40, int), 12)
    np.testing.assert_array_equal(np.flatnonzero(row > 1e-3), [3, 8, 20])
    np.testing.assert_allclose(row[[3, 8, 20]], [0.5, 0.3, 0.2], atol=1e-3)


def test_convex_row_keeps_to_its_support():
    rng = np.random.default_rng(0)
    vertices = rng.standard_normal((2, 60, 3))
    row = regressors.convex_row(vertices, np.zeros((2, 3)), np.full(60, 2), 12)
    assert 0 < (row > 0).sum() <= 6
    assert row.min() >= 0
    assert row.sum() == pytest.approx(1)


def test_random_poses_mirror_and_bend_knees_and_elbows_one_way():
    drawn = random_poses.random_poses(500, np.random.default_rng(0))
    assert drawn.shape == (500, 24, 3)
    assert drawn[:, SMPL_24.index("left_knee"), 0].min() >= 0
    assert drawn[:, SMPL_24.index("left_elbow"), 1].max() <= 0
    assert drawn[:, SMPL_24.index("right_elbow"), 1].min() >= 0
    reflected = drawn[:, list(SMPL_MIRROR)] * [1, -1, -1]
    for ours, theirs in (
        (drawn.min(0), reflected.min(0)),
        (drawn.max(0), reflected.max(0)),
    ):
        np.testing.assert_allclose(ours, theirs, atol=0.06)
