"""Files of movement, read back by other programs and compared in metres."""

import csv

import bvh
import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.body import pose_body, shape_body
from prohmr_jax.files.motion.amass import write_amass
from prohmr_jax.files.motion.bvh import write_bvh
from prohmr_jax.files.motion.joint_tables import write_csv, write_trc
from prohmr_jax.files.motion.movement import Skeleton, movement_from_camera
from prohmr_jax.files.motion.skinned_glb import write_skinned_glb
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

FRAMES = np.array([3, 4, 7, 8])
TO_Y_UP = np.array([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def case(tiny_body):
    """Four bodies before a camera, without corrections of the pose, as a movement."""
    surface = tiny_body.surface
    body = tiny_body.replace(
        surface=surface.replace(pose_directions=0 * surface.pose_directions)
    )
    rng = np.random.default_rng(3)
    betas = rng.normal(size=10).astype(np.float32)
    shaped = shape_body(body, betas)
    rotvec = rng.normal(size=(len(FRAMES), 24, 3)) * 0.6
    rotvec[:, 0] += [3.0, 0.0, 0.0]
    rotmats = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    rotmats = rotmats.reshape(len(FRAMES), 24, 3, 3)
    translation = rng.normal(size=(len(FRAMES), 3)) + [0, 0, 4]
    skeleton = Skeleton(
        joints=np.asarray(shaped.joints, float),
        vertices=np.asarray(shaped.surface.rest, float).T,
        faces=np.asarray(body.faces),
        skinning_weights=np.asarray(body.surface.skinning_weights, float).T,
        betas=betas.astype(float),
    )
    movement = movement_from_camera(skeleton, FRAMES, rotmats, translation, 25.0)
    posed = pose_body(
        shaped,
        rotmats[:, 0].astype(np.float32),
        rotmats[:, 1:].astype(np.float32),
    )
    place = translation[:, None]
    joints = (np.asarray(posed.kinematic_joints) + place) * TO_Y_UP
    vertices = (np.asarray(posed.vertices) + place) * TO_Y_UP
    return movement, joints, vertices, shaped


def chained(local: list[np.ndarray]) -> np.ndarray:
    """Transforms of all joints [24, 4, 4] from those relative to the parents."""
    world = []
    for joint, parent in enumerate(SMPL_PARENTS):
        world.append(local[joint] if parent < 0 else world[parent] @ local[joint])
    return np.stack(world)


def transform(rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix


def test_frames_between_are_filled_on_the_shortest_way(case):
    movement = case[0]
    assert movement.measured.tolist() == [True, True, False, False, True, True]
    root = movement.root
    np.testing.assert_allclose(root[2:4], [(2 * root[1] + root[4]) / 3,
                                           (root[1] + 2 * root[4]) / 3])  # fmt: skip
    turn = lambda a, b: Rotation.from_matrix(  # noqa: E731
        np.swapaxes(movement.rotmats[a], 1, 2) @ movement.rotmats[b]
    ).as_rotvec()
    np.testing.assert_allclose(3 * turn(1, 2), turn(1, 4), atol=1e-9)
    np.testing.assert_allclose(turn(2, 3), turn(1, 2), atol=1e-9)


def test_bvh(tmp_path, case):
    movement, joints, _, _ = case
    write_bvh(tmp_path / "a.bvh", movement)
    read = bvh.Bvh((tmp_path / "a.bvh").read_text())
    assert read.nframes == len(movement)
    assert read.frame_time == pytest.approx(1 / 25)
    assert sorted(read.get_joints_names()) == sorted(SMPL_24.names)
    for row, frame in enumerate(np.flatnonzero(movement.measured)):
        local = []
        for name in SMPL_24.names:
            angles = read.frame_joint_channels(
                frame, name, ["Zrotation", "Xrotation", "Yrotation"]
            )
            shift = np.array(read.joint_offset(name))
            if name == "pelvis":
                shift = shift + read.frame_joint_channels(
                    frame, name, ["Xposition", "Yposition", "Zposition"]
                )
            # Channels act from the left to the right, each about its turned axes.
            z, x, y = (
                Rotation.from_euler(axis, angle, degrees=True).as_matrix()
                for axis, angle in zip("zxy", angles, strict=True)
            )
            local.append(transform(z @ x @ y, shift / 100))
        np.testing.assert_allclose(chained(local)[:, :3, 3], joints[row], atol=2e-6)


def test_angles_of_bvh_do_not_jump(tmp_path, case):
    skeleton = case[0].skeleton
    # The whole body turns once about the vertical, a degree at a time.
    turn = Rotation.from_rotvec(
        np.radians(np.arange(360))[:, None] * [0.0, 1.0, 0.0]
    ).as_matrix()
    rotmats = np.tile(np.eye(3), (360, 24, 1, 1))
    rotmats[:, 0] = turn
    movement = movement_from_camera(
        skeleton, np.arange(360), rotmats, np.zeros((360, 3)), 30
    )
    write_bvh(tmp_path / "a.bvh", movement)
    read = bvh.Bvh((tmp_path / "a.bvh").read_text())
    rows = np.array(read.frames, float)
    assert np.abs(np.diff(rows[:, 3:], axis=0)).max() < 1.001


def accessor(gltf: pygltflib.GLTF2, number: int) -> np.ndarray:
    entry = gltf.accessors[number]
    kinds = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[entry.type]
    view = gltf.bufferViews[entry.bufferView]
    flat = np.frombuffer(
        gltf.binary_blob(), kinds[entry.componentType], entry.count * width,
        view.byteOffset,
    )  # fmt: skip
    array = flat.reshape(entry.count, width)
    np.testing.assert_array_equal(array.min(axis=0), np.float64(entry.min))
    np.testing.assert_array_equal(array.max(axis=0), np.float64(entry.max))
    return array


def test_glb_moves_the_skin_as_the_body_model_does(tmp_path, case):
    movement, joints, vertices, _ = case
    write_skinned_glb(tmp_path / "a.glb", movement)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    attributes = gltf.meshes[0].primitives[0].attributes
    rest = accessor(gltf, attributes.POSITION)
    bones = accessor(gltf, attributes.JOINTS_0).astype(int)
    shares = accessor(gltf, attributes.WEIGHTS_0)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    to_bone = accessor(gltf, gltf.skins[0].inverseBindMatrices)
    to_bone = to_bone.reshape(-1, 4, 4).swapaxes(1, 2)

    animation = gltf.animations[0]
    assert len(animation.channels) == 25
    tracks = {}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        times = accessor(gltf, sampler.input)[:, 0]
        np.testing.assert_allclose(times, np.arange(len(movement)) / 25)
        values = accessor(gltf, sampler.output)
        tracks[channel.target.node, channel.target.path] = values
    for row, frame in enumerate(np.flatnonzero(movement.measured)):
        local = [
            transform(
                Rotation.from_quat(tracks[j, "rotation"][frame]).as_matrix(),
                tracks.get((j, "translation"), [gltf.nodes[j].translation] * 99)[frame],
            )
            for j in range(24)
        ]
        world = chained(local)
        np.testing.assert_allclose(world[:, :3, 3], joints[row], atol=2e-6)
        blended = np.einsum("vk,vkrc->vrc", shares, (world @ to_bone)[bones])
        moved = np.einsum("vrc,vc->vr", blended, np.c_[rest, np.ones(len(rest))])
        np.testing.assert_allclose(moved[:, :3], vertices[row], atol=5e-6)
    # Neighbouring quaternions never have opposite signs.
    for joint in range(24):
        q = tracks[joint, "rotation"]
        assert np.all(np.sum(q[1:] * q[:-1], axis=1) > 0)


def test_glb_of_one_pose_stands_in_it_without_animation(tmp_path, case):
    movement, joints, _, _ = case
    still = movement_from_camera(
        movement.skeleton, FRAMES[:1], movement.rotmats[:1], movement.root[:1], 30
    )
    write_skinned_glb(tmp_path / "a.glb", still)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    assert gltf.animations == []
    local = [
        transform(Rotation.from_quat(n.rotation).as_matrix(), n.translation)
        for n in gltf.nodes[:24]
    ]
    # The rotation of the root was turned a second time, and so is the whole body.
    turned = (joints[0] - joints[0, 0]) * TO_Y_UP
    at = chained(local)[:, :3, 3]
    np.testing.assert_allclose(at - at[0], turned, atol=2e-6)


def test_amass(tmp_path, case):
    movement, _, vertices, shaped = case
    write_amass(tmp_path / "a.npz", movement)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        poses, trans = read["poses"], read["trans"]
        assert poses.shape == (len(movement), 156)
        np.testing.assert_allclose(read["betas"][:10], movement.skeleton.betas)
        assert read["mocap_framerate"] == 25
    # The last two joints of SMPL_24, the hands, are not among those of AMASS.
    body = poses[:, :66].reshape(-1, 3)
    rotmats = Rotation.from_rotvec(body).as_matrix().reshape(-1, 22, 3, 3)
    hands = movement.rotmats[:, 22:]
    rotmats = np.concatenate([rotmats, hands], axis=1).astype(np.float32)
    posed = pose_body(shaped, rotmats[:, 0], rotmats[:, 1:])
    x, y, z = np.moveaxis(vertices, -1, 0)
    placed = (
        np.asarray(posed.vertices)[movement.measured] + trans[movement.measured, None]
    )
    np.testing.assert_allclose(placed, np.stack([x, -z, y], -1), atol=1e-5)


def test_tables_of_joints(tmp_path):
    positions = np.random.default_rng(0).normal(size=(5, 2, 3))
    names = ("nose", "neck")
    write_trc(tmp_path / "a.trc", names, positions, 50.0)
    lines = (tmp_path / "a.trc").read_text().splitlines()
    assert lines[0].split("\t")[-1] == "a.trc"
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert (header["NumFrames"], header["NumMarkers"]) == ("5", "2")
    assert (header["DataRate"], header["Units"]) == ("50", "m")
    assert lines[3].split("\t")[2::3] == ["nose", "neck"]
    assert lines[4].split("\t")[2:] == ["X1", "Y1", "Z1", "X2", "Y2", "Z2"]
    rows = np.loadtxt(tmp_path / "a.trc", skiprows=6)
    np.testing.assert_allclose(rows[:, 0], np.arange(1, 6))
    np.testing.assert_allclose(rows[:, 1], np.arange(5) / 50)
    np.testing.assert_allclose(rows[:, 2:].reshape(5, 2, 3), positions, atol=1e-6)

    measured = np.array([True, True, False, True, True])
    write_csv(tmp_path / "a.csv", names, positions, 50.0, measured)
    with (tmp_path / "a.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [row["measured"] for row in table] == ["1", "1", "0", "1", "1"]
    z = [float(row["neck_z"]) for row in table]
    np.testing.assert_allclose(z, positions[:, 1, 2], atol=1e-6)
