"""Joint positions of the climbers become the poses that they were made from."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import joint_positions, to_rotmat, world_rotations
from prohmr_jax.poses.mocap.climbing import CLIMBING_53, read_climbing
from prohmr_jax.skeleton import SMPL_24


def _skeleton():
    """Parent and offset of each joint in a T-pose: metres, Y up, left +X, facing +Z."""
    tree = {
        "Hips": (None, (0.0, 0.9, 0.0)), "Spine": ("Hips", (0.0, 0.08, 0.0)),
        "Spine1": ("Spine", (0.0, 0.24, 0.0)), "Neck": ("Spine1", (0.0, 0.25, 0.0)),
        "Head": ("Neck", (0.0, 0.14, 0.03)),
    }  # fmt: skip
    for side, x in (("Left", 1.0), ("Right", -1.0)):
        for name, parent, offset in (
            ("Shoulder", "Spine1", (0.04, 0.22, 0.0)),
            ("Arm", side + "Shoulder", (0.12, 0.0, 0.0)),
            ("ForeArm", side + "Arm", (0.31, 0.0, 0.0)),
            ("Hand", side + "ForeArm", (0.25, 0.0, 0.0)),
            ("HandMiddle1", side + "Hand", (0.084, 0.0, 0.0)),
            ("HandIndex1", side + "Hand", (0.084, 0.0, 0.03)),
            ("HandPinky1", side + "Hand", (0.075, 0.0, -0.03)),
            ("UpLeg", "Hips", (0.0975, 0.0, 0.0)),
            ("Leg", side + "UpLeg", (0.0, -0.37, 0.0)),
            ("Foot", side + "Leg", (0.0, -0.45, 0.0)),
            ("ToeBase", side + "Foot", (0.0, -0.06, 0.147)),
        ):
            tree[side + name] = (parent, (x * offset[0], *offset[1:]))
    return tree


SKELETON = _skeleton()
SMPL_BONES = {
    "head": ("neck", "Neck", "Head"),
    **{f"{side}_{end}": (f"{side}_{start}", own + source, own + source_end)
       for side, own in (("left", "Left"), ("right", "Right"))
       for start, end, source, source_end in (
           ("hip", "knee", "UpLeg", "Leg"), ("knee", "ankle", "Leg", "Foot"),
           ("ankle", "foot", "Foot", "ToeBase"),
           ("collar", "shoulder", "Shoulder", "Arm"),
           ("shoulder", "elbow", "Arm", "ForeArm"),
           ("elbow", "wrist", "ForeArm", "Hand"),
           ("wrist", "hand", "Hand", "HandMiddle1"),
       )},
}  # fmt: skip


def source_kinematics(rotations):
    """World rotations and positions of the joints, by a loop over the tree."""
    world, positions = {}, {}
    for name, (parent, offset) in SKELETON.items():
        local = rotations.get(name, np.eye(3))
        if parent is None:
            world[name], positions[name] = local, np.array(offset)
        else:
            world[name] = world[parent] @ local
            positions[name] = positions[parent] + world[parent] @ np.array(offset)
    return world, positions


def write(folder, poses):
    """Writes the positions of poses with Z up; joints without a place lie at 0."""
    frames = np.zeros((len(poses), len(CLIMBING_53), 3), np.float32)
    for row, positions in zip(frames, poses, strict=True):
        for name, (x, y, z) in positions.items():
            row[CLIMBING_53.index(name)] = x, -z, y
    path = folder / "clip_7" / "positions.npy"
    path.parent.mkdir(exist_ok=True)
    np.save(path, frames)
    return path


def posed(folder, positions):
    """World rotations and positions of SMPL's joints in one pose."""
    write(folder, [positions])
    (clip,) = read_climbing(folder)
    world = world_rotations(to_rotmat(clip.axis_angle[0].astype(np.float64)))
    return world, joint_positions(world)


def about(axis, degrees):
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def degrees_between(a, b):
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))


def degrees_of(rotation):
    return np.rad2deg(Rotation.from_matrix(rotation).magnitude())


def joint_of(world, name):
    return world[SMPL_24.index(name)]


def test_bones_point_as_the_sources_do(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(20):
        turns = {
            name: Rotation.from_rotvec(rng.normal(0.0, 0.7, 3)).as_matrix()
            for name in SKELETON
        }
        turns["Hips"] = Rotation.random(rng=rng).as_matrix()
        source, positions = source_kinematics(turns)
        world, joints = posed(tmp_path, positions)
        for end, (start, source_start, source_end) in SMPL_BONES.items():
            ours = joint_of(joints, end) - joint_of(joints, start)
            theirs = positions[source_end] - positions[source_start]
            assert degrees_between(ours, theirs) < 0.05, end
        for joint, name in (("pelvis", "Hips"), ("spine3", "Spine1")):
            np.testing.assert_allclose(joint_of(world, joint), source[name], atol=1e-4)
        for joint in ("spine1", "spine2"):
            waist = positions["Spine1"] - positions["Spine"]
            upward = joint_of(world, joint) @ [0.0, 1.0, 0.0]
            assert degrees_between(upward, waist) < 0.05


@pytest.mark.parametrize("bend", [0.0, 3.0, 40.0, 150.0])
@pytest.mark.parametrize("side", ["Left", "Right"])
def test_legs_turn_about_themselves_as_the_source_does(tmp_path, side, bend):
    hip = about("xyz", [-60.0, 30.0, 10.0])
    turns = {f"{side}UpLeg": hip, f"{side}Leg": about("x", bend)}
    source, positions = source_kinematics(turns)
    world, _ = posed(tmp_path, positions)
    thigh = joint_of(world, f"{side.lower()}_hip")
    shank = joint_of(world, f"{side.lower()}_knee")
    # The bones of SMPL's straight leg are splayed by up to four degrees.
    assert degrees_of(thigh.T @ source[f"{side}UpLeg"]) < 6
    local = thigh.T @ shank
    flexion = np.rad2deg(Rotation.from_matrix(local).as_rotvec())
    np.testing.assert_allclose(flexion, [bend, 0.0, 0.0], atol=9.0)


@pytest.mark.parametrize("bend", [0.0, 40.0, 140.0])
@pytest.mark.parametrize(("side", "sign"), [("Left", 1.0), ("Right", -1.0)])
def test_bent_arms_turn_about_themselves_as_the_source_does(tmp_path, side, sign, bend):
    # A straight arm hides its rotation about itself, so that it has none here.
    own = 50.0 if bend else 0.0
    arm = about("z", -sign * 70.0) @ about("x", own)
    turns = {f"{side}Arm": arm, f"{side}ForeArm": about("y", -sign * bend)}
    source, positions = source_kinematics(turns)
    world, _ = posed(tmp_path, positions)
    side = side.lower()
    name = side.capitalize()
    np.testing.assert_allclose(
        joint_of(world, f"{side}_shoulder"), source[f"{name}Arm"], atol=0.1
    )
    np.testing.assert_allclose(
        joint_of(world, f"{side}_elbow"), source[f"{name}ForeArm"], atol=0.1
    )


def test_hands_turn_as_the_knuckles_do(tmp_path):
    turn = about("xyz", [80.0, 20.0, -10.0])
    source, positions = source_kinematics({"LeftHand": turn})
    world, _ = posed(tmp_path, positions)
    assert degrees_of(joint_of(world, "left_wrist").T @ source["LeftHand"]) < 6
    assert degrees_of(joint_of(world, "right_wrist")) < 6


def test_the_rest_pose_is_smpls(tmp_path):
    _, positions = source_kinematics({})
    world, joints = posed(tmp_path, positions)
    for name in SMPL_24.names:
        assert degrees_of(joint_of(world, name)) < 10, name
    # Upright, feet forward, left on the side of +X.
    assert joint_of(joints, "head")[1] > 0.5 > -0.8 > joint_of(joints, "left_ankle")[1]
    assert joint_of(joints, "left_foot")[2] - joint_of(joints, "left_ankle")[2] > 0.1
    assert joint_of(joints, "left_wrist")[0] > 0.5


def test_every_fourth_frame_is_taken(tmp_path):
    poses = [
        source_kinematics({"Hips": about("y", angle)})[1] for angle in range(0, 90, 10)
    ]
    write(tmp_path, poses)
    (clip,) = read_climbing(tmp_path)
    assert clip.name == "climbing__clip_7"
    heading = np.rad2deg(clip.axis_angle[:, SMPL_24.index("pelvis"), 1])
    np.testing.assert_allclose(heading, [0.0, 40.0, 80.0], atol=1e-3)
    np.testing.assert_allclose(clip.root_position, [[0.0, 0.9, 0.0]] * 3, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 52, 3), np.float32), r"shape \[4, 52, 3\]"),
        (np.full((4, 53, 3), np.nan, np.float32), "not finite"),
        (np.zeros((0, 53, 3), np.float32), "holds no frame"),
    ],
)
def test_faulty_files_are_named(tmp_path, array, says):
    path = write(tmp_path, [])
    np.save(path, array)
    with pytest.raises(InputError, match=says) as caught:
        read_climbing(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no file"):
        read_climbing(tmp_path)
