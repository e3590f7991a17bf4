"""World rotations, joints, mirror images and headings of poses."""

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.poses.kinematics import (
    REST_JOINTS,
    joint_positions,
    local_rotations,
    mirrored,
    shortest_turn,
    split_heading,
    to_rotmat,
    turn,
    world_rotations,
)
from prohmr_jax.skeleton import SMPL_24, SMPL_MIRROR, SMPL_PARENTS
from tests.support.poses_cases import random_poses


def test_world_rotations_and_joints_against_a_plain_loop():
    pose = random_poses(1)[0]
    world = world_rotations(to_rotmat(pose))
    joints = joint_positions(world)
    for joint in range(len(SMPL_24)):
        rotation, position = np.eye(3), np.zeros(3)
        chain = [joint]
        while SMPL_PARENTS[chain[0]] >= 0:
            chain.insert(0, SMPL_PARENTS[chain[0]])
        for link in chain:
            if SMPL_PARENTS[link] >= 0:
                bone = REST_JOINTS[link] - REST_JOINTS[SMPL_PARENTS[link]]
                position = position + rotation @ bone
            rotation = rotation @ Rotation.from_rotvec(pose[link]).as_matrix()
        np.testing.assert_allclose(world[joint], rotation, atol=1e-12)
        np.testing.assert_allclose(joints[joint], position, atol=1e-12)
    np.testing.assert_allclose(local_rotations(world), to_rotmat(pose), atol=1e-12)


def test_mirrored_pose_has_mirrored_joints():
    poses = random_poses(4)
    joints = joint_positions(world_rotations(to_rotmat(poses)))
    reflected = joint_positions(world_rotations(to_rotmat(mirrored(poses))))
    np.testing.assert_allclose(
        reflected, joints[:, list(SMPL_MIRROR)] * [-1.0, 1.0, 1.0], atol=1e-12
    )


def test_split_heading_leaves_a_swing_without_heading():
    rotmat = Rotation.random(200, rng=1).as_matrix()
    heading, swing = split_heading(rotmat)
    np.testing.assert_allclose(turn("y", heading) @ to_rotmat(swing), rotmat, atol=1e-9)
    assert np.all(swing[:, 1] == 0.0)
    assert np.all(np.abs(heading) <= np.pi)
    turned = turn("y", 0.7) @ rotmat
    np.testing.assert_allclose(split_heading(turned)[1], swing, atol=1e-9)


def test_shortest_turn_takes_one_direction_to_the_other():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 50, 3))
    turned = np.einsum("nij,nj->ni", shortest_turn(source, target), source)
    cosine = np.sum(turned * target, axis=1)
    lengths = np.linalg.norm(turned, axis=1) * np.linalg.norm(target, axis=1)
    np.testing.assert_allclose(cosine, lengths, rtol=1e-9)
