"""Errors of tracks: none for the truth, and the known ones for shifted bodies."""

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.track_errors import track_errors
from prohmr_jax.evaluation.track_scenes import (
    FOCAL_LENGTH_PX,
    IMAGE_SIZE,
    make_track_scene,
)
from prohmr_jax.fitting.track_objective import FEET
from prohmr_jax.modes.evaluate_video import run
from prohmr_jax.skeleton import BODY_25
from tests.support.fit_cases import config_of

FRAMES = 40


@pytest.fixture(scope="module")
def poses():
    """A slow movement of all joints."""
    rng = np.random.default_rng(3)
    steps = rng.normal(0, 0.01, (FRAMES, 24, 3))
    return np.cumsum(steps, axis=0).astype(np.float32)


@pytest.fixture(scope="module")
def scene(tiny_body, poses):
    return make_track_scene(tiny_body, poses, 0.9, seed=0)


def test_the_truth_has_no_errors(scene):
    errors = track_errors(scene.joints, scene)
    assert errors.pa_mpjpe_mm < 0.01
    assert errors.mpjpe_mm == errors.acceleration_mm == errors.place_mm == 0.0
    assert errors.sliding_mm < 6.0


def test_a_body_that_shakes_has_the_acceleration_of_the_shaking(scene):
    shake = 0.01 * (-1.0) ** np.arange(FRAMES)[:, None, None] * [1.0, 0.0, 0.0]
    errors = track_errors(scene.joints + shake, scene)
    assert errors.place_acceleration_mm == pytest.approx(40.0, rel=1e-3)
    assert errors.place_mm == pytest.approx(10.0, rel=1e-3)
    assert errors.acceleration_mm < 1e-3
    assert errors.sliding_mm == pytest.approx(20.0, abs=6.0)
    far = track_errors(scene.joints + 1.0, scene)
    assert far.place_mm < 1e-3


def test_a_foot_stands_in_most_steps_and_the_person_is_in_the_picture(scene):
    moved = np.linalg.norm(np.diff(scene.joints[:, FEET], axis=0), axis=-1)
    assert (moved[np.asarray(scene.stands)[:-1] > 0] < 0.006).all()
    assert scene.joints[..., 2].min() > 3.0
    pixels = scene.joints_44[..., :2] / scene.joints_44[..., 2:] * FOCAL_LENGTH_PX
    pixels += np.array(IMAGE_SIZE) / 2
    seen = scene.keypoints.confidence > 0
    names = np.array(BODY_25.names)[~seen[0]]
    assert {name.split("_", 1)[1] for name in names} == {
        "big_toe", "small_toe", "heel",
    }  # fmt: skip
    assert np.abs(scene.keypoints.xy - pixels[:, :25])[seen].mean() < 30.0


def test_errors_of_detections_have_the_correlation(tiny_body, poses):
    for correlation in (0.0, 0.9):
        scenes = [make_track_scene(tiny_body, poses, correlation, s) for s in range(4)]
        pairs = []
        for one in scenes:
            pixels = one.joints_44[..., :2] / one.joints_44[..., 2:] * FOCAL_LENGTH_PX
            error = one.keypoints.xy - pixels[:, :25] - np.array(IMAGE_SIZE) / 2
            pairs.append(np.stack([error[:-1].ravel(), error[1:].ravel()]))
        measured = np.corrcoef(np.concatenate(pairs, axis=1))[0, 1]
        assert measured == pytest.approx(correlation, abs=0.06)


def test_clips_are_needed(tmp_path):
    with pytest.raises(InputError, match="config.held_out: is empty"):
        run(config_of("evaluate_video"))
    missing = str(tmp_path / "none.npz")
    with pytest.raises(InputError):
        run(config_of("evaluate_video", held_out=missing))
