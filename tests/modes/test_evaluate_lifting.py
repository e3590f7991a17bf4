"""The evaluation of lifting as a user runs it, with tiny models that are given."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from configs.table6 import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.modes import evaluate_lifting, train_lifter
from prohmr_jax.modes.evaluate_lifting import run
from prohmr_jax.modes.run_checks import run_checks
from prohmr_jax.poses.bank import write_held_out_clips
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.synthetic.skeleton_pairs import SkeletonPair
from prohmr_jax.weights.weight_files import load_weights, save_weights
from tests.support.lifting_cases import TINY_MODEL

HEADS = ("point", "mixture")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of tiny random models, and clips of two splits."""
    path = tmp_path_factory.mktemp("lifting")
    rng = np.random.default_rng(0)
    clips = [
        (Clip(name, 0.2 * rng.normal(size=(frames, 24, 3)), np.zeros((frames, 3))), s)
        for name, frames, s in (
            ("running__5", 4, Split.SEEN_ACTION),
            ("walking__5", 2, Split.SEEN_ACTION),
            ("soccer__1", 3, Split.UNSEEN_ACTION),
        )
    ]
    write_held_out_clips(path / "clips.npz", clips)
    for head in HEADS:
        spec = LifterSpec(**{**TINY_MODEL, "head": head})
        variables = init_lifter(build_lifter(spec), jax.random.key(0))
        save_weights(path / f"{head}.npz", spec, variables)
    return path


def config_of(folder, *heads):
    config = get_config()
    config.held_out = str(folder / "clips.npz")
    config.update({"frame_step": 2, "views": 2, "batch_size": 4})
    for name in set(config.models) - set(heads):
        del config.models[name]
    for head in heads:
        config.models[head].lifter = str(folder / f"{head}.npz")
    return config


@pytest.fixture
def quick(monkeypatch):
    """Leaves out what takes long to compile: the people's bodies, and the mean pose."""
    rest = np.tile(np.eye(3, dtype=np.float32), (23, 1, 1))
    monkeypatch.setattr(evaluate_lifting, "mean_pose", lambda _: rest)
    monkeypatch.setattr(evaluate_lifting, "shown_skeletons", random_people)


def random_people(keys, poses, body, condition):
    """People without a body, which takes long to compile."""
    normal = lambda *shape: jax.vmap(lambda k: jax.random.normal(k, shape))(keys)  # noqa: E731
    keypoints = Keypoints2D(normal(17, 2), np.ones((len(poses), 17), np.float32))
    return SkeletonPair(keypoints, normal(16, 3))


@pytest.mark.slow
def test_all_models_are_measured_under_all_conditions(folder, tmp_path, capsys):
    rows = run(config_of(folder, *HEADS), tmp_path)
    assert len(rows) == 2 * 2 * len(HEADS)
    assert all((r.samples is None) == (r.model == "point") for r in rows)
    for row in rows:
        # Random weights know less than the mean pose does.
        assert 0.0 < row.mean_pose_pa_mpjpe < row.pa_mpjpe.mean
        if row.samples is not None:
            best = [estimate.mean for estimate in row.samples.best_mpjpe]
            assert best == sorted(best, reverse=True)
    assert "Best of N samples" in capsys.readouterr().out


def test_given_weights_are_measured_and_written(folder, tmp_path, monkeypatch, quick):
    monkeypatch.setattr(train_lifter, "run", None)
    monkeypatch.setattr(
        evaluate_lifting, "CONDITIONS", {"noisy": evaluate_lifting.CONDITIONS["noisy"]}
    )
    config = config_of(folder, "point")
    rows = run(config, tmp_path)
    # Frames 0, 2 of four and 0 of two, and 0, 2 of three; each in two views.
    groups = {(r.split, r.model, r.num_people, r.num_units) for r in rows}
    assert groups == {
        ("seen-action test", "point", 6, 2),
        ("unseen-action test", "point", 4, 1),
    }
    assert all(r.samples is None for r in rows)
    content = json.loads((tmp_path / "lifting.json").read_text())
    assert content["rows"] == json.loads(
        json.dumps([dataclasses.asdict(r) for r in rows])
    )
    _, variables = load_weights(folder / "point.npz", LifterSpec)
    assert content["weights"]["point"] == ["point.npz", tree_sha256(variables)]
    page = (tmp_path / "lifting.md").read_text()
    for word in (content["command"], content["version"], "seed 0", "N = 6, 2 clips"):
        assert word in page


def test_models_without_weights_are_trained_as_they_differ(
    folder, tmp_path, monkeypatch, quick
):
    """A training that is stopped is not measured."""
    trained = {}

    def train(config, directory):
        trained[directory.name] = config
        if directory.name != "flow":
            (directory / "states" / str(config.num_steps)).mkdir(parents=True)

    monkeypatch.setattr(train_lifter, "run", train)
    weights = load_weights(folder / "point.npz", LifterSpec)
    monkeypatch.setattr(evaluate_lifting, "load_weights", lambda *_: weights)
    monkeypatch.setattr(evaluate_lifting, "warn_of_other_body", lambda *_: False)
    monkeypatch.setattr(evaluate_lifting, "_people", lambda *_: [])
    config = get_config()
    config.models = {name: part.to_dict() for name, part in config.models.items()} | {
        "zz": {"lifter": "", "training": {"model": {"head": "flow"}}}
    }
    with pytest.raises(InputError, match="flow: holds a training that was stopped"):
        run(config, tmp_path)
    del config.models["flow"]
    run(config, tmp_path)
    heads = {name: one.model.head for name, one in trained.items()}
    assert heads == {
        "flow": "flow", "flow_affine": "flow", "mixture": "mixture", "point": "point",
        "zz": "flow",
    }  # fmt: skip
    assert trained["flow_affine"].model.flow_affine
    assert trained["point"].loss_weights.nll == 0.0
    assert trained["mixture"].loss_weights.keypoints_3d_mode == 0.0
    same = {(one.num_steps, one.batch_size, one.seed) for one in trained.values()}
    assert len(same) == 1


def test_nobody_to_measure_is_refused(folder, tmp_path):
    config = config_of(folder, "point")
    config.held_out = ""
    with pytest.raises(InputError, match="is empty, and so is config.dataset"):
        run(config, tmp_path)
    config.dataset = str(tmp_path)
    with pytest.raises(InputError, match="holds no dataset"):
        run(config, tmp_path)
    del config.models["point"]
    with pytest.raises(InputError, match="models: is empty"):
        run(config, tmp_path)


def test_given_weights_are_checked_before_the_start(folder, tmp_path):
    config = config_of(folder, "point")
    checks = {check.name: check for check in run_checks(config, tmp_path)}
    assert "head 'point'" in checks["config.models.point.lifter"].find()
    assert "config.dataset" not in checks
    config.models.point.lifter = str(tmp_path / "none.npz")
    checks = {check.name: check for check in run_checks(config, tmp_path)}
    with pytest.raises(InputError, match="no such weights file"):
        checks["config.models.point.lifter"].find()
