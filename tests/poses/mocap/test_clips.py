"""Captures of both formats are read and retargeted; faulty files are refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import (
    joint_positions,
    to_rotmat,
    world_rotations,
)
from prohmr_jax.poses.mocap.acclaim import read_amc, read_asf
from prohmr_jax.poses.mocap.clips import read_clips
from prohmr_jax.poses.mocap.cmu_expmap import EXPMAP_BONES, read_expmap
from prohmr_jax.poses.mocap.retarget import retarget
from prohmr_jax.poses.mocap.splits import Split, split_clips
from prohmr_jax.skeleton import SMPL_24
from tests.support import poses_cases
from tests.support.paths import SHARED

PREPARED = SHARED / "data" / "cmu_mocap_expmap.npz"
ORIGINAL = SHARED / "data" / "cmu_asfamc"
with_capture = pytest.mark.skipif(
    not PREPARED.exists() or not ORIGINAL.exists(), reason="no capture here"
)


def joints_of(axis_angle):
    return joint_positions(world_rotations(to_rotmat(axis_angle.astype(np.float64))))


def at(joints, name):
    return joints[..., SMPL_24.index(name), :]


def test_bone_rotation_is_that_of_its_own_axes(tmp_path):
    angles = {"root": [1, 2, 3, 10, 20, 30], "lfemur": [40, 50, 60], "ltibia": [70]}
    poses_cases.write_original(tmp_path, [angles])
    skeleton = read_asf(tmp_path / "07.asf")
    motion = read_amc(tmp_path / "07_01.amc", skeleton)

    def about(axis, degrees):
        return Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)[axis]).as_matrix()

    def turned(x, y, z):
        return about(2, z) @ about(1, y) @ about(0, x)

    axes = turned(0, 0, 20)
    root = turned(10, 20, 30)
    femur = root @ axes @ turned(40, 50, 60) @ axes.T
    tibia = femur @ axes @ turned(70, 0, 0) @ axes.T
    for name, expected in (("root", root), ("lfemur", femur), ("ltibia", tibia)):
        got = motion.world_rotmat[0, motion.bones.index(name)]
        np.testing.assert_allclose(got, expected, atol=1e-12)
    # Units are inches times 0.45.
    np.testing.assert_allclose(
        motion.root_position[0], np.array([1, 2, 3]) * 0.0254 / 0.45
    )


def test_stride_takes_every_fourth_frame(tmp_path):
    frames = [poses_cases.ARMS_DOWN | {"ltibia": [float(i)]} for i in range(9)]
    poses_cases.write_original(tmp_path, frames)
    (clip,) = read_clips(tmp_path)
    knee = np.rad2deg(clip.axis_angle[:, SMPL_24.index("left_knee"), 0])
    np.testing.assert_allclose(np.diff(knee), [4.0, 4.0], atol=0.05)


def test_frames_without_arms_are_left_out(tmp_path):
    poses_cases.write_original(tmp_path, [{}] * 4 + [poses_cases.ARMS_DOWN] * 4)
    (clip,) = read_clips(tmp_path)
    assert len(clip.axis_angle) == 1


def test_rest_pose_of_cmu_splays_the_legs_of_smpl(tmp_path):
    poses_cases.write_original(tmp_path, [poses_cases.ARMS_DOWN])
    (clip,) = read_clips(tmp_path)
    joints = joints_of(clip.axis_angle[0])
    for side, sign in (("left", 1), ("right", -1)):
        thigh = at(joints, f"{side}_knee") - at(joints, f"{side}_hip")
        shin = at(joints, f"{side}_ankle") - at(joints, f"{side}_knee")
        for bone in (thigh, shin):
            np.testing.assert_allclose(
                bone / np.linalg.norm(bone),
                [sign * 0.34202, -0.939693, 0.0],
                atol=1e-5,
            )


def test_knee_bends_the_shin_back_and_femur_lifts_the_thigh_forward(tmp_path):
    frame = poses_cases.ARMS_DOWN | {"lfemur": [-90, 0, 0], "rtibia": [90]}
    poses_cases.write_original(tmp_path, [frame])
    (clip,) = read_clips(tmp_path)
    joints = joints_of(clip.axis_angle[0])
    assert (at(joints, "left_knee") - at(joints, "left_hip"))[2] > 0.35
    assert (at(joints, "right_ankle") - at(joints, "right_knee"))[2] < -0.35


def test_straight_leg_stands_on_a_flat_foot(tmp_path):
    # A turn of -20 degrees about z undoes the splay of the left leg.
    frame = poses_cases.ARMS_DOWN | {"lfemur": [0, 0, -20], "rfemur": [0, 0, 20]}
    poses_cases.write_original(tmp_path, [frame])
    (clip,) = read_clips(tmp_path)
    world = world_rotations(to_rotmat(clip.axis_angle[0].astype(np.float64)))
    for side in ("left", "right"):
        sole_normal = world[SMPL_24.index(f"{side}_ankle")] @ [0.0, 1.0, 0.0]
        assert np.rad2deg(np.arccos(sole_normal[1])) < 6.0


def test_both_formats_of_one_motion_agree(tmp_path):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(5):
        frame = {"root": rng.uniform(-15, 15, 6).tolist()}
        for name, (_, _, _, dof) in poses_cases.bones().items():
            if dof:
                frame[name] = rng.uniform(-40, 40, len(dof.split())).tolist()
        frames.append(frame)
    poses_cases.write_original(tmp_path, frames)
    skeleton = read_asf(tmp_path / "07.asf")
    motion = read_amc(tmp_path / "07_01.amc", skeleton)
    # The prepared form holds local axis-angles for row vectors.
    clip = np.zeros((5, 39, 3))
    clip[:, 0] = motion.root_position * 0.45 / 0.0254
    for index, bone in enumerate(skeleton.bones):
        local = motion.world_rotmat[:, index]
        if bone.parent >= 0:
            parent = motion.world_rotmat[:, bone.parent]
            local = np.swapaxes(parent, -1, -2) @ local
        position = EXPMAP_BONES.index(bone.name)
        clip[:, 1 + position] = -Rotation.from_matrix(local).as_rotvec()
    prepared = tmp_path / "prepared.npz"
    np.savez(prepared, **poses_cases.expmap_arrays({"walking__walking_1": clip}))
    (ours,) = read_clips(prepared)
    theirs = retarget(motion, "a path")
    np.testing.assert_allclose(
        to_rotmat(ours.axis_angle.astype(np.float64)), theirs, atol=1e-5
    )
    np.testing.assert_allclose(ours.root_position, motion.root_position, atol=1e-5)


def test_prepared_clips_lose_the_calibration_frame_and_toppled_roots(tmp_path):
    clip = np.zeros((4, 39, 3))
    clip[1:, 1] = [0.0, 0.4, 0.0]
    clip[2, 1] = [1.5, 0.0, 0.0]
    clip[:, 1 + EXPMAP_BONES.index("lhumerus")] = [0.0, 0.0, 1.0]
    path = tmp_path / "prepared.npz"
    np.savez(path, **poses_cases.expmap_arrays({"a__b": clip}))
    assert len(read_expmap(path)["a__b"].world_rotmat) == 2


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda t: t.replace("ltibia 0.0\n", "", 1), "no ltibia"),
        (lambda t: t.replace("ltibia 0.0", "ltibia nan", 1), "not finite"),
        (lambda t: t.replace("ltibia 0.0", "ltibia 0.0 1", 1), "2 values, expected 1"),
        (lambda t: t.replace("ltibia 0.0", "ltibia x", 1), "not a number"),
        (lambda t: t.replace("ltibia 0.0", "tail 0.0", 1), "'tail' is not in"),
        (lambda t: t.replace("\n2\n", "\n3\n"), "frame 3, expected 2"),
        (lambda t: t[: t.rindex("rhand")], "frame 2 is truncated: no rhand"),
        (lambda t: t.replace("\n1\n", "\n"), "not an Acclaim motion"),
        (lambda t: t.replace(":DEGREES", ":RADIANS"), "only degrees"),
        (lambda t: "", "holds no frame"),
    ],
)
def test_bad_motions_name_the_fault(tmp_path, edit, says):
    text = edit(poses_cases.amc_text([{}, {}]))
    (tmp_path / "07.asf").write_text(poses_cases.asf_text())
    path = tmp_path / "07_01.amc"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_amc(path, read_asf(tmp_path / "07.asf"))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda t: "hello\n", "is no Acclaim skeleton: no section :units"),
        (lambda t: t.replace("angle deg", "angle rad"), "only deg"),
        (lambda t: t.replace("name lfemur", "name other"), "'lfemur' has no data"),
        (lambda t: t.replace(" lhipjoint rhipjoint", " lhipjoint"), "no parent yet"),
        (lambda t: t[: t.index(":hierarchy")].rstrip()[:-3] + t[t.index(":hier") :],
         "last bone has no end"),
        (lambda t: t.replace("axis 0 0 20 XYZ", "axis 0 20 XYZ", 1), "2 values"),
        (lambda t: t.replace("dof rx\n", "dof q\n", 1), "cannot read channels"),
        (lambda t: t.replace("length 5", "", 1), "has no length"),
        (lambda t: "\xff\xfe", "is no text file"),
    ],
)  # fmt: skip
def test_bad_skeletons_name_the_fault(tmp_path, edit, says):
    path = tmp_path / "07.asf"
    path.write_bytes(edit(poses_cases.asf_text().replace(".0 ", " ")).encode("latin-1"))
    with pytest.raises(InputError, match=says) as caught:
        read_asf(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_bone_for_smpl_is_named(tmp_path):
    poses_cases.write_original(tmp_path, [poses_cases.ARMS_DOWN])
    motion = read_amc(tmp_path / "07_01.amc", read_asf(tmp_path / "07.asf"))
    bones = tuple("tail" if b == "head" else b for b in motion.bones)
    beheaded = type(motion)(bones, motion.world_rotmat, motion.root_position)
    with pytest.raises(InputError, match="no bone 'head'"):
        retarget(beheaded, "a path")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"a__b": np.zeros((3, 100), np.float32)}, "shape"),
        ({"a__b": np.full((3, 117), np.nan, np.float32)}, "not finite"),
        ({"a__b": np.array([{}])}, "objects"),
        ({"skeleton_parents": np.zeros(3, np.int32)}, "shape"),
        ({"skeleton_parents": np.full(38, 37, np.int32)}, "parents first"),
        ({"a__b": np.zeros((3, 117), np.float32)}, "no frame with an upright"),
    ],
)
def test_bad_prepared_files_name_the_fault(tmp_path, change, says):
    arrays = poses_cases.expmap_arrays({"a__b": np.ones((2, 39, 3)) * 0.1}) | change
    path = tmp_path / "prepared.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=says) as caught:
        read_expmap(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_are_no_capture_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_clips(tmp_path / "absent.npz")
    with pytest.raises(InputError, match=r"holds no \*.amc file"):
        read_clips(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="npz"):
        read_clips(tmp_path / "text.npz")
    (tmp_path / "08_01.amc").write_text(poses_cases.amc_text([{}]))
    with pytest.raises(InputError, match="08.asf in the same folder"):
        read_clips(tmp_path)


def test_splits_hold_out_what_they_should():
    names = [f"walking__{i}" for i in range(1, 12)]
    names += ["soccer__1", "jumping__1", "running__1"]
    splits = split_clips(names)
    held = [n for n, s in splits.items() if s is Split.SEEN_ACTION]
    assert held == ["walking__5", "walking__10"]
    assert splits["soccer__1"] is splits["jumping__1"] is Split.UNSEEN_ACTION
    assert splits["running__1"] is Split.TRAIN
    original = split_clips(["01_01", "01_06", "02_09", "03_01", "03_02"])
    assert [n for n, s in original.items() if s is Split.ORIGINAL_CLIP] == [
        "01_06", "02_09", "03_02",
    ]  # fmt: skip
    assert original["01_01"] is original["03_01"] is Split.TRAIN


@with_capture
@pytest.mark.parametrize("source", ["prepared", "original"])
def test_walkers_of_the_real_capture_look_where_they_go(source, tmp_path):
    if source == "prepared":
        clips = read_clips(PREPARED)
        clips = [c for c in clips if c.name.startswith(("walking__", "running__"))]
    else:
        for name in ("02.asf", "02_01.amc", "02_03.amc"):
            (tmp_path / name).symlink_to(ORIGINAL / name)
        clips = read_clips(tmp_path)
    for clip in clips:
        way = clip.root_position[15:] - clip.root_position[:-15]
        root = to_rotmat(clip.axis_angle[7:-8, 0].astype(np.float64))
        facing = root @ [0.0, 0.0, 1.0]
        way, facing = (v[:, [0, 2]] for v in (way, facing))
        cosine = np.sum(way * facing, axis=1) / (
            np.linalg.norm(way, axis=1) * np.linalg.norm(facing, axis=1)
        )
        assert np.mean(cosine) > 0.9, clip.name
        joints = joints_of(clip.axis_angle)
        assert np.all(at(joints, "head")[:, 1] > 0.4)
        for side in ("left", "right"):
            knee = np.rad2deg(clip.axis_angle[:, SMPL_24.index(f"{side}_knee"), 0])
            assert knee.min() > -10.0
            assert knee.max() > 40.0
