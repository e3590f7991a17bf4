"""Motions of DeepMimic's humanoid become the same poses of SMPL's joints."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import joint_positions, to_rotmat, world_rotations
from prohmr_jax.poses.mocap.deepmimic import read_deepmimic
from prohmr_jax.skeleton import SMPL_24

# The humanoid at rest: parent and offset in metres of each joint; X is forward, Y up
# and Z to the right. The joints follow each other as in a frame; wrists are ends.
HUMANOID = {
    "root": (None, (0.0, 0.0, 0.0)),
    "chest": ("root", (0.0, 0.236, 0.0)),
    "neck": ("chest", (0.0, 0.224, 0.0)),
    "right_hip": ("root", (0.0, 0.0, 0.085)),
    "right_knee": ("right_hip", (0.0, -0.422, 0.0)),
    "right_ankle": ("right_knee", (0.0, -0.41, 0.0)),
    "right_shoulder": ("chest", (-0.024, 0.244, 0.183)),
    "right_elbow": ("right_shoulder", (0.0, -0.275, 0.0)),
    "left_hip": ("root", (0.0, 0.0, -0.085)),
    "left_knee": ("left_hip", (0.0, -0.422, 0.0)),
    "left_ankle": ("left_knee", (0.0, -0.41, 0.0)),
    "left_shoulder": ("chest", (-0.024, 0.244, -0.183)),
    "left_elbow": ("left_shoulder", (0.0, -0.275, 0.0)),
}
WRISTS = {f"{s}_wrist": (f"{s}_elbow", (0.0, -0.259, 0.0)) for s in ("right", "left")}
HINGES = ("right_knee", "right_elbow", "left_knee", "left_elbow")


def frame(rotations=None, duration=0.1, position=(0.0, 0.9, 0.0)):
    """The 44 numbers of a frame; joints that are not named stay at rest."""
    numbers = [duration, *position]
    for joint in HUMANOID:
        rest = [0.0] if joint in HINGES else [1.0, 0.0, 0.0, 0.0]
        numbers += (rotations or {}).get(joint, rest)
    return numbers


def about(axis, degrees):
    """The quaternion w, x, y, z of a turn about a coordinate axis."""
    half = np.deg2rad(degrees) / 2
    return [np.cos(half), *(np.sin(half) * np.eye(3)["xyz".index(axis)])]


def read(folder, frames):
    path = folder / "humanoid3d_spin_kick.txt"
    path.write_text(json.dumps({"Loop": "wrap", "Frames": frames}))
    (clip,) = read_deepmimic(folder)
    return clip


def posed(folder, rotations):
    """World rotations and positions of SMPL's joints in one pose."""
    clip = read(folder, [frame(rotations)] * 2)
    world = world_rotations(to_rotmat(clip.axis_angle[0].astype(np.float64)))
    return world, joint_positions(world)


def bone(joints, start, end):
    difference = joints[SMPL_24.index(end)] - joints[SMPL_24.index(start)]
    return difference / np.linalg.norm(difference)


def rotated(quaternion, vector):
    """The rotated vector q v q*, by Hamilton's products."""

    def product(a, b):
        w = a[0] * b[0] - sum(a[i] * b[i] for i in (1, 2, 3))
        x = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2]
        y = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1]
        z = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]
        return [w, x, y, z]

    conjugate = [quaternion[0], *(-q for q in quaternion[1:])]
    turned = product(product(quaternion, [0.0, *vector]), conjugate)
    return np.array(turned[1:], dtype=np.float64)


def in_world(rotations, joint, vector):
    """A vector of a joint's own frame in the humanoid's world."""
    while joint is not None:
        vector = rotated(rotations[joint], vector)
        joint = HUMANOID[joint][0]
    return vector


def in_smpl_axes(vector):
    """Left, up, forward of a vector (forward, up, right)."""
    forward, up, right = vector
    return np.array([-right, up, forward])


def test_bones_point_as_the_humanoids_do(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(20):
        written, quaternions = {}, {}
        for joint in HUMANOID:
            if joint in HINGES:
                angle = rng.uniform(-2.5, 2.5)
                written[joint] = [angle]
                quaternions[joint] = about("z", np.rad2deg(angle))
            else:
                quaternions[joint] = Rotation.random(rng=rng).as_quat(scalar_first=True)
                written[joint] = quaternions[joint].tolist()
        world, joints = posed(tmp_path, written)
        for end, (start, offset) in (HUMANOID | WRISTS).items():
            if end.endswith(("knee", "ankle", "elbow", "wrist")):
                expected = in_smpl_axes(in_world(quaternions, start, offset))
                np.testing.assert_allclose(
                    bone(joints, start, end),
                    expected / np.linalg.norm(offset),
                    atol=1e-5,
                )
        # Trunk, head and feet turn as a whole.
        for joint, source in (
            ("pelvis", "root"), ("spine3", "chest"), ("head", "neck"),
            ("left_ankle", "left_ankle"), ("right_ankle", "right_ankle"),
        ):  # fmt: skip
            for axis in np.eye(3):
                np.testing.assert_allclose(
                    world[SMPL_24.index(joint)] @ in_smpl_axes(axis),
                    in_smpl_axes(in_world(quaternions, source, axis)),
                    atol=1e-5,
                )


def test_at_rest_the_humanoid_stands_with_hanging_arms(tmp_path):
    world, joints = posed(tmp_path, {})
    for side, sign in (("left", 1), ("right", -1)):
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee")):
            down = bone(joints, f"{side}_{start}", f"{side}_{end}")
            np.testing.assert_allclose(down, [0.0, -1.0, 0.0], atol=1e-6)
        assert sign * joints[SMPL_24.index(f"{side}_shoulder")][0] > 0.1
        # Thumbs point forward, and the feet stand as SMPL's do at rest.
        thumb = world[SMPL_24.index(f"{side}_wrist")] @ [0.0, 0.0, 1.0]
        np.testing.assert_allclose(thumb, [0.0, 0.0, 1.0], atol=1e-6)
        np.testing.assert_allclose(
            world[SMPL_24.index(f"{side}_ankle")], np.eye(3), atol=1e-6
        )


def test_limbs_bend_as_a_person_does(tmp_path):
    pose = {
        "right_hip": about("z", 90),
        "right_knee": [-np.pi / 2],
        "left_elbow": [np.pi / 2],
        "right_shoulder": about("x", -90),
        "neck": about("y", 90),
    }
    world, joints = posed(tmp_path, pose)
    for start, end, expected in (
        ("right_hip", "right_knee", [0, 0, 1]),
        ("right_knee", "right_ankle", [0, -1, 0]),
        ("left_hip", "left_knee", [0, -1, 0]),
        ("left_shoulder", "left_elbow", [0, -1, 0]),
        ("left_elbow", "left_wrist", [0, 0, 1]),
        ("right_shoulder", "right_elbow", [-1, 0, 0]),
    ):
        np.testing.assert_allclose(bone(joints, start, end), expected, atol=1e-6)
    # A turn about the upward axis is one to the left.
    face = world[SMPL_24.index("head")] @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(face, [1.0, 0.0, 0.0], atol=1e-6)
    # Neck and head share it.
    face = world[SMPL_24.index("neck")] @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(face, [0.5**0.5, 0.0, 0.5**0.5], atol=1e-6)


def test_clips_have_thirty_frames_a_second_and_a_name_with_the_action(tmp_path):
    frames = [
        frame({"left_knee": [0.0]}, 0.1, (1.0, 2.0, 3.0)),
        frame({"left_knee": [-0.9]}, 0.05, (1.3, 2.0, 3.0)),
        frame({"left_knee": [-0.9]}, 0.0, (1.3, 2.0, 3.0)),
    ]
    clip = read(tmp_path, frames)
    assert clip.name == "spin__humanoid3d_spin_kick"
    knee = np.linalg.norm(clip.axis_angle[:, SMPL_24.index("left_knee")], axis=-1)
    # SMPL's knee at rest is not quite straight.
    np.testing.assert_allclose(knee, [0.0, 0.3, 0.6, 0.9, 0.9], atol=0.05)
    np.testing.assert_allclose(
        clip.root_position,
        [[-3, 2, x] for x in (1.0, 1.1, 1.2, 1.3, 1.3)],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2]", 'it has no "Frames"'),
        ("{", "is truncated"),
        (json.dumps({"Frames": [frame()[:43]] * 2}), r"shape \[2, 43\]"),
        (json.dumps({"Frames": [frame(), frame()[:43]]}), "no table of numbers"),
        (json.dumps({"Frames": [["x"] * 44] * 2}), "no table of numbers"),
        (json.dumps({"Frames": [frame(position=(0, np.nan, 0))] * 2}), "not finite"),
        (json.dumps({"Frames": [frame({"neck": [0] * 4})] * 2}), "quaternion of zeros"),
        (json.dumps({"Frames": [frame(duration=0.0)] * 2}), "each with a duration"),
        (json.dumps({"Frames": [frame()]}), "two frames or more"),
    ],
)
def test_faulty_files_are_named(tmp_path, content, says):
    path = tmp_path / "humanoid3d_x.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        read_deepmimic(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_folder_without_motions_is_named(tmp_path):
    (tmp_path / "laikago_walk.txt").write_text("{}")
    with pytest.raises(InputError, match="holds no file humanoid3d_"):
        read_deepmimic(tmp_path)
