"""Kinematics, limbs, limits and the widened bank."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.poses import fit_prior
from prohmr_jax.poses.bank import (
    PoseBank,
    read_held_out_clips,
    read_pose_bank,
    write_held_out_clips,
    write_pose_bank,
)
from prohmr_jax.poses.build_bank import SHARES, widen
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
from prohmr_jax.poses.limits import (
    clear_of_itself,
    segment_distance,
    within_joint_limits,
)
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.poses.procedural.compose import pose_from_stance
from prohmr_jax.poses.procedural.limbs import arm, leg, reach
from prohmr_jax.poses.procedural.low_stances import LOW
from prohmr_jax.poses.procedural.upright_stances import UPRIGHT
from prohmr_jax.skeleton import SMPL_24, SMPL_MIRROR, SMPL_PARENTS


def random_poses(n, seed=0, size=0.4):
    return np.random.default_rng(seed).normal(0.0, size, (n, len(SMPL_24), 3))


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


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["arm", "leg"])
def test_reach_gets_there_and_bends_as_a_hinge(side, kind):
    limb = arm(side) if kind == "arm" else leg(side)
    rng = np.random.default_rng(3)
    length = np.linalg.norm(limb.upper) + np.linalg.norm(limb.lower)
    direction = rng.normal(size=(100, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    origin, pole = rng.normal(size=(2, 100, 3))
    target = origin + direction * length * rng.uniform(0.45, 0.98, (100, 1))
    upper, lower = reach(limb, origin, target, pole)
    middle = origin + upper @ limb.upper
    np.testing.assert_allclose(middle + lower @ limb.lower, target, atol=1e-9)
    bend = Rotation.from_matrix(np.swapaxes(upper, -1, -2) @ lower).as_rotvec()
    angle = bend @ limb.hinge
    assert np.all(angle > 0.0)
    assert np.all(angle < np.deg2rad(160.0))
    # The bones at rest are not quite at a right angle to the hinge.
    assert np.abs(bend - angle[:, None] * limb.hinge).max() < np.deg2rad(16.0)
    axis = (target - origin) / np.linalg.norm(target - origin, axis=1, keepdims=True)
    out = (middle - origin) - np.sum((middle - origin) * axis, 1, keepdims=True) * axis
    assert np.all(np.sum(out * pole, axis=1) > 0.0)


def test_reach_beyond_the_arm_stretches_toward_the_target():
    limb = arm("left")
    origin, target = np.zeros((1, 3)), np.array([[0.0, 3.0, 0.0]])
    upper, lower = reach(limb, origin, target, np.array([[0.0, 0.0, -1.0]]))
    (end,) = upper @ limb.upper + lower @ limb.lower
    assert abs(end[0]) < 1e-9
    length = np.linalg.norm(limb.upper) + np.linalg.norm(limb.lower)
    assert 0.99 * length < end[1] <= length


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


def pose_with(**axis_angles):
    pose = np.zeros((1, len(SMPL_24), 3))
    # Arms down: at rest they are stretched out sideways.
    defaults = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
    for name, value in (defaults | axis_angles).items():
        pose[0, SMPL_24.index(name)] = value
    return pose


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
    assert clear_of_itself(pose_with())[0]
    assert not clear_of_itself(pose_with(**through))[0]


@pytest.mark.parametrize("name", [*UPRIGHT, *LOW])
def test_stances_are_mostly_possible_and_what_they_are_called(name):
    rng = np.random.default_rng(0)
    poses = pose_from_stance(rng, (UPRIGHT | LOW)[name](rng, 300))
    fine = within_joint_limits(poses) & clear_of_itself(poses)
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


def some_clips(num_frames=60, num_clips=4):
    clips = []
    for index in range(num_clips):
        poses = random_poses(num_frames, seed=index, size=0.05)
        poses += pose_with()[0]
        zeros = np.zeros((num_frames, 3), np.float32)
        clips.append(Clip(f"walk__{index}", poses.astype(np.float32), zeros))
    return tuple(clips)


@pytest.fixture(scope="module")
def bank():
    return widen(some_clips(), num_poses=600, seed=0)


def test_bank_holds_every_source_in_its_share(bank):
    assert bank.source_names == tuple(SHARES)
    counts = np.bincount(bank.source, minlength=len(SHARES))
    expected = 600 * np.array(list(SHARES.values())) / sum(SHARES.values())
    np.testing.assert_allclose(counts, expected, atol=1.0)


def test_bank_holds_only_possible_poses_with_all_headings(bank):
    poses = bank.axis_angle.astype(np.float64)
    assert within_joint_limits(poses).mean() > 0.995
    assert clear_of_itself(poses).mean() > 0.995
    heading, _ = split_heading(to_rotmat(poses[:, SMPL_24.index("pelvis")]))
    counts, _ = np.histogram(heading, bins=6, range=(-np.pi, np.pi))
    assert counts.min() > 600 / 6 / 2


def test_bank_is_reproducible_from_its_seed(bank):
    again = widen(some_clips(), num_poses=600, seed=0)
    np.testing.assert_array_equal(again.axis_angle, bank.axis_angle)
    other = widen(some_clips(), num_poses=600, seed=1)
    assert not np.array_equal(other.axis_angle, bank.axis_angle)


def test_bank_and_held_out_clips_survive_their_files(bank, tmp_path):
    path = tmp_path / "bank.npz"
    write_pose_bank(path, bank)
    read = read_pose_bank(path)
    np.testing.assert_allclose(read.axis_angle, bank.axis_angle, atol=2e-3)
    np.testing.assert_array_equal(read.source, bank.source)
    assert read.source_names == bank.source_names

    splits = [Split.TRAIN, Split.SEEN_ACTION, Split.UNSEEN_ACTION, Split.TRAIN]
    clips = some_clips()
    write_held_out_clips(path, zip(clips, splits, strict=True))
    held_out = read_held_out_clips(path)
    assert [(c.name, c.split) for c in held_out] == [
        ("walk__1", Split.SEEN_ACTION), ("walk__2", Split.UNSEEN_ACTION),
    ]  # fmt: skip
    np.testing.assert_array_equal(held_out[1].axis_angle, clips[2].axis_angle)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"axis_angle": np.zeros((5, 23, 3))}, "shape"),
        ({"axis_angle": np.full((5, 24, 3), np.inf)}, "not finite"),
        ({"source": np.zeros(4, np.uint8)}, "shape"),
        ({"source": np.full(5, 9, np.uint8)}, "without a name"),
        ({"axis_angle": np.zeros((0, 24, 3)), "source": np.zeros(0, np.uint8)},
         "no pose"),
    ],
)  # fmt: skip
def test_faulty_banks_are_refused(tmp_path, change, says):
    arrays = {
        "axis_angle": np.zeros((5, 24, 3), np.float16),
        "source": np.zeros(5, np.uint8),
        "source_names": np.array(["one"]),
    }
    path = tmp_path / "bank.npz"
    np.savez(path, **(arrays | change))
    with pytest.raises(InputError, match=says):
        read_pose_bank(path)


def test_faulty_held_out_files_are_refused(tmp_path):
    arrays = {
        "names": np.array(["a"]), "group": np.array(["seen-action test"]),
        "num_frames": np.array([5]), "axis_angle": np.zeros((5, 24, 3)),
    }  # fmt: skip
    path = tmp_path / "clips.npz"
    for change, says in (
        ({"num_frames": np.array([4])}, "add up"),
        ({"group": np.array(["other"])}, "unknown 'other'"),
        ({"names": np.array(["a", "b"])}, "shape"),
    ):
        np.savez(path, **(arrays | change))
        with pytest.raises(InputError, match=says):
            read_held_out_clips(path)


def test_pose_vectors_hold_the_body_and_a_swing_without_heading():
    poses = random_poses(6)
    vectors = fit_prior.pose_vectors(poses)
    np.testing.assert_array_equal(vectors[:, :69], poses[:, 1:].reshape(6, 69))
    heading, swing = split_heading(to_rotmat(poses[:, 0]))
    np.testing.assert_array_equal(vectors[:, 69:], swing)
    assert np.any(heading != 0.0)


def test_validation_takes_every_fourth_clip_of_an_action():
    fitting, validating = fit_prior.split_for_validation(some_clips(4, 9))
    assert [c.name for c in validating] == ["walk__3", "walk__7"]
    assert len(fitting) == 7


def test_bank_type_counts_its_poses():
    empty = PoseBank(np.zeros((3, 24, 3)), np.zeros(3, np.uint8), ("one",))
    assert len(empty) == 3
