"""Tracks of filmed people: the truth has no errors, and shaking ones the known ones."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.footage import FilmedPeople
from prohmr_jax.evaluation.footage_tracks import camera_tracks, footage_track_errors
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D
from tests.support.footage_cases import NAMES, RIG
from tests.support.view_scenes import bodies, shown_by

STEP, MISSING = 3, 5


@pytest.fixture(scope="module")
def people():
    """A person who glides along; one moment is missing, and one camera a frame."""
    frames = np.delete(np.arange(20), MISSING)
    world = bodies()[0] + 0.02 * frames[:, None, None] * [1.0, 0.0, 0.0]
    xy = np.stack([shown_by(RIG, view, world) for view in range(3)], axis=1)
    confidence = np.ones(xy.shape[:-1])
    confidence[8, 2] = 0.0
    keypoints = Keypoints2D(xy, confidence)
    return FilmedPeople(STEP * frames, keypoints, RIG, NAMES, 20)


def test_tracks_have_the_truth_in_their_own_camera(people):
    cameras = camera_tracks(people, STEP, 30.0)
    assert [camera.name for camera in cameras] == list(NAMES)
    for camera in cameras:
        assert camera.track.frame.tolist() == list(range(20))
        assert not camera.track.measured[MISSING]
        assert not camera.is_measured[MISSING]
        # The truth lies on the track's own keypoints under its camera.
        rows = np.flatnonzero(camera.is_measured)
        points = camera.truth.joints[rows]
        pixels = points[..., :2] / points[..., 2:] * camera.focal_length_px
        pixels += np.array(camera.image_size) / 2
        limbs = BODY_25.indices("left_shoulder", "right_ankle")
        seen = camera.track.xy[rows][:, limbs]
        np.testing.assert_allclose(pixels[:, [0, -1]], seen, atol=0.05)
    # The other two do not locate the joints where one of them sees nobody.
    assert [int(camera.is_measured.sum()) for camera in cameras] == [18, 18, 18]


def test_the_truth_has_no_errors_and_shaking_has_its_acceleration(people):
    camera = camera_tracks(people, STEP, 30.0)[0]
    true, measured = np.asarray(camera.truth.joints), camera.is_measured
    errors = footage_track_errors(true, camera.truth, measured)
    assert max(errors.pa_mpjpe_mm, errors.mpjpe_mm) < 0.01
    assert errors.acceleration_error_mm == 0.0
    assert errors.acceleration_mm < 0.01
    # The whole body is away, and one joint of twelve moves to and fro by 1 cm.
    shaking = true + 1.0
    wrist = 0.01 * (-1.0) ** np.arange(20)
    shaking[:, 4, 0] += wrist
    errors = footage_track_errors(shaking, camera.truth, measured)
    assert errors.mpjpe_mm == pytest.approx(10 / 12, rel=1e-3)
    assert errors.acceleration_error_mm == pytest.approx(40 / 12, rel=1e-3)
    assert errors.acceleration_mm == pytest.approx(40 / 12, rel=1e-2)
    few = np.arange(20) < 2
    errors = footage_track_errors(shaking, camera.truth, few)
    assert np.isnan(errors.acceleration_error_mm)


def test_several_people_are_refused(people):
    twice = dataclasses.replace(people, frame=np.repeat(STEP * np.arange(10), 2)[:19])
    with pytest.raises(InputError, match="several people in frame 0"):
        camera_tracks(twice, STEP, 30.0)
