"""Annotation files: the layouts, their units, and everything that is none of them."""

import pickle

import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.datasets.annotations import read_annotations
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.h36m_names import H36mPhoto, parse_photo
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from tests.support.datasets_files import (
    NAMES,
    official_arrays,
    spin_arrays,
    write_photos,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annotations.npz"


def save(path, arrays, **changes):
    arrays = {**arrays, **changes}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_official_file_becomes_records_of_the_official_batch(path, tmp_path):
    arrays = official_arrays()
    table = read_annotations(save(path, arrays))
    images = write_photos(tmp_path / "images")
    write_dataset(tmp_path / "out", "h36m", {"train": table}, images=images)
    people = DatasetReader(Source(str(tmp_path / "out"), "train", 1.0))
    assert len(people) == len(table) == 3
    for row, name in enumerate(NAMES):
        record, _ = people[row]
        assert record.name == name
        assert record.image == (images / name).read_bytes()
        for field, key in (("box_center", "center"), ("box_size", "scale")):
            np.testing.assert_allclose(getattr(record, field), arrays[key][row])
        for kind in ("keypoints_2d", "keypoints_3d"):
            both = arrays[f"body_{kind}"][row], arrays[f"extra_{kind}"][row]
            expected = np.concatenate(both)
            if kind == "keypoints_3d":  # ImageDataset: OpenPose's joints 1 to 14
                expected[1:15] = 0
            np.testing.assert_allclose(getattr(record, kind), expected, rtol=1e-6)
        assert record.has_pose == (row != 1)
        expected = arrays["body_pose"][row].reshape(24, 3) * record.has_pose
        np.testing.assert_allclose(record.axis_angle, expected, rtol=1e-6)
        np.testing.assert_allclose(record.betas, arrays["betas"][row], rtol=1e-6)
    records = [people[row][0] for row in range(3)]
    assert [r.action for r in records] == ["Directions", "Directions", "WalkDog"]
    assert records[0].person == records[1].person == "S9_Directions_1_000001"
    assert records[2].person == "S11_WalkingDog_000006"


def test_spin_file_gives_the_same_people(tmp_path):
    official = read_annotations(save(tmp_path / "a.npz", official_arrays()))
    spin = read_annotations(save(tmp_path / "b.npz", spin_arrays()))
    np.testing.assert_allclose(spin.box_sizes, official.box_sizes)
    assert (spin.has_pose == official.has_pose).all()
    for row, (a, b) in enumerate(zip(spin, official, strict=True)):
        face = list(JOINTS_44.indices("nose", "left_eye", "right_eye"))
        rest = [j for j in range(44) if j not in face + [17, 18]]
        np.testing.assert_array_equal(a.keypoints_2d[rest], b.keypoints_2d[rest])
        same = np.array_equal(a.keypoints_2d[face], b.keypoints_2d[face])
        assert same == (row != 0)  # annotators go before OpenPose
        np.testing.assert_array_equal(a.keypoints_3d[25:], b.keypoints_3d[25:])
        np.testing.assert_array_equal(a.axis_angle, b.axis_angle)


def test_spin_parameters_need_no_flag_and_official_ones_do(tmp_path):
    spin = save(tmp_path / "a.npz", spin_arrays(), has_smpl=None)
    assert read_annotations(spin).has_pose.all()
    official = save(tmp_path / "b.npz", official_arrays(), has_body_pose=None)
    table = read_annotations(official)
    assert not table.has_pose.any()
    assert table.has_betas.all()


def test_labels_are_optional(path):
    few = ("imgname", "center", "scale", "extra_keypoints_2d")
    arrays = {key: official_arrays()[key] for key in few}
    (record, *_) = read_annotations(save(path, arrays))
    assert (record.has_pose, record.has_betas) == (False, False)
    assert not record.keypoints_3d.any()
    assert not record.keypoints_2d[: len(BODY_25)].any()


def test_scale_of_two_numbers_is_its_larger(path):
    arrays = official_arrays()
    both = np.stack([arrays["scale"] - 5, arrays["scale"]], axis=1)
    table = read_annotations(save(path, arrays, scale=both))
    np.testing.assert_array_equal(table.box_sizes, arrays["scale"])


def test_units_that_make_no_sense_are_not_guessed(path):
    arrays = official_arrays()
    with pytest.raises(InputError, match="seems to be in box_200, not in pixels"):
        read_annotations(save(path, arrays, scale=arrays["scale"] / 200))
    table = read_annotations(path, box_unit="box_200")
    np.testing.assert_allclose(table.box_sizes, arrays["scale"])
    with pytest.raises(InputError, match="seems to be in pixels, not in box_200"):
        read_annotations(save(path, spin_arrays(), scale=arrays["scale"]))
    table = read_annotations(path, box_unit="pixels")
    np.testing.assert_allclose(table.box_sizes, arrays["scale"])


def test_names_may_be_bytes(path):
    names = np.array([name.encode() for name in NAMES])
    table = read_annotations(save(path, official_arrays(), imgname=names))
    assert tuple(record.name for record in table) == NAMES
    save(path, official_arrays(), imgname=np.array([b"\xff"] * 3))
    with pytest.raises(InputError, match="imgname holds bytes that are no text"):
        read_annotations(path)


def test_labels_that_are_not_numbers_reach_the_builder(path, tmp_path):
    """One bad row costs a label or a person, not the dataset."""
    arrays = official_arrays()
    arrays["body_pose"][0, 5] = np.nan
    arrays["extra_keypoints_2d"][0, 3, 1] = np.nan
    arrays["center"][1, 0] = np.nan
    images = write_photos(tmp_path / "images")
    table = read_annotations(save(path, arrays))
    tally = write_dataset(tmp_path / "out", "p", {"train": table}, images=images)
    (fault,) = tally.faults
    assert fault.startswith(f"{NAMES[1]}: has a person without a box")
    record, _ = DatasetReader(Source(str(tmp_path / "out"), "train", 1.0))[0]
    assert not record.has_pose
    assert not record.keypoints_2d[28].any()
    assert record.keypoints_2d[27].all()


_ROWS = np.zeros((3, 25, 3))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"imgname": None}, "no array 'imgname'"),
        ({"center": None}, "no array 'center'"),
        ({"scale": None}, "no array 'scale'"),
        ({"imgname": np.arange(3)}, "imgname is of type int64, not name"),
        ({"center": np.zeros((3, 3))}, r"center has shape \[3, 3\]"),
        ({"center": np.zeros((2, 2))}, r"center has shape .* expected \[N=3, 2\]"),
        ({"scale": np.zeros((3, 0))}, "scale is empty"),
        ({"body_pose": np.zeros((3, 69))}, "body_pose has shape"),
        ({"betas": np.zeros((3, 9))}, "betas has fewer than 10"),
        ({"body_keypoints_2d": np.zeros((3, 24, 3))}, "body_keypoints_2d has shape"),
        ({"extra_keypoints_3d": np.zeros((3, 19, 3))}, "extra_keypoints_3d has shape"),
        ({"body_keypoints_2d": _ROWS.astype(str)}, "body_keypoints_2d is of type"),
        ({"openpose": _ROWS}, "both ProHMR's and SPIN's"),
        ({"imgname": np.array(NAMES, object)}, "imgname is an array of Python objects"),
        ({"body_pose": np.full((3, 72), None)}, "body_pose is an array of Python obj"),
    ],
)
def test_other_arrays_are_refused_by_name(path, change, fault):
    save(path, official_arrays(), **change)
    with pytest.raises(InputError, match=fault) as error:
        read_annotations(path)
    assert str(error.value).startswith(f"{path}: ")


def test_files_without_people_or_labels_are_refused(path):
    with pytest.raises(InputError, match="holds no people"):
        read_annotations(save(path, official_arrays(names=())))
    only = {key: official_arrays()[key] for key in ("imgname", "center", "scale")}
    with pytest.raises(InputError, match="neither ProHMR's nor SPIN's"):
        read_annotations(save(path, only))
    assert len(read_annotations(path, layout="prohmr")) == 3


@pytest.mark.parametrize("content", [None, b"", b"PK", b"nothing of the kind"])
def test_files_that_are_none_are_named(path, content):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="annotations.npz: "):
        read_annotations(path)


def test_a_pickle_in_place_of_an_array_is_not_executed(path, tmp_path):
    class Attack:
        def __reduce__(self):
            return open, (str(tmp_path / "canary"), "w")

    arrays = official_arrays()
    save(path, arrays, imgname=np.array([Attack()] * 3, object))
    with pytest.raises(InputError, match="Python objects"):
        read_annotations(path)
    path.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(InputError, match="no .npz archive"):
        read_annotations(path)
    assert not (tmp_path / "canary").exists()


def test_names_of_human36m_and_others():
    photo = parse_photo("images/S1_TakingPhoto_1.54138969_000011.jpg")
    assert photo == H36mPhoto("S1", "TakingPhoto_1", "54138969", "000011")
    assert (photo.action, photo.instant) == ("Photo", "S1_TakingPhoto_1_000011")
    assert photo.name == "S1_TakingPhoto_1.54138969_000011.jpg"
    assert parse_photo("S5_Eating_2.55011271_000001.jpg").action == "Eating"
    for name in ("train2014/COCO_train2014_000000044474.jpg", "S1/Seq1/frame_01.jpg"):
        assert parse_photo(name) is None
