"""Datasets appear whole, in order, with what could not be used counted."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.dataset_reader import DatasetReader, Source, dataset_directory
from prohmr_jax.data.datasets import builder
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.cleaning import clean
from prohmr_jax.errors import InputError
from tests.support.datasets_case import make_record


def read(directory, split="train"):
    people = DatasetReader(Source(str(directory), split, 1.0))
    return [people[number][0] for number in range(len(people))]


def without_photo(record, **changes):
    return dataclasses.replace(record, image=b"", **changes)


@pytest.fixture
def photos(tmp_path):
    """A folder with the photos of four records, one of them damaged."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        record = make_record(number, damaged=number == 2)
        (folder / record.name).write_bytes(record.image)
    return folder


def test_everything_comes_back_in_order_over_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "_PEOPLE_PER_SHARD", 4)
    monkeypatch.setattr(builder, "_PEOPLE_PER_WRITE", 3)
    records = [make_record(n) for n in range(10)]
    splits = {"train": records, "val": iter(records[:2])}
    tally = write_dataset(tmp_path / "out", "people", splits, settings={"kind": "x"})
    assert (tally.people, tally.skipped) == ({"train": 10, "val": 2}, 0)
    directory = dataset_directory(tmp_path / "out")
    assert len(list(directory.glob("*train*"))) == 3
    assert json.loads((directory / "metadata.json").read_text()) == {"kind": "x"}
    for split, expected in (("train", records), ("val", records[:2])):
        actual = read(tmp_path / "out", split)
        assert len(actual) == len(expected)
        for a, b in zip(actual, map(clean, expected), strict=True):
            assert (a.image, a.name, a.action) == (b.image, b.name, b.action)
            assert (a.has_pose, a.has_betas) == (b.has_pose, b.has_betas)
            for field in ("box_center", "keypoints_2d", "keypoints_3d", "axis_angle"):
                wanted = np.float32(getattr(b, field))
                np.testing.assert_array_equal(getattr(a, field), wanted)


def test_missing_and_damaged_photos_are_named_and_counted(tmp_path, photos, caplog):
    records = [without_photo(make_record(n)) for n in (0, 1, 2, 2, 3, 9)]
    tally = write_dataset(tmp_path / "out", "p", {"train": records}, images=photos)
    assert (tally.people["train"], tally.skipped) == (3, 3)
    assert [record.name for record in read(tmp_path / "out")] == [
        "photo0.jpg", "photo1.jpg", "photo3.jpg",
    ]  # fmt: skip
    assert sorted(tally.faults.values()) == [1, 2]
    assert caplog.text.count("photo2.jpg: is no image, or a damaged one") == 1
    assert f"{photos / 'photo9.jpg'}: does not exist" in caplog.text


def test_a_wrong_folder_is_told_at_once_and_leaves_nothing(tmp_path, photos):
    asked = []

    def people():
        for number in range(10_000):
            asked.append(number)
            yield without_photo(make_record(0), name=f"elsewhere{number}.jpg")

    with pytest.raises(InputError, match="nobody.*elsewhere0.jpg: does not exist"):
        write_dataset(tmp_path / "out", "p", {"train": people()}, images=photos)
    assert len(asked) < 200
    assert os.listdir(tmp_path) == ["images"]


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "a/../../secret.jpg", "..\\secret.jpg", "/etc/passwd", "",
             "a\0b.jpg", "x" * 5000]
)  # fmt: skip
def test_names_cannot_lead_out_of_the_folder(tmp_path, photos, name):
    (tmp_path / "secret.jpg").write_bytes(make_record(0).image)
    records = [without_photo(make_record(0), name=name), make_record(1)]
    tally = write_dataset(tmp_path / "out", "p", {"train": records}, images=photos)
    assert (tally.people["train"], tally.skipped) == (1, 1)


def test_a_name_may_begin_with_the_folder_itself(tmp_path, photos):
    record = without_photo(make_record(0), name="images/photo0.jpg")
    for folder in (photos, tmp_path):
        out = tmp_path / f"out{folder.name}"
        write_dataset(out, "p", {"train": [record]}, images=folder)
        assert read(out)[0].image == make_record(0).image


def test_nobody_is_no_dataset(tmp_path):
    with pytest.raises(InputError, match="there is nobody"):
        write_dataset(tmp_path / "out", "p", {"train": []})
    with pytest.raises(InputError, match="no folder is given"):
        write_dataset(tmp_path / "out", "p", {"train": [without_photo(make_record(0))]})
    with pytest.raises(InputError, match="Bad Name: is no name"):
        write_dataset(tmp_path / "out", "Bad Name", {"train": [make_record(0)]})
    assert not os.listdir(tmp_path)


def test_what_is_there_is_not_overwritten_nor_written_below_files(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").write_text("kept")
    with pytest.raises(InputError, match="out: is there already"):
        write_dataset(tmp_path / "out", "p", {"train": [make_record(0)]})
    assert (tmp_path / "out" / "kept").read_text() == "kept"
    with pytest.raises(InputError, match="cannot be written"):
        write_dataset(tmp_path / "out/kept/d", "p", {"train": [make_record(0)]})


def test_labels_that_are_not_finite_are_missing(tmp_path):
    record = make_record(0)
    record.keypoints_2d[3, 0] = np.nan
    record.keypoints_3d[4, 3] = np.inf
    record.keypoints_3d[6, 0] = 1e300  # infinite where it is stored
    record.keypoints_3d[5, 3] = 0.0
    record.axis_angle[7, 1] = np.nan
    record.betas[0] = np.inf
    cameras = {"intrinsics": np.full((3, 3), np.nan), "extrinsics": np.ones((3, 4))}
    record = dataclasses.replace(record, **cameras)
    boxless = dataclasses.replace(make_record(1), box_size=np.nan)
    tally = write_dataset(tmp_path / "out", "p", {"train": [record, boxless]})
    (actual,) = read(tmp_path / "out")
    assert (actual.has_pose, actual.has_betas) == (False, False)
    for values in (actual.axis_angle, actual.betas, actual.intrinsics):
        assert not values.any()
    assert actual.extrinsics.all()
    assert np.flatnonzero(~actual.keypoints_2d.any(1)).tolist() == [3]
    assert np.flatnonzero(~actual.keypoints_3d.any(1)).tolist() == [4, 5, 6]
    assert "photo1.jpg: has a person without a box" in next(iter(tally.faults))


def test_a_box_beside_the_photo_is_skipped(tmp_path):
    beside = dataclasses.replace(make_record(1), box_center=np.array([500.0, 30.0]))
    tally = write_dataset(tmp_path / "out", "p", {"train": [make_record(0), beside]})
    assert tally.people["train"] == 1
    assert "photo1.jpg: does not show the box" in next(iter(tally.faults))


def test_other_formats_are_kept_without_loss(tmp_path):
    pixels = decode_image(make_record(0).image, "x")
    _, data = cv2.imencode(".bmp", pixels[..., ::-1])
    record = dataclasses.replace(make_record(0), image=data.tobytes())
    write_dataset(tmp_path / "out", "p", {"train": [record]})
    (actual,) = read(tmp_path / "out")
    assert actual.image.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_image(actual.image, "x"), pixels)


_BUILD = """
import sys
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.errors import InputError
from tests.support.datasets_case import make_record
{prologue}
def people():
    for number in range(150):
        yield make_record(number)
        {during}
try:
    write_dataset(sys.argv[1], "people", {{"train": people()}})
except InputError as error:
    print(error)
    sys.exit(2)
"""


def start(output, prologue="", during="pass"):
    code = _BUILD.format(prologue=prologue, during=during)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(output)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_a_full_disk_is_one_line(tmp_path):
    """A limit on the size of files stands for a disk."""
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))"
    )
    build = start(tmp_path / "out", prologue=limit)
    message, _ = build.communicate(timeout=100)
    assert build.returncode == 2
    assert message.startswith(f"{tmp_path / 'out'}: cannot be written: ")
    assert message.count("\n") == 1
    assert not os.listdir(tmp_path)


def test_a_killed_build_is_not_taken_for_a_dataset(tmp_path):
    build = start(
        tmp_path / "out", during="number > 140 and __import__('time').sleep(9)"
    )
    while not list(tmp_path.glob("**/*.array_record-*")):
        assert build.poll() is None
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="holds no dataset"):
        dataset_directory(tmp_path)
    write_dataset(tmp_path / "out", "people", {"train": [make_record(0)]})
    assert dataset_directory(tmp_path).is_relative_to(tmp_path / "out")
