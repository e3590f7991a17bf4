"""A training step in a process of its own, on as many CPU devices as asked for.

The number of devices is fixed once a process has computed something. Several of them
can be kept at once and take their steps in turn, to be measured side by side.
"""

import contextlib
import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import jax
from flax import jax_utils

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
from prohmr_jax.training.loop import AXIS, first_copy, over_devices, shard
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer
from prohmr_jax.training.train_state import StepMetrics


@dataclasses.dataclass(frozen=True)
class StepPlan:
    """All that a process needs to build a step; it can be sent to another one."""

    model: ProHMR
    """Over the mapped axis `AXIS`."""
    objective: Objective
    body: str
    """A body file, or "open"."""
    batch: ImageTrainingBatch
    """NumPy; of all devices together."""


def build(plan: StepPlan):
    """Returns the step over all devices, its state and its inputs."""
    optimizer = make_optimizer(OptimizerSettings(), 1)
    variables = init_variables(plan.model, jax.random.key(0))
    state, step = make_training(
        plan.model, variables, plan.objective, (optimizer, optimizer),
        seed=0, axis_name=AXIS,
    )  # fmt: skip
    inputs = shard(plan.batch), jax_utils.replicate(read_body(plan.body))
    return over_devices(step), jax_utils.replicate(state), inputs


def stepper(plan: StepPlan) -> Callable[[], StepMetrics]:
    """Returns a function that takes the next step of a run."""
    step, state, inputs = build(plan)

    def take() -> StepMetrics:
        nonlocal state
        state, metrics = step(state, inputs)
        return metrics

    return take


def measure_costs(plan: StepPlan) -> tuple[CompiledCosts, ExchangedBytes]:
    """Returns what the compiled step costs, and the least that it has to exchange."""
    step, state, inputs = build(plan)
    compiled = step.lower(state, inputs).compile()
    return compiled_costs(compiled), least_exchange(first_copy(state))


@contextlib.contextmanager
def forced_devices(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yields a process that sees so many devices, which share this machine's cores."""
    cache = jax.config.jax_compilation_cache_dir
    # A forked process would share this one's device.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, _see_devices, (count, cache)) as process:
        yield process


def devices_environment(count: int, flags: str = "") -> dict[str, str]:
    """Returns the environment in which JAX's CPU is so many devices.

    Args:
      count: of devices.
      flags: other XLA flags.
    """
    flag = f"--xla_force_host_platform_device_count={count}"
    # XLA's pool has as many threads as there are devices. In a collective all but the
    # last device's wait, and work that this one gives to the pool may never be done.
    threads = str(2 * count)
    return {"XLA_FLAGS": f"{flags} {flag}".strip(), "NPROC": threads}


def _see_devices(count: int, cache: str | None) -> None:
    os.environ.update(devices_environment(count, os.environ.get("XLA_FLAGS", "")))
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", cache)


# The step of this process, between the calls of another one.
_steppers: list[Callable[[], StepMetrics]] = []


def prepare_steps(plan: StepPlan) -> None:
    """Builds the step that `take_step` takes."""
    _steppers[:] = [stepper(plan)]


def take_step() -> float:
    """Takes a step, waits for its end and returns its loss."""
    return float(_steppers[0]().loss[0])
