"""Verdicts: what is measured of bodies, and which of them are plausible and why."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from prohmr_jax.body import body_mesh
from prohmr_jax.files.array_checks import Checker
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.plausibility import (
    OTHER_BODY,
    Limits,
    Measures,
    judge,
    log_density_of,
    measure,
    name_other_people,
    result_members,
    stature,
)
from prohmr_jax.inference.results import PersonResult, schema_members
from prohmr_jax.skeleton import BODY_25, HIPS_44
from prohmr_jax.structs import Camera, Keypoints2D, SmplParams

LIMITS = Limits(
    max_reprojection_percent=5.0,
    min_log_density=-100.0,
    max_beta=4.0,
    stature_m=(1.2, 2.2),
    box_m=(0.5, 3.0),
    min_box_px=10.0,
)
GOOD = Measures(
    reprojection_percent=1.0,
    log_density=50.0,
    largest_beta=1.0,
    distance_m=4.0,
    stature_m=1.7,
    box_m=1.8,
    box_px=300.0,
    part_of_body=False,
)


def measures(shape=(), **changes) -> Measures:
    """Measures of good bodies with some of them changed."""
    values = vars(GOOD) | changes
    return Measures(
        **{
            n: np.broadcast_to(
                np.asarray(v, bool if n == "part_of_body" else "f4"), shape
            )
            for n, v in values.items()
        }
    )


def test_the_log_density_is_what_samples_have_on_average():
    z = np.random.default_rng(0).normal(size=(20_000, 144))
    density = np.asarray(log_density_of(z))
    normal = -0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1)
    np.testing.assert_allclose(density, normal - normal.mean(), atol=0.3)
    assert density.mean() == pytest.approx(0.0, abs=0.3)
    assert density.std() == pytest.approx(np.sqrt(72.0), rel=0.03)
    assert log_density_of(np.zeros(144)) == 72.0


@struct.dataclass
class Person:
    joints: np.ndarray
    camera: Camera
    keypoints: Keypoints2D
    box_size: np.ndarray
    betas: np.ndarray
    z: np.ndarray


@pytest.fixture(scope="module")
def people() -> Person:
    """Two people, of whom the second has no keypoint."""
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.2, 1.0, (2, 44))
    confidence[0, 3], confidence[0, 5], confidence[1] = 0.0, 0.05, 0.0
    xy = rng.uniform(100, 400, (2, 44, 2))
    xy[0, 3] = np.nan
    person = Person(
        rng.normal(size=(2, 44, 3)),
        Camera(
            np.array([[0.1, 0.2, 5.0], [0.0, 0.0, 9.0]]),
            np.array([[800.0, 820.0], [500.0, 500.0]]),
            np.array([[250.0, 200.0], [0.0, 0.0]]),
        ),
        Keypoints2D(xy, confidence),
        np.array([200.0, 90.0]),
        rng.normal(size=(2, 10)),
        rng.normal(size=(2, 144)),
    )
    return jax.tree.map(np.float32, person)


@pytest.mark.parametrize("use_hips", [True, False])
def test_measures_are_those_of_loops_over_joints(tiny_body, people, use_hips):
    measured = measure(tiny_body, **vars(people), use_hips=use_hips)
    camera = people.camera
    distances = []
    for j, point in enumerate(people.joints[0].astype(float)):
        missing = people.keypoints.confidence[0, j] <= 0.1
        if missing or (j in HIPS_44 and not use_hips):
            continue
        x, y, depth = point + camera.translation[0]
        pixel = [x, y] * camera.focal_length[0] / depth + camera.center[0]
        distances.append(np.linalg.norm(pixel - people.keypoints.xy[0, j]))
    assert len(distances) == 42 - (0 if use_hips else len(HIPS_44))
    error = 100 * np.mean(distances) / 200
    assert measured.reprojection_percent[0] == pytest.approx(error, rel=1e-4)
    assert np.isnan(measured.reprojection_percent[1])
    np.testing.assert_allclose(
        measured.largest_beta, np.abs(people.betas).max(axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(measured.distance_m, [5, 9])
    np.testing.assert_allclose(measured.box_m, [5 * 200 / 810, 9 * 90 / 500], rtol=1e-6)
    np.testing.assert_allclose(measured.box_px, [200, 90])


def test_the_stature_is_that_of_the_mesh_at_rest(tiny_body, people):
    rest = SmplParams.from_rotmats(
        axis_angle_to_rotmat(jnp.zeros((2, 24, 3))), people.betas
    )
    heights = np.asarray(body_mesh(tiny_body, rest).vertices)[..., 1]
    expected = heights.max(axis=1) - heights.min(axis=1)
    np.testing.assert_allclose(stature(tiny_body, people.betas), expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_good_bodies_are_plausible_whatever_their_axes(shape):
    verdict = judge(measures(shape), LIMITS)
    assert verdict.plausible.shape == verdict.reason.shape == shape
    assert verdict.plausible.all()
    assert set(verdict.reason.ravel()) == {""}


@pytest.mark.parametrize(
    ("name", "bound", "beyond", "reason"),
    [
        ("reprojection_percent", 5.0, 5.1,
         "joints lie 5.1 % of the box from the keypoints (at most 5)"),
        ("log_density", -100.0, -101.0,
         "the pose has a log-density of -101 (at least -100)"),
        ("largest_beta", 4.0, 4.2, "a shape coefficient is 4.2 (at most 4)"),
        ("stature_m", 1.2, 1.1, "the body is 1.10 m tall (1.2 to 2.2)"),
        ("stature_m", 2.2, 2.3, "the body is 2.30 m tall (1.2 to 2.2)"),
        ("box_m", 0.5, 0.4,
         "the box would be 0.40 m wide at the body's distance (0.5 to 3)"),
        ("box_m", 3.0, 1500.0,
         "the box would be 1500.00 m wide at the body's distance (0.5 to 3)"),
        ("box_px", 10.0, 0.9, "the box is 0.9 pixels wide (at least 10)"),
    ],
)  # fmt: skip
def test_each_limit_holds_and_gives_its_reason(name, bound, beyond, reason):
    # A stature of float32(1.2) lies above 1.2, and one of float32(2.2) below or above.
    at_bound = dataclasses.replace(GOOD, **{name: np.float64(bound)})
    assert judge(at_bound, LIMITS).plausible
    for value, expected in ((beyond, reason), (np.nan, "nan")):
        if np.isnan(value) and name == "reprojection_percent":
            continue
        verdict = judge(measures((2,), **{name: [vars(GOOD)[name], value]}), LIMITS)
        assert verdict.plausible.tolist() == [True, False]
        assert verdict.reason[0] == ""
        assert expected in verdict.reason[1]


def test_all_reasons_are_given():
    verdict = judge(measures(log_density=-500.0, stature_m=0.4), LIMITS)
    assert str(verdict.reason) == (
        "the pose has a log-density of -500 (at least -100); "
        "the body is 0.40 m tall (1.2 to 2.2)"
    )


def test_someone_without_keypoints_is_judged_by_the_rest():
    assert judge(measures(reprojection_percent=np.nan), LIMITS).plausible
    small = measures(reprojection_percent=np.nan, box_px=1.0)
    assert not judge(small, LIMITS).plausible


def test_the_box_of_a_part_of_the_body_may_be_small():
    boxes = measures((4,), box_m=[0.2, 0.2, -0.1, 3.5], part_of_body=[1, 0, 1, 1])
    assert judge(boxes, LIMITS).plausible.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("seen", "is_part"),
    [
        (("nose", "left_eye", "left_ear"), True),
        (("nose", "left_shoulder", "right_shoulder", "left_wrist"), True),
        (("left_knee", "left_ankle", "left_heel"), True),
        (("left_shoulder", "right_hip"), False),
        (("right_shoulder", "left_ankle"), False),
        ((), False),  # only a box is known, which is that of the person
    ],
)
def test_a_shoulder_and_a_leg_make_a_whole_body(tiny_body, people, seen, is_part):
    confidence = np.zeros((2, 44), np.float32)
    confidence[:, list(BODY_25.indices(*seen))] = 0.9
    keypoints = Keypoints2D(np.nan_to_num(people.keypoints.xy), confidence)
    measured = measure(tiny_body, **vars(people.replace(keypoints=keypoints)))
    assert measured.part_of_body.tolist() == [is_part] * 2


def test_results_of_another_body_are_implausible():
    verdict = judge(measures((2,)), LIMITS, other_body=True)
    assert not verdict.plausible.any()
    assert verdict.reason.tolist() == [OTHER_BODY] * 2


def test_the_view_of_another_person_is_named():
    error = [[1.0, 1.5, 9.0], [9.0, 8.0, 0.0], [9.0, 0.0, 0.0]]
    valid = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool)
    seen = measures((3, 3), reprojection_percent=error)
    verdict = name_other_people(judge(seen, LIMITS), seen, valid)
    named = np.char.endswith(verdict.reason, "; this view may show another person")
    # Two views that disagree, and a single view, do not say which is wrong.
    np.testing.assert_array_equal(np.argwhere(named), [[0, 2]])


def test_members_fit_the_schema_of_results():
    seen = measures(reprojection_percent=np.nan, stature_m=9.0)
    members = result_members(seen, judge(seen, LIMITS))
    expected = schema_members(PersonResult)
    for name, array in members.items():
        assert expected[name].optional
        Checker("x").check_layout(name, array.shape, array.dtype, expected[name])
    assert members["reprojection_percent"] == -1
    assert (members["plausible"], members["stature_m"]) == (0, 9.0)
    assert str(members["implausible_reason"]) == "the body is 9.00 m tall (1.2 to 2.2)"
