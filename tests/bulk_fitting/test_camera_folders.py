"""Files of several cameras are put together by moments, in all layouts."""

import logging

import numpy as np
import pytest

from prohmr_jax.bulk_fitting.camera_folders import frames_of_cameras
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from tests.support.demo_cases import openpose, person, write_photo


def frames(folder, names, *files):
    """Frames of a session with some files, whose cameras have some names."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            write_photo(path)
        else:
            path.write_text(openpose(person(0)))
    cameras = {
        name: CalibratedCamera(np.eye(3), np.eye(3), np.full(3, float(number)))
        for number, name in enumerate(names)
    }
    reader = PeopleReader(ReadingSettings())
    moments = frames_of_cameras(
        folder, cameras, folder / "c.toml", reader, folder / "out"
    )
    return [
        (name, {view.name: int(view.camera.translation[0]) for view in views})
        for name, views in moments
    ]


LAYOUTS = {
    "by name": (("cam0", "cam1"), [
        ("000", {"cam0/000_keypoints.json": 0, "cam1/0_keypoints.json": 1}),
        ("12", {"cam0/12_keypoints.json": 0}),
    ]),
    "Pose2Sim": (("cam_01", "cam_02"), [
        ("000000", {"pose/cam01_json/cam01_000000.json": 0,
                    "pose/cam02_json/cam02_000000.json": 1}),
        ("000001", {"pose/cam01_json/cam01_000001.json": 0,
                    "pose/cam02_json/cam02_000001.json": 1}),
    ]),
    "EasyMocap": (("1", "2", "10"), [
        ("000001", {"annots/1/000001.json": 0, "annots/2/000001.json": 1,
                    "annots/10/000001.json": 2}),
    ]),
    "by number": (("24231", "24232"), [
        ("7", {"Miqus_24231/a_7.json": 0, "Miqus_24232/a_7.json": 1}),
    ]),
    "without numbers": (("a", "b"), [
        ("start", {"a/start_a.json": 0, "b/start_b.json": 1}),
    ]),
    "photos": (("cam0", "cam1"), [("1", {"cam0/1.png": 0, "cam1/1.png": 1})]),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    names, expected = LAYOUTS[layout]
    moments = frames(
        tmp_path, names, *(file for _, views in expected for file in views)
    )
    assert moments == expected


def test_an_order_that_decides_is_said(tmp_path, caplog):
    files = [f"{folder}/1.json" for folder in ("cam0", "cam1")]
    with caplog.at_level(logging.WARNING):
        ((_, views),) = frames(tmp_path, ("1", "2"), *files)
    assert views == {"cam0/1.json": 0, "cam1/1.json": 1}
    assert "cam0 is 1, cam1 is 2" in caplog.text


def test_folders_and_cameras_without_each_other_are_said(tmp_path, caplog):
    files = [f"{folder}/1.json" for folder in ("a", "b", "c")]
    with caplog.at_level(logging.WARNING):
        ((_, views),) = frames(tmp_path, ("a", "b", "d"), *files)
    assert list(views) == ["a/1.json", "b/1.json"]
    assert "c is not read" in caplog.text
    assert "cameras without a folder: d" in caplog.text


def test_what_does_not_fit_together_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no frame that two cameras show"):
        frames(tmp_path / "a", ("a", "b"), "a/1.json", "b/2.json")
    with pytest.raises(InputError, match=r"has cameras \(x, y, z\) that are not those"):
        frames(tmp_path / "b", ("x", "y", "z"), "a/1.json", "b/1.json")


def test_photos_in_another_folder_are_found(tmp_path):
    files = [f"annots/{name}/000001.json" for name in ("0", "1")]
    photos = [f"images/{name}/000001.png" for name in ("0", "1")]
    ((_, views),) = frames(tmp_path, ("0", "1"), *files, *photos)
    assert list(views) == files
