"""Fits that are started from photos alone, by models of keypoints and of images."""

import functools
import shutil

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.detection.detector import load_detector
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.fitting.detector_terms import weighted_by_score
from prohmr_jax.modes import bulk_config
from prohmr_jax.modes.fit import run as run_fit
from prohmr_jax.priors.detector_errors import detector_joints, load_detector_errors
from prohmr_jax.skeleton import BODY_25, COCO_17, JOINTS_44
from prohmr_jax.structs import Body, Keypoints2D
from tests.support.demo_cases import (
    openpose,
    person,
    write_image_weights,
    write_photo,
    write_weights,
)
from tests.support.fit_cases import config_of

# Where a person marked the face of the portrait, as in the tests of the demo.
MARKED = {
    "nose": [224, 124], "left_eye": [246, 103], "right_eye": [203, 100.5],
    "left_ear": [271, 123], "right_ear": [177, 118],
}  # fmt: skip


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture
def fit(tmp_path, detector, monkeypatch):
    """Fits what is in the folder `in`; returns the report and the table."""
    monkeypatch.setattr(
        bulk_config,
        "PeopleReader",
        functools.partial(PeopleReader, load=lambda: detector),
    )
    (tmp_path / "in").mkdir()
    shutil.copy(DEMO_PHOTO, tmp_path / "in" / "a.jpg")

    def run(checkpoint, **changes):
        settings = {
            "input": str(tmp_path / "in"),
            "output": str(tmp_path / "out"),
            "checkpoint": str(checkpoint),
            "max_steps": 10,
            "slots": 2,
        }
        report = run_fit(config_of("fit", **{**settings, **changes}))
        return report, read_table(report.table)[0]

    return run


def require_portrait(table, row: int) -> None:
    """The row is of the portrait, and fitted to joints that the detector found."""
    assert table.photo[row] == "a.jpg"
    assert list(table.image_size_px[row]) == [512, 512]
    face = list(BODY_25.indices(*MARKED))
    xy, confidence = table.keypoints_px[row], table.keypoint_confidence[row]
    np.testing.assert_allclose(xy[face], list(MARKED.values()), atol=13)
    # The knees are beyond the picture.
    assert not confidence[list(BODY_25.indices("left_knee", "right_knee"))].any()
    seen = xy[: len(BODY_25)][confidence[: len(BODY_25)] > 0.1]
    low, high = seen.min(axis=0), seen.max(axis=0)
    np.testing.assert_allclose(table.box_center_px[row], (low + high) / 2, rtol=1e-4)
    side = table.box_size_px[row] / np.max(high - low)
    np.testing.assert_allclose(side, 1.2, rtol=1e-4)
    assert table.fit_loss[row] < table.fit_start_loss[row]


def objective_of_the_mode(table, row: int) -> float:
    """Eq. 11 for the mode: it is compared with where the detector puts joints."""
    errors = load_detector_errors()
    rotmats = Rotation.from_rotvec(table.pose_axis_angle[row, 0]).as_matrix()
    joints = table.joints[row, 0].copy()
    # Its kinematic joints are not read.
    body = Body(joints=joints, kinematic_joints=np.zeros((24, 3), np.float32))
    coco = list(COCO_17.positions_in(JOINTS_44))
    joints[coco] = detector_joints(errors, body, rotmats.astype(np.float32))
    placed = (joints + table.translation[row]) @ table.intrinsics[row].T
    keypoints = Keypoints2D(table.keypoints_px[row], table.keypoint_confidence[row])
    weight = np.asarray(weighted_by_score(errors, keypoints).confidence)
    residual = (placed[:, :2] / placed[:, 2:] - keypoints.xy)[weight > 0]
    robust = np.sum(100**2 * residual**2 / (100**2 + residual**2), axis=1)
    data = (1000 / 512) ** 2 * np.sum(weight[weight > 0] ** 2 * robust)
    return data + 36 * np.sum(table.betas[row] ** 2)


def test_a_photo_without_detections_is_fitted_beside_detections(fit, tmp_path):
    (tmp_path / "in" / "b.json").write_text(openpose(person(0)))
    write_photo(tmp_path / "in" / "b.png")
    write_photo(tmp_path / "in" / "nobody.png")
    report, table = fit(write_weights(tmp_path / "w.npz"), overlays=1)
    assert list(table.source) == ["b.json", "a.jpg"]
    require_portrait(table, 1)
    assert [line.split(":")[0] for line in report.left_out] == ["nobody.png"]
    assert "nobody was found" in report.left_out[0]
    assert (tmp_path / "out" / "overlays" / "000000_before_after.png").exists()


def test_an_image_model_is_given_the_detected_box_and_joints(fit, tmp_path):
    weights = write_image_weights(tmp_path / "w.npz")
    report, table = fit(
        weights,
        input=str(tmp_path / "in" / "a.jpg"),
        people="largest",
        frame="image",
        detector="movenet",
    )
    assert (report.people, report.left_out) == (1, ())
    require_portrait(table, 0)
    np.testing.assert_allclose(
        table.fit_start_loss[0], objective_of_the_mode(table, 0), rtol=1e-3
    )
    # It cannot do without the photo.
    (tmp_path / "in" / "b.json").write_text(openpose(person(0)))
    with pytest.raises(InputError, match="nobody can be used; .*has no photo"):
        fit(
            weights,
            input=str(tmp_path / "in" / "b.json"),
            output=str(tmp_path / "other"),
        )
