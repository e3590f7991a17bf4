"""Footage is measured end to end: people whom three cameras of a room film."""

import cv2
import jax
import numpy as np
import pytest

from configs.evaluate_real import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.footage import film_people
from prohmr_jax.fitting import keypoints, multiview_fusion, multiview_joint
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.config_checks import require_keypoint_model
from prohmr_jax.modes.evaluate_real import run
from prohmr_jax.solver.problem import Minimum
from prohmr_jax.weights.weight_files import save_weights
from tests.support.footage_cases import (
    FRAMES,
    NAMES,
    RIG,
    write_detections,
    write_footage,
)
from tests.support.keypoint_training import TINY
from tests.support.view_scenes import bodies, shown_by


def stay(objective, initial, data, settings):
    """A solver that stays where it starts."""
    people = jax.tree.leaves(initial)[0].shape[:1]
    zero, none = np.zeros(people, np.int32), np.zeros(people)
    return Minimum(initial, none, none, zero, zero, zero)


def test_people_are_matched_over_the_cameras(tmp_path):
    write_footage(tmp_path / "room")
    write_detections(tmp_path / "detections", tmp_path / "room", range(0, FRAMES, 2))
    people = film_people(tmp_path / "room", tmp_path / "detections", None, 2, 0)
    assert people.names == NAMES
    assert people.num_frames == len(people) == 2
    assert people.frame.tolist() == [0, 2]
    expected = np.stack([shown_by(RIG, v, bodies()[:2]) for v in range(3)], axis=1)
    np.testing.assert_allclose(people.keypoints.xy, expected, atol=1e-6)
    with pytest.raises(InputError, match="detections of other frames; remove it"):
        film_people(tmp_path / "room", tmp_path / "detections", None, 1, 0)
    with (tmp_path / "room" / "videos" / "left.mp4").open("ab") as stream:
        stream.write(b"\0" * 8)
    with pytest.raises(InputError, match="detections of another video; remove it"):
        film_people(tmp_path / "room", tmp_path / "detections", None, 2, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best_of": ()}, "config.best_of: is empty"),
        ({"best_of": (1,)}, "config.best_of: needs 2 samples"),
        ({"data_weights": ()}, "config.data_weights: is empty"),
    ],
)
def test_settings_that_measure_nothing(change, message):
    config = get_config()
    config.update(change)
    with pytest.raises(InputError, match=message):
        run(config.lock())


def test_a_model_of_photos_is_refused():
    require_keypoint_model("a.npz", ModelSpec())
    with pytest.raises(InputError, match="a.npz: is a model of photos"):
        require_keypoint_model("a.npz", ModelSpec(encoder="resnet50"))


def test_footage_that_cannot_be_measured(tmp_path):
    write_footage(tmp_path / "room")
    (tmp_path / "room" / "videos" / "right.mp4").rename(tmp_path / "room" / "x.mp4")
    with pytest.raises(InputError, match="videos of 2 of the cameras .*are x"):
        film_people(tmp_path / "room", tmp_path / "detections", None, 1, 0)


@pytest.mark.slow
def test_the_report(tmp_path, monkeypatch):
    for room in (keypoints, multiview_fusion, multiview_joint):
        monkeypatch.setattr(room, "minimise_batch", stay)
    write_footage(tmp_path / "room")
    write_detections(tmp_path / "out" / "detections", tmp_path / "room")
    weights = tmp_path / "prohmr.npz"
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True)
    save_weights(weights, spec, init_variables(build_model(spec), jax.random.key(0)))
    config = get_config()
    config.update(
        checkpoint=str(weights), input=str(tmp_path / "room"), frame_step=1,
        output=str(tmp_path / "out"), best_of=(1, 4), data_weights=(1.0,),
        batch_size=4, pictures=1,
    )  # fmt: skip
    report = run(config.lock())
    assert (tmp_path / "out" / "report.md").read_text() == report.text()
    assert "4 frames of each of the cameras left, middle, right" in report.text()
    assert cv2.imread(str(tmp_path / "out" / "frame_000000.png")) is not None
    by_name = {(row.views, row.method): row for row in report.rows}
    views = FRAMES * len(NAMES)
    assert report.num_left_out == 0
    assert report.located == 1.0
    assert report.precision.pairs_mm < 1e-3
    assert len(by_name["one view", "mode"].sighting) == views
    # Two of three views leave one, which cannot locate anything.
    fused = by_name["2 views", "fusion"]
    assert fused.truth == "all views"
    assert len(fused.sighting) == views
    # Nothing was fitted, and all views of a sighting share a body at most in pose.
    fitted = by_name["one view", "mode + fitting, data weight x 1"].errors
    mode = by_name["one view", "mode"].errors
    np.testing.assert_allclose(fitted.pa_mpjpe, mode.pa_mpjpe, atol=0.2)
    best = [by_name["one view", f"best of {n} samples and the mode"] for n in (1, 4)]
    assert np.all(best[1].errors.pa_mpjpe <= best[0].errors.pa_mpjpe + 1e-3)
    assert np.all(best[0].errors.pa_mpjpe <= mode.pa_mpjpe + 1e-3)
    assert float(report.seen.num_joints) == views * 12
