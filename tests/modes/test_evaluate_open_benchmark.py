"""The evaluation on the open benchmark, as a user runs it, with a tiny model."""

import json

import jax
import numpy as np
import pytest

from configs.evaluate_open_benchmark import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.open_benchmark import make_benchmark, write_benchmark
from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.evaluate_open_benchmark import run
from prohmr_jax.poses.bank import HeldOutClip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.weights.weight_files import save_weights
from tests.support.keypoint_training import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(0)
    poses = 0.2 * rng.normal(size=(6, 24, 3)).astype(np.float32)
    clips = [
        HeldOutClip("spin", Split.ACROBATICS, poses[:3]),
        HeldOutClip("climb__1", Split.CLIMBING, poses[3:]),
    ]
    people = make_benchmark(clips, read_body("open"), load_detector_errors(), 3)
    write_benchmark(path / "benchmark.npz", people)
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True, flow_dropout=0.0)
    variables = init_variables(build_model(spec), jax.random.key(0))
    save_weights(path / "weights.npz", spec, variables)
    return path


def config_of(folder, output):
    config = get_config()
    config.benchmark = str(folder / "benchmark.npz")
    config.checkpoint = str(folder / "weights.npz")
    config.num_samples = 10
    config.batch_size = 8
    config.output = str(output)
    return config


@pytest.fixture(scope="module")
def evaluated(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluated")
    return output, run(config_of(folder, output))


def test_every_condition_and_part_is_reported(evaluated):
    output, reports = evaluated
    assert len(reports) == 2 * 11
    assert all(report.num_people == 3 for report in reports)
    content = json.loads((output / "report.json").read_text())
    assert len(content["reports"]) == len(reports)
    settings = content["settings"]
    assert len(settings["benchmark_hash"]) == len(settings["weights_hash"]) == 64
    text = (output / "report.md").read_text()
    assert settings["benchmark_hash"][:16] in text
    assert "legs deleted" in text
    legs = next(r for r in reports if r.condition == "legs deleted")
    assert legs.hidden.num_joints > 0


def test_a_run_that_was_stopped_goes_on(evaluated, folder):
    output, _ = evaluated
    report = (output / "report.json").read_bytes()
    kept = output / "conditions" / "exact.json"
    before = kept.stat().st_mtime_ns
    (output / "conditions" / "detected.json").unlink()
    (output / "report.json").unlink()
    run(config_of(folder, output))
    assert (output / "report.json").read_bytes() == report
    assert kept.stat().st_mtime_ns == before


def test_another_evaluation_needs_another_folder(evaluated, folder):
    output, _ = evaluated
    config = config_of(folder, output)
    config.seed = 1
    with pytest.raises(InputError, match="was measured with seed 0, now 1"):
        run(config)
