"""Calibrations of all programs say the same of the same two cameras, or one line."""

import json
import re

import cv2
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.any_format import find_calibration, read_cameras
from prohmr_jax.geometry.lenses import distort_points
from tests.support.calibration_files import (
    DISTORTIONS,
    EXTRI,
    INTRI,
    POSE2SIM,
    QUALISYS,
    ROTATIONS,
    TRANSLATIONS,
    K,
    matrix,
    write_easymocap,
    write_opencv,
    write_stereo,
)


def check(cameras, translations=TRANSLATIONS, rotations=ROTATIONS):
    assert len(cameras) == 2
    for number, camera in enumerate(cameras.values()):
        np.testing.assert_allclose(camera.intrinsics, K, rtol=1e-6)
        np.testing.assert_allclose(camera.rotation, rotations[number], atol=1e-6)
        np.testing.assert_allclose(camera.translation, translations[number], atol=1e-6)
    first, second = cameras.values()
    assert second.lens is None
    normalized = np.array([[0.2, -0.1, 1.0], [0.3, 0.3, 1.0]])
    expected, _ = cv2.projectPoints(
        normalized[:, None], np.zeros(3), np.zeros(3), K, DISTORTIONS[0]
    )
    shown = distort_points(first.lens, (normalized @ K.T)[:, :2])
    np.testing.assert_allclose(shown, expected[:, 0], atol=1e-6)


def test_pose2sim(tmp_path):
    (tmp_path / "Config.toml").write_text("[project]\nmulti_person = false\n")
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "Calib_board.toml").write_text(POSE2SIM)
    cameras = read_cameras(tmp_path)
    assert list(cameras) == ["cam_01", "cam_02"]
    assert cameras["cam_01"].image_size == (1000, 800)
    check(cameras)


def test_a_fisheye_of_pose2sim(tmp_path):
    path = tmp_path / "Calib.toml"
    path.write_text(POSE2SIM.replace("fisheye = false", "fisheye = true"))
    first, second = read_cameras(path).values()
    assert first.lens.is_fisheye
    assert second.lens.is_fisheye


def test_qualisys(tmp_path):
    (tmp_path / "session.qca.txt").write_text(QUALISYS)
    cameras = read_cameras(tmp_path)
    assert list(cameras) == ["1", "2"]
    assert cameras["2"].image_size == (1000, 800)
    check(cameras)


def test_easymocap(tmp_path):
    path = write_easymocap(tmp_path)
    for given in (tmp_path, path, path.with_name("extri.yml")):
        cameras = read_cameras(given)
        assert list(cameras) == ["1", "2"]
        check(cameras)
    # Without the matrix, the vector says the same; Pose2Sim numbers named cameras.
    vectors = re.sub(r"Rot_(\d): .*?data: [^\n]*\n", "", EXTRI, flags=re.DOTALL)
    named = [text.replace('"1"', '"left"') for text in (INTRI, vectors)]
    write_easymocap(tmp_path, *named)
    cameras = read_cameras(tmp_path)
    assert list(cameras) == ["left", "2"]
    check(cameras)


@pytest.mark.parametrize("suffix", [".yml", ".xml", ".json"])
def test_a_file_of_opencv_for_each_camera(tmp_path, suffix):
    write_opencv(tmp_path / f"cam0{suffix}", 0)
    write_opencv(tmp_path / f"cam1{suffix}", 1, names=("K", "dist"))
    cameras = {
        name: camera
        for file in sorted(tmp_path.iterdir())
        for name, camera in read_cameras(file).items()
    }
    assert list(cameras) == ["cam0", "cam1"]
    assert cameras["cam0"].image_size == (1000, 800)
    check(cameras)
    if suffix != ".json":  # detections are JSON too
        check(read_cameras(tmp_path))


@pytest.mark.parametrize("suffix", [".yml", ".xml", ".json"])
def test_one_file_of_opencv_for_all_cameras(tmp_path, suffix):
    storage = cv2.FileStorage(str(tmp_path / f"c{suffix}"), cv2.FILE_STORAGE_WRITE)
    for number in (0, 1):
        storage.write(f"K_cam{number}", K)
        storage.write(f"D_cam{number}", DISTORTIONS[number])
        storage.write(f"RT_cam{number}", np.concatenate(
            [ROTATIONS[number], TRANSLATIONS[number][:, None]], axis=1))  # fmt: skip
    storage.release()
    cameras = read_cameras(tmp_path / f"c{suffix}")
    assert list(cameras) == ["cam0", "cam1"]
    check(cameras)


def test_stereo_calibration(tmp_path):
    write_stereo(tmp_path)
    turned = ROTATIONS[1] @ ROTATIONS[0].T
    moved = TRANSLATIONS[1] - turned @ TRANSLATIONS[0]
    check(read_cameras(tmp_path), [np.zeros(3), moved], [np.eye(3), turned])


def test_our_own(tmp_path):
    cameras = {
        str(n): {
            "K": K.tolist(),
            "R": r.tolist(),
            "t": t.tolist(),
            "dist": [0, 0, 0, 0],
        }
        for n, (r, t) in enumerate(zip(ROTATIONS, TRANSLATIONS, strict=True))
    }
    (tmp_path / "cameras.json").write_text(json.dumps(cameras))
    read = read_cameras(tmp_path)
    assert read["1"].lens is None
    np.testing.assert_allclose(read["1"].rotation, ROTATIONS[1])


def test_nothing_is_found_where_nothing_is(tmp_path):
    (tmp_path / "Config.toml").write_text("[project]\n")
    (tmp_path / "a_keypoints.json").write_text("{}")
    assert find_calibration(tmp_path) is None
    with pytest.raises(InputError, match="holds no calibration"):
        read_cameras(tmp_path)


OWN = {"K": K.tolist(), "R": np.eye(3).tolist(), "t": [0, 0, 1]}
BAD = {
    "Calib.toml": {
        "no TOML": ("[cam", "is not TOML"),
        "no cameras": ("[metadata]\na = 1\n", "holds no cameras"),
        "no matrix": (POSE2SIM.replace("matrix", "matrox"),
                      "camera cam_01 has no matrix"),
        "a short rotation": (POSE2SIM.replace("[ 0.0, 0.0, 0.0]\n", "[ 0.0, 0.0]\n"),
                             "camera cam_01: R is not finite numbers"),
        "text": (POSE2SIM.replace("[ 0.5, 0.0, 4.0]", '"far"'),
                 "does not have t as numbers"),
        "six coefficients": (POSE2SIM.replace("-0.002]", "-0.002, 0, 0.1]"),
                             "has 6 coefficients of distortion"),
        "29 mm": (POSE2SIM.replace("1000.0, 0.0, 500", "29.0, 0.0, 500"),
                  "29 pixels means a field of view of 173 degrees.* are 806 pixels"),
        "digits": (POSE2SIM.replace("1000.0, 0.0, 500", "9" * 5000 + ", 0.0, 500"),
                   "is not TOML: "),
    },
    "a.qca.txt": {
        "no XML": ("<calibration", "is not XML"),
        "no cameras": ("<calibration/>", "holds no cameras of Qualisys"),
        "no transform": (QUALISYS.replace("<transform", "<other"), "no transform"),
        "no number": (QUALISYS.replace('r33="-1"', 'r33="x"'),
                      "camera 1 has no number r33"),
        "NaN": (QUALISYS.replace('bottom="809"', 'bottom="nan"'),
                "camera 1 has no number bottom"),
        "a skew": (QUALISYS.replace('r33="-1"', 'r33="-2"'), "R is not a rotation"),
    },
    "extri.yml": {
        "no YAML": ("%YAML:1.0\n---\na: [1, 2\n", "no file of OpenCV, or damaged"),
        "aliases": ("a: &a [1]\nb: [*a, *a]\n", "it has aliases"),
        "no names": ("%YAML:1.0\n---\na: 1\n", 'no list of "names"'),
        "a list": ("- 1\n", "holds no entries by name"),
        "no translation": (EXTRI.replace("T_2", "U_2"), "has no T_2"),
        "a cut matrix": (EXTRI.replace("rows: 3\n   cols: 1", "rows: 4\n   cols: 1"),
                         "a matrix of 4 x 1 has 3 numbers"),
        "Python": ("a: !!python/object/apply:os.system ['true']\n", "damaged"),
        "deep": ("a: " + "[" * 1500, "damaged|nested too deeply"),
    },
    "cam.yml": {
        "no camera": ("%YAML:1.0\n---\na: 1\n", "holds no camera matrix"),
        "no extrinsics": (f"%YAML:1.0\n---\ncamera_matrix: {matrix(K)}",
                          "camera cam has no R and no t"),
    },
    "cam.xml": {"no XML": ("<opencv_storage><a>", "no file of OpenCV, or damaged")},
    "cameras.json": {
        "distortion": (json.dumps({"a": {**OWN, "dist": [[-0.2, 0.05, 0, 0, 0]]}}),
                       "camera a has coefficients of lens distortion"),
        "an unknown key": (json.dumps({"a": {**OWN, "focal": 3}}),
                           'camera a has an unknown key "focal"'),
        "focal lengths": (
            json.dumps({"a": {**OWN, "K": [[900, 0, 500], [0, 90, 400], [0, 0, 1]]}}),
            "focal lengths of 900 and 90 pixels, which no camera has",
        ),
        "a column": (json.dumps({"a": {**OWN, "t": [[0], [0], [4]]}}),
                     "t is not finite numbers of shape"),
        "digits": (json.dumps({"a": {**OWN, "t": [10**400, 0, 4]}}),
                   "camera a: does not have t as numbers"),
        "digits of a lens": (json.dumps({"a": {**OWN, "dist": [10**400]}}),
                             "camera a has coefficients of lens distortion"),
        "a list": ("[1]", "by name"),
    },
    "a.jpg": {"a photo": ("x", "is no calibration")},
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, cases in BAD.items() for name in cases]
)
def test_bad_files_are_named_in_one_line(tmp_path, file, name):
    text, fault = BAD[file][name]
    if file == "extri.yml":
        write_easymocap(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=fault) as caught:
        read_cameras(tmp_path / file)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / file))
    assert "\n" not in message
    assert len(message) < 400
