"""The loop as its users meet it: killed, stopped, starved of disk, on several hosts."""

import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prohmr_jax.benchmarks.devices import devices_environment
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.loop import AXIS, LoopSettings, replicate, run_training
from prohmr_jax.training.train_state import LossAux, create_train_state, make_train_step
from tests.support.paths import ROOT


def start(directory, *arguments, devices=1):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **devices_environment(devices)}
    command = [sys.executable, "-m", "tests.programs.training_loop", str(directory)]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.splitlines()[-1].split()


def saved_steps(directory):
    states = pathlib.Path(directory) / "states"
    names = [p.name for p in states.iterdir()] if states.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())


def wait_for_a_state(directory, process, after=0):
    latest = lambda: max(saved_steps(directory), default=0)  # noqa: E731
    for _ in range(600):
        if latest() > after or process.poll() is not None:
            break
        time.sleep(0.1)
    assert latest() > after


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Step, sum and bytes of the parameters of a run that nothing disturbed."""
    return finish(start(tmp_path_factory.mktemp("whole")))


def test_run_that_is_killed_stopped_and_starved_ends_bit_for_bit_alike(tmp_path, whole):
    process = start(tmp_path, "--seconds_per_step", 0.3)
    wait_for_a_state(tmp_path, process)
    process.kill()
    process.communicate()
    killed_at = saved_steps(tmp_path)[-1]
    assert 0 < killed_at < int(whole[0])

    # Terminated, it saves where it is.
    process = start(tmp_path, "--seconds_per_step", 0.3)
    wait_for_a_state(tmp_path, process, after=killed_at)
    process.send_signal(signal.SIGTERM)
    step, *_ = finish(process)
    assert killed_at < int(step) < int(whole[0])
    assert saved_steps(tmp_path)[-1] == int(step)
    assert (tmp_path / "weights.npz").exists()

    # A full disk is one line, and loses nothing.
    process = start(tmp_path, "--file_bytes", 100)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    (line,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {tmp_path}: cannot save")
    assert "File too large" in line
    assert saved_steps(tmp_path)[-1] == int(step)

    assert finish(start(tmp_path)) == whole


def test_the_step_is_traced_once_by_a_run_and_once_by_its_continuation(tmp_path):
    traces = []

    def loss_function(params, state, key, inputs):
        traces.append(key)
        return jnp.sum(jnp.square(params["w"] - inputs)), LossAux(LossTerms(), {})

    optimizer = optax.adamw(optax.cosine_decay_schedule(0.1, 6))
    state = create_train_state({"params": {"w": jnp.zeros(3)}}, optimizer)
    for steps, expected in ((3, 1), (6, 2)):
        run_training(
            ModelSpec(),
            state,
            make_train_step(loss_function, optimizer, 0, 0.9, AXIS),
            itertools.repeat(replicate(jnp.ones(3))),
            LoopSettings(steps, 1, log_every=1, checkpoint_every=2),
            StateCheckpoints(tmp_path, ModelSpec()),
        )
        assert len(traces) == expected


@pytest.mark.parametrize("devices", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_devices_agree_with_one(tmp_path, whole, devices):
    actual = finish(start(tmp_path, devices=devices))
    assert actual[0] == whole[0]
    np.testing.assert_allclose(float(actual[1]), float(whole[1]), rtol=1e-5)


def test_two_processes_agree_with_one(tmp_path, whole):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    hosts = [
        start(tmp_path, "--hosts", f"localhost:{port},{number},2") for number in (0, 1)
    ]
    actual = finish(hosts[0])
    _, err = hosts[1].communicate(timeout=120)
    assert hosts[1].returncode == 0, err
    assert actual[0] == whole[0]
    np.testing.assert_allclose(float(actual[1]), float(whole[1]), rtol=1e-5)
