"""People of several cameras are matched, and seen as without distortion."""

import numpy as np
import pytest

from prohmr_jax.bulk_fitting.multiview_sources import open_multiview_source
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.lenses import Lens, distort_points
from prohmr_jax.geometry.triangulation import CameraRig
from tests.support.view_scenes import (
    SIZE,
    detections_of,
    people_in_room,
    ring_of_cameras,
    shown_by,
)

RIG = ring_of_cameras(3)
DISTORTION = [-0.2, 0.05, 0.001, -0.002]
PEOPLE = people_in_room(np.random.default_rng(0), 4)


def seen(camera: int, person: int) -> np.ndarray:
    """Joints [25, 2] of a person in the distorted picture of a camera."""
    lens = Lens(RIG.intrinsics[camera], np.array(DISTORTION))
    return distort_points(lens, shown_by(RIG, camera, PEOPLE[person]))


def toml(rig: CameraRig) -> str:
    """The cameras as Pose2Sim writes them, with matrices in place of vectors."""
    return "".join(
        f"[cam{n}]\nname = 'cam{n}'\nsize = {[float(side) for side in SIZE]}\n"
        f"matrix = {rig.intrinsics[n].tolist()}\ndistortions = {DISTORTION}\n"
        f"rotation = {rig.rotation[n].tolist()}\n"
        f"translation = {rig.translation[n].tolist()}\nfisheye = false\n"
        for n in range(len(rig))
    )


def session(folder, moments, rig=RIG):
    """Writes moments: the people whom each camera sees, in the order of its list."""
    folder.joinpath("calibration").mkdir()
    folder.joinpath("calibration", "Calib.toml").write_text(toml(rig))
    for camera in range(len(RIG)):
        place = folder / f"cam{camera}"
        place.mkdir()
        for number, views in enumerate(moments):
            text = detections_of(*(seen(camera, person) for person in views[camera]))
            (place / f"{number:06d}_keypoints.json").write_text(text)
    return folder


def opened(folder, calibration="", use_cameras=True):
    reader = PeopleReader(ReadingSettings())
    return open_multiview_source(
        folder, reader, None, use_cameras, calibration, folder / "out"
    )


CROWD = [([0, 1, 2], [2, 0, 3], [1, 2, 0]), ([3], [3], [3])]


def test_people_are_matched_and_undistorted(tmp_path):
    source = opened(session(tmp_path, CROWD))
    assert (len(source), source.max_views, source.calibrated) == (2, 3, True)
    item = source.read(0)
    who = {
        person.person: [
            (view.source[:4], view.detection.person_index) for view in person.views
        ]
        for person in item.people
    }
    assert who == {
        "000000_0": [("cam0", 0), ("cam1", 1), ("cam2", 2)],
        "000000_1": [("cam0", 1), ("cam2", 0)],
        "000000_2": [("cam0", 2), ("cam1", 0), ("cam2", 1)],
    }
    assert item.left_out == [
        "000000, cam1/000000_keypoints.json: person 2 matches nobody in the other views"
    ]
    view = item.people[1].views[1]
    truth = shown_by(RIG, 2, PEOPLE[1])
    np.testing.assert_allclose(view.detection.keypoints.xy, truth, atol=0.02)
    np.testing.assert_allclose(view.keypoints.xy[:25], truth, atol=0.02)
    np.testing.assert_allclose(view.intrinsics, RIG.intrinsics[2])
    assert view.image_size == SIZE
    assert view.lens is not None
    np.testing.assert_allclose(
        item.people[1].cameras[1].rotation, RIG.rotation[2], atol=1e-6
    )
    (alone,) = source.read(1).people
    assert len(alone.views) == 3


def test_the_fingerprint_depends_on_cameras_and_files(tmp_path):
    first = opened(session(tmp_path, CROWD)).fingerprint()
    assert first == opened(tmp_path).fingerprint()
    calibration = tmp_path / "other.toml"
    calibration.write_text(toml(RIG).replace("-0.002", "-0.001"))
    assert opened(tmp_path, calibration).fingerprint() != first


@pytest.mark.parametrize("moments", [CROWD, [([0], [0], [0])]])
def test_wrong_cameras_are_named(tmp_path, moments):
    rig = CameraRig(RIG.intrinsics, RIG.rotation, 1000 * RIG.translation)
    with pytest.raises(
        InputError, match=r"Calib\.toml: has .* look like .*millimetres"
    ):
        opened(session(tmp_path, moments[:1], rig))
    (tmp_path / "calibration" / "Calib.toml").write_text(toml(RIG.inverted()))
    with pytest.raises(InputError, match="look like camera-to-world"):
        opened(tmp_path)


def test_one_bad_file_costs_its_view(tmp_path):
    session(tmp_path, CROWD)
    (tmp_path / "cam1" / "000000_keypoints.json").write_text("{")
    item = opened(tmp_path).read(0)
    assert [len(person.views) for person in item.people] == [2, 2, 2]
    (line,) = item.left_out
    assert line.startswith("000000, cam1/000000_keypoints.json: is ")


def test_a_picture_of_another_size_is_refused(tmp_path):
    session(tmp_path, CROWD)
    text = toml(RIG).replace("1920.0, 1080.0", "640.0, 480.0")
    text = text.replace("1100.0", "500.0").replace("1080.0, 540", "500.0, 240")
    (tmp_path / "calibration" / "Calib.toml").write_text(text.replace("960", "320"))
    source = opened(tmp_path)
    (line, *_) = source.read(1).left_out
    assert "for whose size the camera is calibrated (640 x 480 pixels)" in line


def test_cameras_without_a_calibration_are_refused(tmp_path):
    session(tmp_path, CROWD)
    (tmp_path / "calibration" / "Calib.toml").unlink()
    with pytest.raises(InputError, match=r"name its file or folder in config\.cameras"):
        opened(tmp_path)
    with pytest.raises(InputError, match="people are matched by the cameras"):
        opened(tmp_path, use_cameras=False)
