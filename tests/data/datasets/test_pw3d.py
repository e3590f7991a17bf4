"""3DPW: a person of a sequence file in the camera, against the world moved there."""

import pickle

import cv2
import jax
import numpy as np
import pytest

from prohmr_jax.body import body_joints, make_body_model
from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.pw3d import pose_in_camera, sequence_records
from prohmr_jax.data.datasets.pw3d_files import find_sequences, read_sequence
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, EVAL_H36M_14, JOINTS_44
from prohmr_jax.structs import SmplParams
from tests.support.datasets_files import write_photos
from tests.support.files_pickling import ERAS, Python2Pickler, pickled

FRAMES = 5
VALID = ([1, 1, 0, 1, 1], [0, 1, 1, 1, 0])
UNDETECTED = (0, 4)  # person, frame


def rotations(axis_angle):
    flat = axis_angle.reshape(-1, 3)
    turned = np.stack([cv2.Rodrigues(a)[0] for a in flat])
    return turned.reshape(*axis_angle.shape[:-1], 3, 3)


@pytest.fixture(scope="module")
def bodies(tiny_body, tiny_arrays):
    """A man, and a woman who is smaller."""
    smaller = {**tiny_arrays, "v_template": 0.9 * tiny_arrays["v_template"]}
    return {"m": tiny_body, "f": make_body_model(**smaller)}


@pytest.fixture(scope="module")
def world():
    """A sequence of two people, with the fields of the distributed files."""
    rng = np.random.default_rng(4)
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3] = rotations(rng.normal(size=(FRAMES, 3)))
    cameras[:, :3, 3] = rng.normal(size=(FRAMES, 3)) + [0, 0, 5]
    detections = rng.uniform(20, 50, (2, FRAMES, 3, 18))
    detections[:, :, 2] = rng.uniform(0.2, 1, (2, FRAMES, 18))
    detections[:, :, :, 7] = 0.0
    detections[UNDETECTED[0], UNDETECTED[1], 2] = 0.0
    return {
        "sequence": "downtown_walk_00",
        "poses": list(rng.normal(size=(2, FRAMES, 72)) * 0.5),
        "trans": list(rng.normal(size=(2, FRAMES, 3)) * 3),
        "betas": [rng.normal(size=10), rng.normal(size=300)],
        "genders": ["m", "f"],
        "poses2d": list(detections),
        "campose_valid": [np.array(valid) for valid in VALID],
        "cam_poses": cameras,
        "cam_intrinsics": np.array([[1960.0, 0, 540], [0, 1960, 960], [0, 0, 1]]),
        "img_frame_ids": np.arange(0, 2 * FRAMES, 2),
        "poses_60Hz": [np.zeros((2 * FRAMES, 72))] * 2,
        "v_template_clothed": [np.zeros((60, 3))] * 2,
    }


def save(path, content, write=lambda value: pickled(value, 2, Python2Pickler)):
    path.write_bytes(write(content))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "downtown_walk_00.pkl"


def in_camera(body, world, person, frame):
    """The person posed in the world as SMPL's authors do, then seen by the camera."""
    axis_angle = world["poses"][person][frame].reshape(24, 3)
    rotmats = rotations(axis_angle).astype(np.float32)
    betas = world["betas"][person][:10].astype(np.float32)
    posed = body_joints(body, SmplParams.from_rotmats(rotmats, betas))
    extrinsics = world["cam_poses"][frame][:3]

    def seen(joints):
        placed = np.asarray(joints) + world["trans"][person][frame]
        return placed @ extrinsics[:, :3].T + extrinsics[:, 3]

    return seen(posed.joints), seen(posed.kinematic_joints)


def test_records_are_the_world_seen_by_the_camera(path, world, bodies):
    records = list(sequence_records([save(path, world)], bodies))
    frames = [(p, f) for p in (0, 1) for f in np.flatnonzero(VALID[p])]
    assert len(records) == len(frames)
    scored = list(EVAL_H36M_14.positions_in(JOINTS_44))
    for record, (person, frame) in zip(records, frames, strict=True):
        assert record.name == f"imageFiles/downtown_walk_00/image_{frame:05d}.jpg"
        body = bodies["mf"[person]]
        joints, _ = in_camera(body, world, person, frame)
        np.testing.assert_allclose(
            record.keypoints_3d[scored, :3], joints[scored], atol=2e-5
        )
        assert (record.keypoints_3d[:, 3] == [0] * 25 + [1] * 19).all()
        # The global pose of the official preparation, in OpenCV's words.
        extrinsics = world["cam_poses"][frame]
        pose = world["poses"][person][frame]
        turned = extrinsics[:3, :3] @ cv2.Rodrigues(pose[:3])[0]
        np.testing.assert_allclose(
            cv2.Rodrigues(record.axis_angle[0])[0], turned, atol=1e-5
        )
        np.testing.assert_array_equal(record.axis_angle[1:].ravel(), pose[3:])
        np.testing.assert_array_equal(record.betas, world["betas"][person][:10])
        np.testing.assert_array_equal(record.extrinsics, extrinsics[:3])
        np.testing.assert_array_equal(record.intrinsics, world["cam_intrinsics"])
        assert (record.has_pose, record.has_betas) == (True, True)


def test_detections_and_box_are_the_official_ones(path, world, bodies):
    record = next(iter(sequence_records([save(path, world)], bodies)))
    detections = world["poses2d"][0][0].T
    for name, place in (("nose", 0), ("neck", 1), ("left_ankle", 13), ("left_ear", 17)):
        actual = record.keypoints_2d[BODY_25.index(name)]
        np.testing.assert_array_equal(actual, detections[place])
    for name in ("mid_hip", "left_heel"):
        assert not record.keypoints_2d[BODY_25.index(name)].any()
    assert not record.keypoints_2d[25:].any()
    part = detections[detections[:, 2] > 0]
    low, high = part[:, :2].min(0), part[:, :2].max(0)
    np.testing.assert_allclose(record.box_center, (low + high) / 2, rtol=1e-6)
    assert abs(record.box_size - 1.2 * (high - low).max()) < 1e-4


def test_people_without_detections_are_skipped_and_counted(
    path, tmp_path, world, bodies
):
    names = [f"imageFiles/downtown_walk_00/image_{n:05d}.jpg" for n in range(FRAMES)]
    images = write_photos(tmp_path / "images", names)
    records = sequence_records([save(path, world)], bodies)
    tally = write_dataset(tmp_path / "out", "p", {"test": records}, images=images)
    assert tally.people["test"] == sum(map(sum, VALID)) - 1
    assert "image_00004.jpg: has a person without a box" in next(iter(tally.faults))
    assert len(DatasetReader(Source(str(tmp_path / "out"), "test", 1.0))) == 6


def test_every_nth_frame(path, world, bodies):
    names = [r.name[-9:-4] for r in sequence_records([save(path, world)], bodies, 2)]
    assert names == ["00000", "00004", "00002"]


@pytest.mark.parametrize("era", ERAS)
def test_files_of_all_eras_are_read(path, world, era):
    people = read_sequence(save(path, world, ERAS[era]))
    assert [actor.gender for actor in people] == ["m", "f"]
    for person, actor in enumerate(people):
        np.testing.assert_array_equal(actor.pose.reshape(FRAMES, 72),
                                      world["poses"][person])  # fmt: skip
        assert actor.valid.tolist() == [bool(v) for v in VALID[person]]


def test_texts_of_numpy_are_texts(path, world):
    texts = {"sequence": np.str_("a"), "genders": [np.str_("f"), np.str_("m")]}
    people = read_sequence(save(path, {**world, **texts}, ERAS["python 3, protocol 4"]))
    assert [(actor.sequence, actor.gender) for actor in people] == [
        ("a", "f"),
        ("a", "m"),
    ]


def test_another_body_is_warned_of(path, world, bodies, caplog):
    """Files hold SMPL's joints in the world: those of the right body agree."""
    joints = []
    for person in (0, 1):
        body = bodies["mf"[person]]
        frames = []
        for frame in range(FRAMES):
            camera = world["cam_poses"][frame]
            _, seen = in_camera(body, world, person, frame)
            frames.append((seen - camera[:3, 3]) @ camera[:3, :3])
        joints.append(np.reshape(frames, (FRAMES, 72)))
    save(path, {**world, "jointPositions": joints})
    list(sequence_records([path], bodies))
    assert not caplog.text
    list(sequence_records([path], {"m": bodies["f"], "f": bodies["m"]}))
    assert caplog.text.count("from those of the file: is it SMPL of that gender?") == 2


def test_folders_are_read_in_order(tmp_path):
    for name in ("b.pkl", "a.pkl", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_sequences(tmp_path)] == ["a.pkl", "b.pkl"]
    assert find_sequences(tmp_path / "a.pkl") == [tmp_path / "a.pkl"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no .pkl files"):
        find_sequences(tmp_path / "empty")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"poses": None}, "no list 'poses'"),
        ({"genders": "mf"}, "no list 'genders'"),
        ({"sequence": 3}, "no text 'sequence'"),
        ({"genders": ["m", "x"]}, r"genders\[1\] is neither 'm' nor 'f'"),
        ({"genders": ["m"]}, r"genders\[1\] is neither"),
        ({"cam_poses": np.zeros((4, 4, 4))}, r"poses\[0\] has shape .* \[T=4, 72\]"),
        ({"cam_intrinsics": None}, "cam_intrinsics is missing"),
        ({"trans": [np.zeros((FRAMES, 3))]}, r"trans\[1\] is missing"),
        ({"betas": [np.zeros(9)] * 2}, r"betas\[0\] has fewer than 10"),
        ({"poses2d": [np.zeros((FRAMES, 18, 3))] * 2}, r"poses2d\[0\] has shape"),
        ({"campose_valid": [np.array(["y"] * FRAMES)] * 2}, r"valid\[0\] is of type"),
        ({"cam_intrinsics": np.full((3, 3), np.nan)}, "not finite"),
    ],
)
def test_other_content_is_refused_by_name(path, world, changes, fault):
    content = {k: v for k, v in {**world, **changes}.items() if v is not None}
    with pytest.raises(InputError, match=fault) as error:
        read_sequence(save(path, content, ERAS["python 3, protocol 4"]))
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [None, b"", b"no pickle", pickled([1], 2)])
def test_files_that_are_none_are_named(path, content):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="downtown_walk_00.pkl: "):
        read_sequence(path)


class Attack:
    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return open, (self.canary, "w")


@pytest.mark.parametrize("place", ["poses", "v_template_clothed", "sequence"])
def test_attacks_are_refused_and_never_run(path, tmp_path, world, place):
    canary = tmp_path / "canary"
    path.write_bytes(pickle.dumps({**world, place: Attack(canary)}))
    with pytest.raises(InputError, match="refused: it asks for '.*open'"):
        read_sequence(path)
    assert not canary.exists()


def test_sequences_cannot_lead_out_of_the_folder(path, tmp_path, world, bodies):
    write_photos(tmp_path, [f"secret/image_{n:05d}.jpg" for n in range(FRAMES)])
    (tmp_path / "images" / "imageFiles").mkdir(parents=True)
    save(path, {**world, "sequence": "../../secret"})
    with pytest.raises(InputError, match="the name leads elsewhere"):
        write_dataset(
            tmp_path / "out", "p", {"test": sequence_records([path], bodies)},
            images=tmp_path / "images",
        )  # fmt: skip


def test_posing_lowers_for_accelerators(tiny_body):
    shapes = (10,), (256, 24, 3), (256, 3), (256, 3, 4)
    arrays = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    exported = jax.export.export(pose_in_camera, platforms=["tpu", "cuda"])(
        tiny_body, *arrays
    )
    assert [leaf.shape for leaf in exported.out_avals] == [
        (256, 3), (256, 19, 3), (256, 24, 3)
    ]  # fmt: skip
