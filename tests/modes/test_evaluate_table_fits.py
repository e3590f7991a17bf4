"""Tables 3 and 4 on miniature datasets, with solvers that stay where they start."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.configs import table3, table4
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.open_benchmark import BenchmarkPeople, write_benchmark
from prohmr_jax.files.body_files import read_body
from prohmr_jax.fitting import eft, keypoints, multiview_fusion, smplify
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes import evaluate_table_fits, evaluate_table_views
from prohmr_jax.poses.bank import write_held_out_clips
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.skeleton import BODY_25, EVAL_H36M_14, JOINTS_44
from prohmr_jax.solver.problem import Minimum
from prohmr_jax.structs import Body, Keypoints2D
from prohmr_jax.weights.weight_files import save_weights
from tests.support.datasets_case import make_record, write_people
from tests.support.joint_loops import loop_errors
from tests.support.keypoint_training import REGRESSOR, TINY

# The views of three people, of whom the last is seen by one camera alone.
VIEWS = ("a", "b", "a", "b", "c")
SPEC = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True, flow_dropout=0.0)


def people():
    """People without poses; one has no 2D keypoints of those that encoders see."""
    return [
        dataclasses.replace(make_record(n), person=person, has_pose=False)
        for n, person in enumerate(VIEWS)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits")
    write_people(path / "people", people())
    unseen = make_record(0)
    unseen.keypoints_2d[:] = 0.0
    write_people(path / "unseen", [unseen])
    for name, spec in (("prohmr", SPEC), ("regression", REGRESSOR)):
        variables = init_variables(build_model(spec), jax.random.key(0))
        save_weights(path / f"{name}.npz", spec, variables)
    rng = np.random.default_rng(0)
    random = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    benchmark = BenchmarkPeople(
        Body(random(3, 44, 3), random(3, 24, 3)),
        random(3, 25, 2),
        Keypoints2D(random(1, 3, 25, 2), np.ones((1, 3, 25), np.float32)),
        ("exact",),
        ("climbing",) * 3,
        ("a", "a", "b"),
    )
    write_benchmark(path / "benchmark.npz", benchmark)
    poses = 0.2 * random(4, 24, 3)
    clip = Clip("walking__3", poses, poses[:, 0])
    write_held_out_clips(path / "held_out.npz", [(clip, Split.SEEN_ACTION)])
    return path


@pytest.fixture(scope="module")
def modes():
    """Joints that ProHMR predicts for the people."""
    variables = init_variables(build_model(SPEC), jax.random.key(0))
    model = prepare(build_model(SPEC), variables)
    rows = list(BODY_25.positions_in(JOINTS_44))
    seen = np.stack([r.keypoints_2d[rows] for r in people()]).astype(np.float32)
    seen = Keypoints2D(seen[..., :2], seen[..., 2])
    one = jax.jit(predict, static_argnames="num_hypotheses")
    predicted = one(model, read_body("open"), seen, jax.random.key(0), num_hypotheses=1)
    return np.asarray(predicted.body.joints[:, 0])


def stay(objective, initial, data, settings):
    """A solver that stays where it starts: each fit is tested with its own module."""
    count = jax.tree.leaves(initial)[0].shape[:1]
    zero = jnp.zeros(count, jnp.int32)
    return Minimum(initial, jnp.zeros(count), jnp.zeros(count), zero, zero, zero)


def config_of(module, folder, output, **directories):
    """A table of miniature datasets; those that are not named are missing."""
    config = module.get_config()
    config.models.prohmr.checkpoint = str(folder / "prohmr.npz")
    for name, row in config.rows.items():
        row.directory = str(folder / directories.get(name, "missing"))
        row.split = "train"
    config.batch_size = 4
    config.output = str(output)
    return config.lock()


def loop_mean(joints, rows):
    """Mean errors of joints of the people of these rows, person by person."""
    records = people()
    errors = [
        loop_errors(joints[row], records[row].keypoints_3d[:, :3], EVAL_H36M_14)
        for row in rows
    ]
    return np.mean(errors, axis=0)


def test_table_3_is_what_loops_give(folder, tmp_path, modes, monkeypatch):
    batches = []  # of four people and of one

    def starts(models, encoder_input, keypoints, weight):
        batches.append(weight)
        rows = list(BODY_25.positions_in(JOINTS_44))
        assert encoder_input.xy.shape[1] == 25
        np.testing.assert_array_equal(keypoints.xy[:, rows], encoder_input.xy)
        return weight

    def fits(models, weight, settings, use_hips):
        assert not use_hips
        shown = [*range(4)] if len(batches) == 1 else [4] * 4
        joints = {"ProHMR": modes[shown], "ProHMR + fitting": weight * modes[shown]}
        return {name: Body(a, a[:, :24]) for name, a in joints.items()}

    monkeypatch.setattr(evaluate_table_fits, "crop_starts", starts)
    monkeypatch.setattr(evaluate_table_fits, "fit_starts", fits)
    config = config_of(table3, folder, tmp_path, pw3d="people")
    config.models.regression.checkpoint = str(folder / "regression.npz")
    config.benchmark = str(tmp_path / "missing.npz")
    config.data_weights.keypoints = (1.0,)
    table = evaluate_table_fits.run(config)
    rows = {r.method: r for r in table.rows}
    assert list(rows) == ["ProHMR", "ProHMR + fitting", "mean pose"]
    pa, raw = loop_mean(modes, range(5))
    for method, paper in (("ProHMR", 59.8), ("ProHMR + fitting", 55.1)):
        assert rows[method].pa_mpjpe.mean == pytest.approx(pa, rel=1e-3)
        assert rows[method].mpjpe.mean == pytest.approx(raw, rel=1e-3)
        assert rows[method].paper.pa_mpjpe == paper
    config.models.regression.checkpoint = str(folder / "prohmr.npz")
    with pytest.raises(InputError, match="not deterministic"):
        evaluate_table_fits.run(config)


@pytest.mark.slow
def test_table_3_with_all_methods(folder, tmp_path, modes, monkeypatch):
    for module in (keypoints, smplify):
        monkeypatch.setattr(module, "minimise_batch", stay)
    monkeypatch.setattr(eft, "best_of_steps", lambda _, initial, *__: (initial, 0.0))
    config = config_of(table3, folder, tmp_path, pw3d="people", h36m_p2_true="unseen")
    config.models.regression.checkpoint = str(folder / "regression.npz")
    config.benchmark = str(folder / "benchmark.npz")
    config.conditions = ("exact",)
    config.data_weights.keypoints = (1.0, 0.5)
    table = evaluate_table_fits.run(config)
    rows = {r.method: r for r in table.rows if r.data == "3DPW"}
    names = ["ProHMR", "regression", "mean pose"]
    fits = ["ProHMR + fitting", "regression + EFT"]
    fits += [f"{start} + SMPLify, {prior}" for start in names[:2]
             for prior in ("mixture", "flow")]  # fmt: skip
    assert set(rows) == {*names, *fits, *(f"{fit}, data x 0.5" for fit in fits)}
    pa, raw = loop_mean(modes, range(5))
    for method in ("ProHMR", "ProHMR + fitting"):  # which stayed at the mode
        assert rows[method].pa_mpjpe.mean == pytest.approx(pa, rel=1e-3)
        assert rows[method].mpjpe.mean == pytest.approx(raw, rel=1e-3)
    papers = {r.method: r.paper.pa_mpjpe for r in rows.values() if r.paper}
    assert papers["ProHMR + fitting"] == 55.1
    assert "ProHMR + fitting, data x 0.5" not in papers
    climbing = [r for r in table.rows if r.data == "climbing, exact keypoints"]
    assert {(r.num_people, r.average) for r in climbing} == {(3, "actions")}
    assert len(climbing) == len(rows)
    (why,) = [w for n, w in table.skipped.items() if "true keypoints" in n]
    assert "1 have no 2D keypoint of BODY_25 to see" in why
    assert "1 have no 2D keypoint to fit to" in why


def test_table_4_is_what_loops_give(folder, tmp_path, modes, monkeypatch):
    def methods(model, body, prediction, num_views):
        assert num_views == 2
        views = prediction.joints_2d[:, 0]
        joints = prediction.body.joints[:, 0]
        return {"ProHMR": Body(joints, views)}

    monkeypatch.setattr(evaluate_table_views, "view_methods", methods)
    config = config_of(table4, folder, tmp_path, h36m_multiview="people")
    config.held_out = str(tmp_path / "missing.npz")
    table = evaluate_table_views.run(config)
    rows = {r.method: r for r in table.rows}
    pa, raw = loop_mean(modes, range(4))  # the fifth is seen by one camera alone
    assert rows["ProHMR"].pa_mpjpe.mean == pytest.approx(pa, rel=1e-3)
    assert rows["ProHMR"].mpjpe.mean == pytest.approx(raw, rel=1e-3)
    assert (rows["ProHMR"].num_people, rows["ProHMR"].num_views) == (2, 4)
    assert rows["ProHMR"].paper.mpjpe == 65.1
    assert "2 (4 views)" in (tmp_path / "table.md").read_text()
    config.rows.h36m_multiview.directory = str(folder / "unseen")
    with pytest.raises(InputError, match="there is nobody"):
        evaluate_table_views.run(config)


@pytest.mark.slow
def test_table_4_with_all_methods(folder, tmp_path, modes, monkeypatch):
    monkeypatch.setattr(multiview_fusion, "minimise_batch", stay)
    config = config_of(
        table4, folder, tmp_path, h36m_multiview="people", mannequin="unseen"
    )
    config.held_out = str(folder / "held_out.npz")
    config.people_per_split = 2
    config.views = 2
    config.conditions = ("exact",)
    table = evaluate_table_views.run(config)
    rows = {r.method: r for r in table.rows if r.data == "Human3.6M, several views"}
    assert list(rows) == [
        "ProHMR", "ProHMR + rotation averaging", "ProHMR + fusion", "mean pose"
    ]  # fmt: skip
    pa, raw = loop_mean(modes, range(4))
    assert rows["ProHMR"].pa_mpjpe.mean == pytest.approx(pa, rel=1e-3)
    assert rows["ProHMR"].mpjpe.mean == pytest.approx(raw, rel=1e-3)
    assert {(r.num_people, r.num_views) for r in rows.values()} == {(2, 4)}
    assert rows["ProHMR + fusion"].paper.mpjpe == 62.2
    held_out = [r for r in table.rows if r.data.startswith("seen-action test")]
    assert [(r.num_people, r.num_views) for r in held_out] == [(2, 4)] * 4
    (why,) = [w for n, w in table.skipped.items() if "Mannequin" in n]
    assert "there is nobody" in why
