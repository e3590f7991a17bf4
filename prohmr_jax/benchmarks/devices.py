"""Runs training steps in processes of their own, which see a given number of devices.

JAX fixes the number of devices of a process at its first computation. The benchmark of
training keeps several such processes and lets them take their steps in turn.
"""

import contextlib
import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import jax

from prohmr_jax.benchmarks.step_costs import (
    CompiledCosts,
    ExchangedBytes,
    compiled_costs,
    least_exchange,
)
from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.spec import init_variables
from prohmr_jax.structs import ImageTrainingBatch
from prohmr_jax.training.image_model import make_training
from prohmr_jax.training.loop import (
    AXIS,
    first_copy,
    over_devices,
    replicate,
    shard,
)
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer
from prohmr_jax.training.train_state import StepMetrics


@dataclasses.dataclass(frozen=True)
class StepPlan:
    """Holds everything that builds a training step; it can be sent to a process."""

    model: ProHMR
    """Model whose batch norms reduce over the mapped axis `AXIS`."""
    objective: Objective
    """Objective of the training."""
    body: str
    """Path of a body file, or "open"."""
    batch: ImageTrainingBatch
    """Batch of all devices together, NumPy."""


def build(plan: StepPlan) -> tuple[Callable, Any, Any]:
    """Returns the step over all devices of this process, its state and its inputs."""
    optimizer = make_optimizer(OptimizerSettings(), 1)
    variables = init_variables(plan.model, jax.random.key(0))
    state, step = make_training(
        plan.model, variables, plan.objective, (optimizer, optimizer),
        seed=0, axis_name=AXIS,
    )  # fmt: skip
    inputs = shard(plan.batch), replicate(read_body(plan.body))
    return over_devices(step), replicate(state), inputs


def stepper(plan: StepPlan) -> Callable[[], StepMetrics]:
    """Returns a function that takes the next training step and returns its metrics."""
    step, state, inputs = build(plan)

    def take() -> StepMetrics:
        nonlocal state
        state, metrics = step(state, inputs)
        return metrics

    return take


def measure_costs(plan: StepPlan) -> tuple[CompiledCosts, ExchangedBytes]:
    """Returns the costs of the compiled step, and the least that it must exchange."""
    step, state, inputs = build(plan)
    compiled = step.lower(state, inputs).compile()
    return compiled_costs(compiled), least_exchange(first_copy(state))


@contextlib.contextmanager
def forced_devices(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yields a process that sees several CPU devices, which share the machine's cores.

    Args:
      count: number of devices.
    """
    cache = jax.config.jax_compilation_cache_dir
    # A forked process would inherit this one's device.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, _see_devices, (count, cache)) as process:
        yield process


def devices_environment(count: int, flags: str = "") -> dict[str, str]:
    """Returns environment variables with which JAX sees several CPU devices.

    Args:
      count: number of devices.
      flags: other XLA flags.
    """
    flag = f"--xla_force_host_platform_device_count={count}"
    # By default XLA's pool has one thread for each device. In a collective all devices
    # but the last one wait in their threads; work that the last one gives to the pool
    # would then never run. Twice as many threads prevent this.
    threads = str(2 * count)
    return {"XLA_FLAGS": f"{flags} {flag}".strip(), "NPROC": threads}


def _see_devices(count: int, cache: str | None) -> None:
    os.environ.update(devices_environment(count, os.environ.get("XLA_FLAGS", "")))
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", cache)


# The step that this process keeps between calls from the benchmark's process.
_steppers: list[Callable[[], StepMetrics]] = []


def prepare_steps(plan: StepPlan) -> None:
    """Builds the training step that `take_step` takes, in this process."""
    _steppers[:] = [stepper(plan)]


def take_step() -> float:
    """Takes a step, waits for its end and returns its loss."""
    return float(_steppers[0]().loss[0])
