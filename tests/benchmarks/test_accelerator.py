"""The benchmark of accelerators: rows are kept one by one, and it ends in time."""

import os
import subprocess
import sys
import time
import types

import jax
import jax.numpy as jnp
import pytest

from configs.benchmark_accelerator import get_config
from prohmr_jax.benchmarks import accelerator
from prohmr_jax.benchmarks.accelerator_work import Work, flow_rows, limits
from prohmr_jax.benchmarks.fitting_people import make_subject
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import BodyArrays
from tests.support.fitting_cases import FLOW, flow_weights
from tests.support.paths import ROOT

PRECISIONS = ("highest", "BF16_BF16_F32")


@pytest.fixture
def config(tmp_path):
    config = get_config()
    config.precisions = PRECISIONS
    config.product, config.copied_mb, config.rounds = 64, 1, 1
    config.hypotheses = (4,)
    config.output = str(tmp_path / "report.md")
    return config


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def exhausted():
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")


def test_rows_are_compared_with_the_limits_of_the_run(config, monkeypatch):
    ones = jnp.ones((64, 64))
    square = jax.jit(lambda: ones @ ones)
    work = [
        Work("product", square, flops=1e9),
        Work("half", square, 10, "things", flops=5e8),
        Work("too large", exhausted, 10, "things"),
    ]
    monkeypatch.setattr(accelerator, "_rows", lambda _: iter(work))
    report = accelerator.run(config)
    _, _, limit, half, large = rows_of(report)
    assert limit[6] == "100%"
    assert half[3].endswith("things")
    assert 0 < int(half[6].rstrip("%"))
    assert large[2] == "not enough memory"
    with open(config.output) as stream:
        assert stream.read() == report


def test_what_there_is_no_time_for_is_named(config, monkeypatch):
    ones = jnp.ones(3)
    readings = iter([0.0, 1.0, 1e6, 1e6])
    clock = types.SimpleNamespace(
        monotonic=lambda: next(readings),
        perf_counter=time.perf_counter,
        strftime=time.strftime,
    )
    monkeypatch.setattr(accelerator, "time", clock)
    work = [Work(name, lambda: ones) for name in ("first", "second", "third")]
    monkeypatch.setattr(accelerator, "_rows", lambda _: iter(work))
    report = accelerator.run(config)
    assert len(rows_of(report)) == 3
    assert "Left out for want of time: second (highest); third (highest)." in report


def test_a_precision_that_the_device_lacks_is_named(config):
    config.precisions = ("highest", "TF32_TF32_F32")
    exact, absent, *_ = limits(config)
    best = {}
    accelerator.measure_row(exact, 1, best)
    cells = accelerator.measure_row(absent, 1, best)
    if jax.default_backend() == "cpu":
        assert cells[2] == "no such precision here"
        assert set(best) == {"highest"}
    config.precisions = ("fast",)
    with pytest.raises(InputError, match=r"config.precisions"):
        accelerator.run(config)


def test_a_fault_that_is_not_of_memory_is_not_hidden(config, monkeypatch):
    def broken():
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    monkeypatch.setattr(accelerator, "_rows", lambda _: iter([Work("a", broken)]))
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        accelerator.run(config)


def test_limits_and_hypotheses_of_each_precision(config, tiny_arrays):
    assert [w.precision for w in limits(config)] == [*PRECISIONS, "highest"]
    single = {
        name: a if a.dtype.kind == "i" else a.astype("float32")
        for name, a in tiny_arrays.items()
    }
    subject = make_subject(FLOW, flow_weights(), BodyArrays(**single))
    exact, rough = flow_rows(config, subject)
    assert exact.error is None
    assert rough.amount == 4
    assert rough.flops > 0
    assert 0.0 <= rough.error() < 0.1


@pytest.mark.slow
def test_the_script_measures_every_row(tmp_path):
    """Runs the script at tiny sizes, with the training cut after two minutes."""
    done = subprocess.run(
        [
            ROOT / "tools" / "benchmark_accelerator.sh", "cuda", tmp_path / "out",
            "--config.precisions=('highest','BF16_BF16_F32')", "--config.product=64",
            "--config.copied_mb=1", "--config.hypotheses=(16,)", "--config.fits=(2,)",
            "--config.joint_fits=(1,)", "--config.views=2", "--config.bodies=(4,)",
            "--config.rounds=1", "--config.model.encoder=resnet18",
            "--config.model.context_features=512", "--config.model.input_size=64",
            "--config.image_batch=2", "--config.detector_batch=1",
        ],
        env={**os.environ, "PROHMR_PYTHON": sys.executable, "JAX_PLATFORMS": "cpu",
             "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    report = (tmp_path / "out" / "accelerator.md").read_text()
    assert len(rows_of(report)) == 2 + 12
    assert "Left out" not in report
    assert "people/s" in (tmp_path / "out" / "training.log").read_text()
