"""Runs a training: takes its steps over all devices, saves, logs and evaluates.

The modes that train call `run`; the loop knows nothing of what is trained. A step is a
pure function of state and inputs that `jax.pmap` maps over the axis `AXIS`, which spans
all devices of all hosts. Inputs come from an iterator, with a leading axis of this
host's devices. State and position in the data are saved together, so that a run that
was killed goes on as if it had not been.
"""

import dataclasses
import logging
import pathlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from flax import jax_utils
from jax.experimental import multihost_utils
from tensorboardX import SummaryWriter

from prohmr_jax.errors import InputError
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.train_state import StepMetrics, TrainState
from prohmr_jax.weights.model_kinds import Spec
from prohmr_jax.weights.weight_files import save_weights

AXIS = "data"
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """Holds the length of a run and the intervals of what it does besides steps."""

    num_steps: int
    """Number of steps of the run."""
    batch_size: int
    """Number of people of one step, on all hosts together."""
    log_every: int
    """Number of steps between two reports."""
    checkpoint_every: int
    """Number of steps between two saved states."""
    evaluate_every: int = 0
    """Number of steps between two evaluations; 0 evaluates at the end alone."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Holds the result of an evaluation during training."""

    scalars: dict[str, float]
    """Name -> value, for TensorBoard and the log."""
    pictures: dict[str, np.ndarray]
    """Name -> picture, [H, W, 3], uint8, RGB, for TensorBoard."""


def people_per_device(batch_size: int) -> int:
    """Returns how many of a step's people each device gets.

    Args:
      batch_size: number of people of one step, on all hosts together.

    Raises:
      InputError: the devices cannot share them evenly.
    """
    devices = jax.device_count()
    if batch_size % devices:
        raise InputError(
            "config.batch_size", f"{batch_size} people on {devices} devices"
        )
    return batch_size // devices


def shard(batch: Any) -> Any:
    """Returns a batch of this host, any pytree, with a leading axis of its devices."""
    devices = jax.local_device_count()
    return jax.tree.map(lambda a: a.reshape(devices, -1, *a.shape[1:]), batch)


def replicate(tree: Any) -> Any:
    """Returns a tree with a leading axis of this host's devices, a copy on each.

    The arrays are placed as a step over devices returns its state. The sharding is part
    of what a step is compiled for; were it another, or of another name, the step would
    be traced and compiled again for the state that it returns.
    """
    return jax_utils.replicate(tree, axis_name=AXIS)


def over_devices(
    step_function: Callable[[TrainState, Any], tuple[TrainState, StepMetrics]],
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
    """Returns a step that all devices take together, mapped over `AXIS`.

    Args:
      step_function: pure function of state and inputs. Both get a leading axis of this
        host's devices; the memory of the state is donated.
    """
    return jax.pmap(step_function, axis_name=AXIS, donate_argnums=0)


def first_copy(tree: Any) -> Any:
    """Returns the first device's copy of a tree that every device has a copy of."""
    return jax.tree.map(lambda a: a.addressable_data(0)[0], tree)


def run_training(
    spec: Spec,
    state: TrainState,
    step_function: Callable[[TrainState, Any], tuple[TrainState, StepMetrics]],
    inputs: Iterator[Any],
    settings: LoopSettings,
    checkpoints: StateCheckpoints,
    evaluate: Callable[[TrainState], Evaluation] | None = None,
) -> pathlib.Path:
    """Trains until `num_steps`, or until a signal, and resumes what was saved.

    Args:
      spec: describes the model.
      state: state before the first step of a new run.
      step_function: step as `train_state.make_train_step` returns it for the axis
        `AXIS`.
      inputs: yields the inputs of one step after another, with a leading axis of this
        host's devices.
      settings: length and intervals of the run.
      checkpoints: states of the run's directory. Where the position in the data is
        saved too, it has been given the iterator.
      evaluate: evaluates a state; called every `evaluate_every` steps and at the end.

    Returns:
      The path of the weights file, which is written at the end and when stopped.

    Raises:
      InputError: a checkpoint cannot be written; what was saved before is untouched.
    """
    state = checkpoints.restore(state)
    step = int(state.step)
    number = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    _LOG.info("%d parameters, %s, from step %d", number, dataclasses.asdict(spec), step)
    train_step = over_devices(step_function)
    state = replicate(state)
    progress = Progress(settings, checkpoints.directory)
    on_cpu = jax.default_backend() == "cpu"
    with stop_signal() as stop_asked:
        stopped = False
        while step < settings.num_steps and not stopped:
            state, metrics = train_step(state, next(inputs))
            step += 1
            if on_cpu:  # Queued steps of several CPU devices block one another.
                jax.block_until_ready(metrics)
            stopped = stop_asked(step)
            last = step == settings.num_steps
            if step % settings.log_every == 0 or last:
                progress.report(step, *first_copy((metrics, state.skipped)))
            if step % settings.checkpoint_every == 0 or last or stopped:
                checkpoints.save(jax.device_get(first_copy(state)))
            due = settings.evaluate_every and step % settings.evaluate_every == 0
            if evaluate is not None and (due or last):
                start = time.monotonic()
                evaluation = evaluate(first_copy(state))
                progress.show(step, evaluation, time.monotonic() - start)
    checkpoints.close()
    progress.close()
    weights = checkpoints.directory / "weights.npz"
    if jax.process_index() == 0:
        variables = jax.device_get(first_copy(state)).variables
        save_weights(weights, spec, variables, body=checkpoints.body)
    _LOG.info("step %d of %d; wrote %s", step, settings.num_steps, weights)
    return weights


@contextmanager
def stop_signal() -> Iterator[Callable[[int], bool]]:
    """Yields a function of the step that tells whether the run has to stop after it.

    SIGTERM and SIGINT ask a run to stop. Several hosts all stop after the same step,
    whichever of them was asked.
    """
    if jax.process_count() > 1:
        # JAX's own handler stays in place: it lets the hosts agree on a step.
        yield multihost_utils.reached_preemption_sync_point
        return
    received: list[int] = []
    stop_signals = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(n, lambda s, _: received.append(s)) for n in stop_signals]
    try:
        yield lambda step: bool(received)
    finally:
        for number, handler in zip(stop_signals, former, strict=True):
            signal.signal(number, handler)


class Progress:
    """Writes scalars and pictures to TensorBoard, and lines of text to the log."""

    def __init__(self, settings: LoopSettings, directory: pathlib.Path):
        """Opens the event file; of several hosts only the first one writes.

        Args:
          settings: length and intervals of the run.
          directory: training directory, in which TensorBoard finds the events.
        """
        self._settings = settings
        is_writer = jax.process_index() == 0
        self._writer = SummaryWriter(str(directory)) if is_writer else None
        # Step and time of the last report, and seconds of evaluations since then.
        self._last_report: tuple[int, float] | None = None
        self._evaluation_seconds = 0.0

    def report(self, step: int, metrics: StepMetrics, skipped: jax.Array) -> None:
        """Writes the metrics of a step, with the rate since the last report.

        It waits for the device.

        Args:
          step: number of the step.
          metrics: what the step has reported.
          skipped: number of steps that were left out so far.
        """
        metrics, skipped = jax.device_get((metrics, skipped))
        scalars = {**flatten(metrics), "skipped": skipped}
        now = time.monotonic()
        rate = ""
        if self._last_report is not None:
            last_step, last_time = self._last_report
            spent = now - last_time - self._evaluation_seconds
            seconds = spent / (step - last_step)
            left = seconds * (self._settings.num_steps - step)
            people = self._settings.batch_size / seconds
            scalars["people_per_second"] = people
            rate = (
                f"  {1e3 * seconds:.0f} ms/step  {people:.0f} people/s"
                f"  {left / 60:.0f} min left"
            )
        self._last_report, self._evaluation_seconds = (step, now), 0.0
        if self._writer is None:
            return
        for name, value in scalars.items():
            self._writer.add_scalar(name, float(value), step)
        shown = "  ".join(
            f"{name.rpartition('/')[2]} {float(value):.3g}"
            for name, value in scalars.items()
            if value != 0 and name != "people_per_second"
        )
        _LOG.info("step %d/%d  %s%s", step, self._settings.num_steps, shown, rate)

    def show(self, step: int, evaluation: Evaluation, seconds: float) -> None:
        """Writes the scalars and the pictures of an evaluation.

        Args:
          step: number of the step after which the model was evaluated.
          evaluation: the result.
          seconds: how long it took, which does not count as time of the steps.
        """
        self._evaluation_seconds += seconds
        if self._writer is not None:
            for name, value in evaluation.scalars.items():
                self._writer.add_scalar(name, value, step)
            for name, picture in evaluation.pictures.items():
                self._writer.add_image(name, picture, step, dataformats="HWC")
            scalars = evaluation.scalars.items()
            shown = "  ".join(f"{name} {value:.1f}" for name, value in scalars)
            _LOG.info("step %d  %s", step, shown)

    def close(self) -> None:
        """Writes what is still buffered, and closes the event file."""
        if self._writer is not None:
            self._writer.close()


def flatten(metrics: StepMetrics) -> dict[str, Any]:
    """Returns the scalars of a step's metrics by name, nested ones as `outer/inner`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(metrics)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }
