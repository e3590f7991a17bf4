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


@pytest.mark.slow
def test_it_reports_everything_and_goes_on_where_it_was(folder, tmp_path):
    """One test, because two processes of tests would measure everything twice."""
    reports = run(config_of(folder, tmp_path))
    assert len(reports) == 2 * 11
    assert all(report.num_people == 3 for report in reports)
    before = (tmp_path / "report.json").read_bytes()
    content = json.loads(before)
    assert len(content["reports"]) == len(reports)
    settings = content["settings"]
    assert len(settings["benchmark_hash"]) == len(settings["weights_hash"]) == 64
    text = (tmp_path / "report.md").read_text()
    assert settings["benchmark_hash"][:16] in text
    legs = next(r for r in reports if r.condition == "legs deleted")
    assert legs.hidden.num_joints > 0

    kept = tmp_path / "conditions" / "exact.json"
    written = kept.stat().st_mtime_ns
    (tmp_path / "conditions" / "detected.json").unlink()
    (tmp_path / "report.json").unlink()
    run(config_of(folder, tmp_path))
    assert (tmp_path / "report.json").read_bytes() == before
    assert kept.stat().st_mtime_ns == written

    config = config_of(folder, tmp_path)
    config.seed = 1
    with pytest.raises(InputError, match="was measured with seed 0, now 1"):
        run(config)
