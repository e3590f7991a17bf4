"""A result of the demo as a page shows it."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax.skeleton import BODY_25
from prohmr_jax.viewer.page import MAX_BODIES
from prohmr_jax.viewer.result_pages import page_person
from tests.support.result_cases import cube_meshes, cube_result


def test_what_is_shown_is_that_of_the_result():
    result = cube_result(log_prob=np.array([3.0, 1.0, -2.0, 0.0, 0.0]))
    person = page_person("a", result, cube_meshes(), None)
    assert person.labels[:3] == (
        "mode, the likeliest pose",
        "sample 1 of 4, log-density -2",
        "sample 2 of 4, log-density -5",
    )
    np.testing.assert_array_equal(person.bodies, cube_meshes())
    assert person.verdict == ""
    assert [joint.name for joint in person.joints] == [
        name.replace("_", " ") for name in BODY_25.names
    ]
    spreads = [joint.spread_m for joint in person.joints]
    assert spreads == result.joint_spread[: len(BODY_25)].tolist()
    facts = dict(person.facts)
    assert facts["stature"] == f"{float(result.stature_m):.2f} m"
    assert facts["error / box"] == f"{100 * result.reprojection_error(0.1):.1f} %"
    assert person.pictures == ()


def test_only_the_first_bodies_are_shown():
    result = cube_result(log_prob=np.zeros(100))
    person = page_person("a", result, cube_meshes(20), None)
    assert len(person.labels) == len(person.bodies) == MAX_BODIES
    assert person.labels[-1].startswith(f"sample {MAX_BODIES - 1} of 99")


def test_a_sheet_is_a_picture():
    sheet = np.zeros((4, 6, 3), np.uint8)
    ((caption, picture),) = page_person(
        "a", cube_result(), cube_meshes(), sheet
    ).pictures
    assert "sheet" in caption
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"plausible": None, "implausible_reason": None}, None),
        ({"plausible": np.array(0), "implausible_reason": np.array("tall")}, "tall"),
    ],
)
def test_the_verdict_is_that_of_the_result(changes, verdict):
    result = dataclasses.replace(cube_result(), **changes)
    assert page_person("a", result, cube_meshes(), None).verdict == verdict


def test_nobody_seen_has_no_error_and_no_confidence():
    result = cube_result(keypoint_confidence=np.zeros(25), stature_m=None)
    person = page_person("a", result, cube_meshes(), None)
    facts = dict(person.facts)
    assert facts["keypoints seen"] == "0 of 25"
    assert facts["error / box"] == "-"
    assert "stature" not in facts
    assert {joint.confidence for joint in person.joints} == {0.0}
