"""The comparison of fits: who is compared on what, and the tables that come out."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.choose_data_weight import get_config as weight_config
from configs.evaluate_fitting import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.fit_methods import FittedModels
from prohmr_jax.evaluation.fitting_errors import fit_errors
from prohmr_jax.evaluation.fitting_scenes import make_scenes
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.fitting import (
    eft,
    keypoints,
    multiview_fusion,
    multiview_joint,
    smplify,
)
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.choose_data_weight import run
from prohmr_jax.modes.evaluate_fitting import (
    mean_of_split,
    measure,
    spread_people,
)
from prohmr_jax.modes.evaluate_fitting import (
    run as run_fitting_evaluation,
)
from prohmr_jax.poses.bank import HeldOutClip, write_held_out_clips
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.gaussian_mixture import load_pose_prior, sample_axis_angle
from prohmr_jax.solver.problem import Minimum
from prohmr_jax.weights.weight_files import save_weights
from tests.support.keypoint_training import REGRESSOR, TINY


@pytest.fixture(scope="module")
def poses():
    return np.asarray(sample_axis_angle(load_pose_prior(), jax.random.key(0), (40,)))


@pytest.fixture(scope="module")
def clips(poses):
    return (
        HeldOutClip("walking__3", Split.SEEN_ACTION, poses[:10]),
        HeldOutClip("running__1", Split.SEEN_ACTION, poses[10:14]),
        HeldOutClip("walking__7", Split.SEEN_ACTION, poses[14:24]),
        HeldOutClip("soccer__1", Split.UNSEEN_ACTION, poses[24:]),
    )


def test_people_are_spread_over_actions_and_frames(clips, poses):
    labels, chosen = spread_people(clips, 5)
    assert labels.count((Split.SEEN_ACTION, "walking")) == 3
    assert labels.count((Split.SEEN_ACTION, "running")) == 3
    assert labels.count((Split.UNSEEN_ACTION, "soccer")) == 5
    assert len({pose.tobytes() for pose in chosen}) == len(labels) == 11
    walking = chosen[[label[1] == "walking" for label in labels]]
    np.testing.assert_array_equal(walking, poses[[3, 14, 20]][: len(walking)])
    with pytest.raises(InputError, match="running has 4 frames only"):
        spread_people(clips, 10)


def test_actions_count_alike():
    labels = [(Split.SEEN_ACTION, a) for a in ("a", "a", "a", "b")]
    labels.append((Split.UNSEEN_ACTION, "c"))
    errors = np.array([1.0, 2.0, 3.0, 10.0, 99.0])
    interval = mean_of_split(errors, labels, Split.SEEN_ACTION, 0)
    assert interval.mean == pytest.approx(6.0)
    # The action of one person is certain; the mean of the other is between 1 and 3.
    assert 5.5 <= interval.low < 6.0 < interval.high <= 6.5


def test_the_truth_has_no_error_and_batches_do_not_matter(tiny_body, poses):
    models = FittedModels(
        prohmr=None, regression=None, body=tiny_body, mixture=None, flow=None,
        mean_body_pose=mean_pose(load_pose_prior(), 10),
    )  # fmt: skip
    scenes_of = make_scenes(tiny_body, CONDITIONS["exact"], 2)

    def perfect(scenes):
        turn = jnp.swapaxes(scenes.extrinsics.rotation, -1, -2)
        body = jax.tree.map(lambda joints: joints[:, None] @ turn, scenes.body)
        return {"truth": body, "twice": jax.tree.map(lambda a: 2.0 * a, body)}

    one = measure(perfect, models, scenes_of, poses[:5], 5, 0)
    two = measure(perfect, models, scenes_of, poses[:5], 2, 0)
    assert set(one) == {"truth", "twice", "mean pose"}
    assert np.max(one["truth"].mpjpe) < 0.01
    assert np.max(one["twice"].pa_mpjpe) < 0.01
    assert np.min(one["twice"].mpjpe) > 100.0
    assert np.min(one["mean pose"].pa_mpjpe) > 10.0
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-2), one, two)
    scenes = scenes_of(jax.random.split(jax.random.key(0), 2), jnp.asarray(poses[:2]))
    assert fit_errors(perfect(scenes)["truth"], scenes).mpjpe.shape == (2,)


def stay(objective, initial, data, settings):
    """A solver that stays where it starts: each fit is tested with its own room."""
    people = jax.tree.leaves(initial)[0].shape[:1]
    zero = jnp.zeros(people, jnp.int32)
    none = jnp.zeros(people)
    return Minimum(initial, none, none, zero, zero, zero)


@pytest.mark.slow
def test_the_program_writes_its_tables(tmp_path, clips, monkeypatch):
    for room in (keypoints, multiview_fusion, multiview_joint, smplify):
        monkeypatch.setattr(room, "minimise_batch", stay)
    monkeypatch.setattr(eft, "best_of_steps", lambda _, initial, *__: (initial, 0.0))
    weights, twin = tmp_path / "prohmr.npz", tmp_path / "regression.npz"
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True)
    for path, model in ((weights, spec), (twin, REGRESSOR)):
        variables = init_variables(build_model(model), jax.random.key(0))
        save_weights(path, model, variables)
    write_held_out_clips(
        tmp_path / "held_out.npz",
        [(Clip(c.name, c.axis_angle, c.axis_angle[:, 0]), c.split) for c in clips],
    )
    config = get_config()
    config.update(
        checkpoint=str(weights), regression=str(twin), people_per_split=1, views=2,
        views_alone=2,
        splits=("seen-action test",),
        held_out=str(tmp_path / "held_out.npz"), conditions=("half hidden",),
        data_weights=(1.0,), batch_size=2,
        output=str(tmp_path / "report.md"),
    )  # fmt: skip
    report = run_fitting_evaluation(config.lock())
    assert (tmp_path / "report.md").read_text() == report
    assert "## seen-action test: 2 actions, 2 people" in report
    assert "unseen-action test" not in report
    assert "### 2 views together, data weight x 1" in report
    assert "### one view alone, data weight x 1" in report
    rows = [line.split(" | ") for line in report.splitlines()
            if line.startswith("|") and " / " in line]  # fmt: skip
    cells = {}
    for name, cell in rows:
        errors, _, mpjpe = cell.strip(" |").rpartition(" / ")
        pa, low, high = re.findall(r"[\d.]+", errors)
        assert float(low) <= float(pa) <= float(high)
        numbers = [float(pa), float(mpjpe)]
        assert np.all(np.isfinite(numbers))
        cells.setdefault(name.strip("| "), []).append(numbers)
    assert len(cells["mean pose"]) == 2
    # Nothing was fitted: each method has the error of its start.
    for fitted in ("ProHMR + fitting", "ProHMR + SMPLify, mixture"):
        np.testing.assert_allclose(cells[fitted], cells["ProHMR"], atol=0.2)
    for fitted in ("regression + SMPLify, flow", "regression + EFT"):
        np.testing.assert_allclose(cells[fitted], cells["regression"], atol=0.2)
    np.testing.assert_allclose(
        np.array(cells["ProHMR + joint fit, cameras unknown"])[:, 0],
        np.array(cells["ProHMR"])[:, 0], atol=3.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "choose"),
    [(get_config(), run_fitting_evaluation), (weight_config(), run)],
)
def test_an_unknown_condition_is_named_before_anything_is_read(config, choose):
    config.conditions = ("exact", "foggy")
    with pytest.raises(InputError, match=r'config\.conditions: "foggy" is not "exact"'):
        choose(config.lock())


def test_a_model_with_a_density_is_no_regression():
    config = get_config()
    config.regression = str(KEYPOINT_WEIGHTS)
    with pytest.raises(InputError, match="not deterministic"):
        run_fitting_evaluation(config.lock())
