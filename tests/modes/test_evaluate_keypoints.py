"""The evaluation of the keypoint model, as a user runs it, with a tiny model."""

import contextlib
import io
import json

import jax
import numpy as np
import pytest

from configs.evaluate_keypoints import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.evaluate_keypoints import people_of_clips, run
from prohmr_jax.poses.bank import read_held_out_clips, write_held_out_clips
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.weights.weight_files import save_weights
from tests.support.keypoint_training import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of a tiny random model, and three short clips of two splits."""
    path = tmp_path_factory.mktemp("evaluation")
    rng = np.random.default_rng(0)
    clip = lambda name, frames: Clip(  # noqa: E731
        name,
        0.2 * rng.normal(size=(frames, 24, 3)).astype(np.float32),
        np.zeros((frames, 3), np.float32),
    )
    clips = [
        (clip("running__5", 5), Split.SEEN_ACTION),
        (clip("walking__5", 3), Split.SEEN_ACTION),
        (clip("soccer__1", 3), Split.UNSEEN_ACTION),
    ]
    write_held_out_clips(path / "clips.npz", clips)
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True, flow_dropout=0.0)
    variables = init_variables(build_model(spec), jax.random.key(0))
    save_weights(path / "weights.npz", spec, variables)
    return path


def evaluate(folder, batch_size, output=""):
    config = get_config()
    config.checkpoint = str(folder / "weights.npz")
    config.held_out = str(folder / "clips.npz")
    config.num_samples = 10
    config.frame_step = 1
    config.views = 1
    config.batch_size = batch_size
    config.output = str(output)
    return run(config)


@pytest.fixture(scope="module")
def evaluated(folder):
    """The reports of batches of 16, and what they print."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        reports = evaluate(folder, 16, folder / "report.md")
    return reports, printed.getvalue()


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "size", [3, pytest.param(1, marks=slow), pytest.param(64, marks=slow)]
)
def test_no_number_depends_on_the_batch_size(folder, evaluated, size):
    numbers = [
        [x for x in jax.tree.leaves(list(map(vars_of, reports))) if type(x) is float]
        for reports in (evaluated[0], evaluate(folder, size))
    ]
    assert len(numbers[0]) > 100
    np.testing.assert_allclose(numbers[1], numbers[0], atol=1e-3)


def vars_of(report):
    parts = [vars(report), vars(report.seen), vars(report.hidden)]
    parts += [vars(report.h36m_14), vars(report.smpl_24)]
    return [list(part.values()) for part in parts]


def test_the_report_is_written_for_people_and_for_programs(folder, evaluated):
    reports, printed = evaluated
    text = (folder / "report.md").read_text()
    assert text.strip() in printed
    numbers = json.loads((folder / "report.json").read_text())
    assert numbers["seed"] == 0
    assert [r["split"] for r in numbers["reports"]] == [r.split for r in reports]
    # Three conditions of two splits; only the half hidden have hidden joints.
    assert len(reports) == 6
    for report in reports:
        is_half = report.condition == "half hidden"
        assert (report.hidden.num_joints > 0) == is_half
        assert report.num_people == {2: 8, 1: 3}[report.num_actions]
        assert report.h36m_14.best_pa_mpjpe[-1] <= report.h36m_14.mode_pa_mpjpe
        assert f"{report.h36m_14.mode_pa_mpjpe:.1f}" in text
        assert 0 <= report.seen.coverage_50 <= report.seen.coverage_90 <= 1


def test_people_are_sorted_and_counted(folder):
    clips = read_held_out_clips(folder / "clips.npz")
    people = people_of_clips(clips, frame_step=2, views=3)
    assert len(people.axis_angle) == 3 * (3 + 2 + 2)
    assert list(people.actions[:9]) == ["running"] * 9
    with pytest.raises(InputError, match="holds no clip"):
        people_of_clips((), 1, 1)
