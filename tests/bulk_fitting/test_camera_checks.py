"""Cameras of other units and conventions are named as what they are."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.camera_checks import Sighting, require_fitting_cameras
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.triangulation import CameraRig
from tests.support.view_scenes import people_in_room, ring_of_cameras, shown_by

RIG = ring_of_cameras(4)
OPENGL = np.diag([1.0, -1.0, -1.0])


def sightings(number: int = 3, wrong: int = 0, noise: float = 2.0) -> list[Sighting]:
    """People in all cameras; in the last view of some of them is somebody else."""
    rng = np.random.default_rng(0)
    people = people_in_room(rng, number)
    seen = []
    for index, person in enumerate(people):
        points = [person] * 3 + [people[index - 1] if index < wrong else person]
        xy = np.stack([shown_by(RIG, c, p) for c, p in enumerate(points)], axis=1)
        xy = xy + noise * rng.normal(size=xy.shape)
        confidence = (rng.random(xy.shape[:2]) > 0.2) * 0.9
        seen.append(Sighting((0, 1, 2, 3), xy, confidence))
    return seen


def changed(rotation=None, translation=None) -> CameraRig:
    return CameraRig(
        RIG.intrinsics,
        RIG.rotation if rotation is None else rotation,
        RIG.translation if translation is None else translation,
    )


OPENGL_RIG = changed(OPENGL @ RIG.rotation, RIG.translation @ OPENGL)
BAD = {
    "millimetres": (changed(translation=1000 * RIG.translation), "like millimetres"),
    "centimetres": (changed(translation=100 * RIG.translation), "like centimetres"),
    "feet": (changed(translation=3.281 * RIG.translation), "like feet"),
    "inches": (changed(translation=39.37 * RIG.translation), "like inches"),
    "kilometres": (changed(translation=RIG.translation / 1000), "not in metres"),
    "camera to world": (RIG.inverted(), "like camera-to-world transformations;"),
    "camera to world, millimetres": (
        changed(RIG.inverted().rotation, 1000 * RIG.inverted().translation),
        "like camera-to-world transformations, and translations that look like milli",
    ),
    "positions": (changed(translation=RIG.positions), "t being the position"),
    "R of the other way": (changed(RIG.inverted().rotation), "R turning the camera"),
    "OpenGL": (OPENGL_RIG, "cameras of OpenGL, with y up"),
    "OpenGL, camera to world": (OPENGL_RIG.inverted(), "of OpenGL's cameras"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("number", [1, 3])
def test_what_cameras_look_like_is_said(name, number):
    rig, fault = BAD[name]
    with pytest.raises(InputError, match=fault) as caught:
        require_fitting_cameras("cameras.json", rig, sightings(number))
    assert str(caught.value).startswith("cameras.json: has ")
    assert "\n" not in str(caught.value)


def test_cameras_that_see_others_are_refused():
    """Each camera stands where it does, and says that it looks up or down instead."""
    tilted = Rotation.from_euler("x", [[0.7], [-0.7], [1.4], [-1.4]]).as_matrix()
    moved = changed(
        tilted @ RIG.rotation, (tilted @ RIG.translation[..., None])[..., 0]
    )
    with pytest.raises(InputError, match="views of no person show one person"):
        require_fitting_cameras("cameras.json", moved, sightings())


@pytest.mark.parametrize("scale", [0.5, 0.02, 1 / 1920])
def test_lenses_of_pictures_of_another_size_are_named(scale):
    """K of half the size, in millimetres of the sensor, or in shares of the width."""
    intrinsics = RIG.intrinsics * np.array([scale, scale, 1.0])[:, None]
    # The camera looks aside, so that views do not agree at any size of the picture.
    aside = Rotation.from_euler("x", [[0.7], [-0.7], [1.4], [-1.4]]).as_matrix()
    rig = CameraRig(intrinsics, aside @ RIG.rotation, RIG.translation)
    with pytest.raises(InputError, match="has a K that is not in pixels of these"):
        require_fitting_cameras("cameras.json", rig, sightings())


@pytest.mark.parametrize(("number", "wrong"), [(1, 0), (3, 0), (3, 2)])
@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_good_cameras_are_accepted(number, wrong, noise):
    """Also where single views show another person."""
    require_fitting_cameras("a", RIG, sightings(number, wrong, noise))


def test_without_evidence_nothing_is_refused():
    (person,) = sightings(1)
    alone = Sighting((2,), person.xy[:, :1], person.confidence[:, :1])
    unseen = Sighting(person.cameras, person.xy, 0 * person.confidence)
    for seen in ([], [alone], [unseen]):
        require_fitting_cameras("a", BAD["millimetres"][0], seen)
