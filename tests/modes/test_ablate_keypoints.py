"""The ablation of the training recipe: its runs, its table, and how it goes on.

The two modes that it calls have tests of their own and are replaced by short ones here,
because compiling every recipe takes minutes.
"""

import dataclasses
import json
import pathlib

import jax
import pytest

from configs.ablation_keypoints import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.ablation_report import mean_and_deviation, read_reports
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.keypoint_report import ConditionReport, JointsReport
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.modes import ablate_keypoints, evaluate_keypoints, train_keypoints
from prohmr_jax.modes.ablate_keypoints import run
from prohmr_jax.structs import LossTerms


def report(energy_score_mm, hidden_joints):
    errors = Errors(30.0, [29.0, 28.0], 60.0, [58.0, 57.0], 120.0, 300.0)
    fields = {f.name: 0.5 for f in dataclasses.fields(JointsReport)}
    fields["energy_score_interval_mm"] = (1.0, 2.0)
    fields["lowest_joint"] = "nose"
    joints = JointsReport(**fields | {"energy_score_mm": energy_score_mm})
    return ConditionReport(
        split="seen-action test",
        condition="half hidden",
        num_people=3,
        num_actions=1,
        counts=(1, 100),
        h36m_14=errors,
        smpl_24=errors,
        medoid_pa_mpjpe=31.0,
        medoid_mpjpe=61.0,
        mode_pa_interval=(29.0, 31.0),
        beyond_limits=0.01,
        seen=joints,
        hidden=dataclasses.replace(joints, num_joints=hidden_joints),
    )


@pytest.fixture
def trained(monkeypatch):
    """The configs that the training has been called with, in order."""
    configs = []

    def train(config, directory):
        configs.append(config)
        (directory / "states" / str(config.num_steps)).mkdir(parents=True)
        return directory / "weights.npz"

    def evaluate(config):
        # The score tells the seed, so that the table can be checked.
        seed = int(pathlib.Path(config.checkpoint).parent.name)
        reports = [report(40.0 + 2.0 * seed, 0), report(90.0, 7)]
        content = {"reports": [dataclasses.asdict(r) for r in reports]}
        path = pathlib.Path(config.output).with_suffix(".json")
        path.write_text(json.dumps(content))

    monkeypatch.setattr(ablate_keypoints, "read_held_out_clips", lambda path: ())
    monkeypatch.setattr(train_keypoints, "run", train)
    monkeypatch.setattr(evaluate_keypoints, "run", evaluate)
    return configs


def test_every_recipe_is_measured_once_with_every_seed(trained, tmp_path):
    config = get_config()
    config.seeds = (0, 1)
    page = run(config, tmp_path)
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    # Of the two rows of the evaluation, one has hidden joints as well.
    assert len(rows) == 2 + 3 * len(config.recipes)
    # Scores 40 and 42: mean 41, deviation sqrt(2).
    assert "41.0 ± 1.4" in rows[2]
    assert "28.0 ± 0.0" in rows[2]
    assert len(trained) == 2 * len(config.recipes)

    text = page.read_text()
    assert run(config, tmp_path).read_text() == text
    assert len(trained) == 2 * len(config.recipes)


def test_recipes_differ_from_the_training_in_what_they_name_alone(trained, tmp_path):
    config = get_config()
    config.seeds = (4,)
    run(config, tmp_path)
    configs = dict(zip(config.recipes, trained, strict=True))
    shipped = config.training.to_dict() | {"seed": 4}
    assert configs["shipped"].to_dict() == shipped
    for recipe in configs.values():
        assert recipe.seed == 4
        ModelSpec(**recipe.model)
        LossTerms(**recipe.loss_weights)
        changed = {k for k, v in recipe.to_dict().items() if v != shipped[k]}
        assert changed <= {"model", "loss_weights", "num_samples"}
    assert not configs["additive_paper"].model.flow_affine
    assert not configs["additive_likelihood"].model.flow_affine
    likelihood = LossTerms(**configs["affine_likelihood"].loss_weights)
    weighed = [name for name, weight in vars(likelihood).items() if weight]
    assert weighed == ["nll", "keypoints_2d_mode", "betas_mode"]


def test_an_empty_grid_is_refused(trained, tmp_path):
    config = get_config()
    config.seeds = ()
    with pytest.raises(InputError, match="seeds"):
        run(config, tmp_path)


def test_a_training_that_was_stopped_is_not_measured(trained, tmp_path, monkeypatch):
    whole = train_keypoints.run

    def stopped(config, directory):
        (directory / "states" / "100").mkdir(parents=True)
        return directory / "weights.npz"

    monkeypatch.setattr(train_keypoints, "run", stopped)
    with pytest.raises(InputError, match="was stopped; the same command"):
        run(get_config(), tmp_path)
    assert not list(tmp_path.rglob("report.json"))
    monkeypatch.setattr(train_keypoints, "run", whole)
    config = get_config()
    config.seeds = (0,)
    assert run(config, tmp_path).exists()


def test_missing_clips_are_found_before_the_training(tmp_path):
    config = get_config()
    config.evaluation.held_out = str(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"none\.npz"):
        run(config, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_was_written_is_read_again(trained, tmp_path):
    config = get_config()
    config.seeds = (0,)
    run(config, tmp_path)
    first, second = read_reports(tmp_path / "shipped" / "0" / "report.json")
    assert jax.tree.leaves(dataclasses.asdict(first)) == jax.tree.leaves(
        dataclasses.asdict(report(40.0, 0))
    )
    assert second.hidden.num_joints == 7


def test_what_is_no_report_is_refused(tmp_path):
    path = tmp_path / "report.json"
    for text in ("{", "{}", '{"reports": [{"split": 1}]}', '{"reports": 3}'):
        path.write_text(text)
        with pytest.raises(InputError, match="report.json"):
            read_reports(path)


def test_the_deviation_over_seeds_is_that_of_a_sample():
    assert mean_and_deviation([1.0, 3.0], 2) == "2.00 ± 1.41"
    assert mean_and_deviation([0.5], 0, 100.0) == "50"
