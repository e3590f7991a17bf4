"""Tables of the paper on miniature datasets, against loops over their people."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from prohmr_jax.configs import table1, table2, table5
from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.open_benchmark import BenchmarkPeople, write_benchmark
from prohmr_jax.files.body_files import read_body
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.evaluate_table import run
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from prohmr_jax.structs import Body, Keypoints2D
from prohmr_jax.weights.weight_files import save_weights
from tests.support.datasets_case import make_record, write_people
from tests.support.joint_loops import loop_errors
from tests.support.keypoint_training import TINY

PEOPLE = 7
DATA = {
    "pw3d": ("3DPW", "h36m_14", "people"),
    "mpi_inf_3dhp": ("MPI-INF-3DHP", "mpi_inf_17", "people"),
    "synthetic_humans": ("synthetic humans", "h36m_14", "actions"),
}
WITHOUT_HEAD = 3
SPEC = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True, flow_dropout=0.0)


@functools.cache
def variables_of(name):
    """Random weights of a name."""
    if name == "weights":
        return init_variables(build_model(SPEC), jax.random.key(0))
    return jax.tree.map(lambda a: 1.1 * a, variables_of("weights"))


def people_of(joints):
    """People of three actions, without poses; one lacks a joint of the list."""
    records = [make_record(n) for n in range(PEOPLE)]
    head = JOINTS_44.index(EVALUATED_JOINTS[joints].names[-1])
    records[WITHOUT_HEAD].keypoints_3d[head] = 0.0
    return [dataclasses.replace(r, has_pose=False) for r in records]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    for name, (_, joints, _) in DATA.items():
        write_people(path / name, people_of(joints))
    no_joints = [
        dataclasses.replace(make_record(n), keypoints_3d=np.zeros((44, 4)))
        for n in range(2)
    ]
    write_people(path / "no_joints", no_joints)
    for name in ("weights", "other"):
        save_weights(path / f"{name}.npz", SPEC, variables_of(name))
    rng = np.random.default_rng(0)
    random = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    benchmark = BenchmarkPeople(
        Body(random(4, 44, 3), random(4, 24, 3)),
        random(4, 25, 2),
        Keypoints2D(random(2, 4, 25, 2), np.ones((2, 4, 25), np.float32)),
        ("exact", "detected"),
        ("climbing",) * 4,
        ("a", "a", "a", "b"),
    )
    write_benchmark(path / "benchmark.npz", benchmark)
    return path


def config_of(module, folder, output, *rows):
    """A table of miniature datasets; datasets that are not asked for are missing."""
    config = module.get_config()
    config.models.prohmr.checkpoint = str(folder / "weights.npz")
    for name, row in config.rows.items():
        row.directory = str(folder / name) if name in rows else str(folder / "missing")
        row.split = "train"
    config.benchmark = str(folder / "benchmark.npz")
    config.conditions = ("exact",)
    config.batch_size = 4
    config.output = str(output)
    return config.lock()


@functools.cache
def modes_of(weights="weights"):
    """Joints that the model predicts for the people of any dataset here."""
    model = prepare(build_model(SPEC), variables_of(weights))
    people, body = people_of("h36m_14"), read_body("open")
    rows = list(BODY_25.positions_in(JOINTS_44))
    keypoints = np.stack([r.keypoints_2d[rows] for r in people]).astype(np.float32)
    seen = Keypoints2D(keypoints[..., :2], keypoints[..., 2])
    one = jax.jit(predict, static_argnames="num_hypotheses")
    predicted = one(model, body, seen, jax.random.key(0), num_hypotheses=1)
    return np.asarray(predicted.body.joints[:, 0])


def expected_mean(errors, actions, average):
    groups = {} if average == "actions" else {"": errors}
    if average == "actions":
        for error, action in zip(errors, actions, strict=True):
            groups.setdefault(action, []).append(error)
    means = [np.sum(group, axis=0) / len(group) for group in groups.values()]
    return np.sum(means, axis=0) / len(means)


def test_table_1_is_what_loops_give(folder, tmp_path, capsys):
    table = run(config_of(table1, folder, tmp_path, *DATA))
    body = read_body("open")
    mean = mean_body(body, mean_pose(load_pose_prior())).joints
    for title, joints, average in DATA.values():
        people = people_of(joints)
        kept = [n for n in range(PEOPLE) if n != WITHOUT_HEAD]
        modes = modes_of()
        names = EVALUATED_JOINTS[joints]
        for method, predicted in (("ProHMR, mode", modes), ("mean pose", [mean] * 7)):
            errors = [
                loop_errors(predicted[n], people[n].keypoints_3d[:, :3], names)
                for n in kept
            ]
            actions = [people[n].action for n in kept]
            pa, raw = expected_mean(errors, actions, average)
            (row,) = [r for r in table.rows if (r.data, r.method) == (title, method)]
            assert row.num_people == len(kept)
            assert row.pa_mpjpe.mean == pytest.approx(pa, rel=1e-4)
            assert row.mpjpe.mean == pytest.approx(raw, rel=1e-4)
            assert row.pa_mpjpe.low <= row.pa_mpjpe.mean <= row.pa_mpjpe.high
        head = names.names[-1]
        assert table.left_out[title] == f"1 of 7: 1 lack the 3D label of {head}"
    papers = {
        r.data: r.paper.pa_mpjpe for r in table.rows if r.paper and "mode" in r.method
    }
    assert papers == {"3DPW": 59.8, "MPI-INF-3DHP": 65.0}
    assert table.skipped == {
        "Human3.6M, protocol 2": f"there is no folder {folder / 'missing'}"
    }
    climbing = [r for r in table.rows if r.data == "climbing, exact keypoints"]
    assert [(r.num_people, r.average) for r in climbing] == [(4, "actions")] * 2

    text = (tmp_path / "table.md").read_text()
    assert text in capsys.readouterr().out
    assert "**Skipped: Human3.6M, protocol 2**" in text
    content = json.loads((tmp_path / "table.json").read_text())
    assert len(content["rows"]) == len(table.rows) == 8
    settings = content["settings"]
    assert f"--config.rows.pw3d.directory={folder}/pw3d" in settings["command"]
    assert "--config.seed" not in settings["command"]
    assert len(settings["weights of ProHMR"].split()[-1]) == 65  # and a parenthesis


def test_table_2_falls_with_n(folder, tmp_path):
    config = config_of(table2, folder, tmp_path, "pw3d")
    with config.unlocked():
        config.num_hypotheses = 30
        config.quantised = (2, 5)
    table = run(config)
    errors = {row.method: row.pa_mpjpe.mean for row in table.rows if row.data == "3DPW"}
    assert list(errors) == [
        "ProHMR, mode", "ProHMR, n = 2", "ProHMR, n = 5", "ProHMR, best of 30",
        "mean pose",
    ]  # fmt: skip
    assert errors["ProHMR, best of 30"] < errors["ProHMR, mode"]
    text = (tmp_path / "table.md").read_text()
    assert "k-means" in text
    assert "Each person has 30 hypotheses" in text
    config.quantised = (2, 31)
    with pytest.raises(InputError, match="31 is more than the 30 hypotheses"):
        run(config)


def test_table_5_compares_two_models(folder, tmp_path):
    config = config_of(table5, folder, tmp_path, "pw3d")
    assert "checkpoint is empty" in run(config).skipped["ProHMR without L_mode"]
    config.models.without_mode.checkpoint = str(folder / "other.npz")
    rows = {r.method: r for r in run(config).rows if r.data == "3DPW"}
    assert set(rows) == {"ProHMR, mode", "ProHMR without L_mode, mode", "mean pose"}
    people, modes = people_of("h36m_14"), modes_of("other")
    errors = [
        loop_errors(modes[n], r.keypoints_3d[:, :3], EVALUATED_JOINTS["h36m_14"])
        for n, r in enumerate(people)
        if n != WITHOUT_HEAD
    ]
    other = rows["ProHMR without L_mode, mode"]
    assert other.pa_mpjpe.mean == pytest.approx(np.mean(errors, axis=0)[0], rel=1e-4)
    assert (other.paper.pa_mpjpe, rows["mean pose"].paper) == (67.4, None)


def test_a_table_without_anybody_is_bad_input(folder, tmp_path):
    config = config_of(table1, folder, tmp_path)
    config.benchmark = str(tmp_path / "missing.npz")
    with pytest.raises(InputError, match="no row can be measured: .*there is no fold"):
        run(config)
    config.rows.pw3d.directory = str(folder / "no_joints")
    cause = "none of 2 people can be scored on .*: 2 lack the 3D labels of all 15"
    with pytest.raises(InputError, match=cause):
        run(config)
    assert not (tmp_path / "table.md").exists()
