"""The loop around the one train step: devices, time, checkpoints, logs, signals.

It knows nothing of what is trained. A step is a pure function of state and inputs that
`jax.pmap` spreads over the axis `AXIS`, of all devices of all hosts; inputs come from
an iterator, with a leading axis of this host's devices. `step` and the position in the
data are saved together, so that a run that was killed goes on as if it had not been.
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
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.train_state import StepMetrics, TrainState
from prohmr_jax.weights.weight_files import save_weights

AXIS = "data"
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """When the loop does what; all in steps."""

    num_steps: int
    batch_size: int
    """People of one step, on all hosts together."""
    log_every: int
    checkpoint_every: int
    evaluate_every: int = 0
    """0: never."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is found of a model during training."""

    scalars: dict[str, float]
    pictures: dict[str, np.ndarray]
    """Name -> [H, W, 3] uint8."""


def shares_of(batch_size: int) -> int:
    """Returns how many of a step's people each device gets.

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
    """Returns this host's batch with a leading axis of its devices."""
    devices = jax.local_device_count()
    return jax.tree.map(lambda a: a.reshape(devices, -1, *a.shape[1:]), batch)


def over_devices(
    step_function: Callable[[TrainState, Any], tuple[TrainState, StepMetrics]],
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
    """Returns the step of all devices together; it donates the replicated state."""
    return jax.pmap(step_function, axis_name=AXIS, donate_argnums=0)


def first_copy(tree: Any) -> Any:
    """Returns, once, what every device has a copy of."""
    return jax.tree.map(lambda a: a.addressable_data(0)[0], tree)


def run_training(
    spec: ModelSpec,
    state: TrainState,
    step_function: Callable[[TrainState, Any], tuple[TrainState, StepMetrics]],
    inputs: Iterator[Any],
    settings: LoopSettings,
    checkpoints: StateCheckpoints,
    evaluate: Callable[[TrainState], Evaluation] | None = None,
) -> pathlib.Path:
    """Trains until `num_steps`, or until a signal, and resumes what was saved.

    Args:
      spec: of the model.
      state: where a new run starts.
      step_function: pure; see `train_state.make_train_step`, over the axis `AXIS`.
      inputs: of one step after another, leading axis of this host's devices.
      settings: see there.
      checkpoints: of the run's directory; where the data's position is kept too, it
        has the iterator.
      evaluate: called every `evaluate_every` steps and at the end.

    Returns:
      The weights file, written at the end and when stopped.

    Raises:
      InputError: a checkpoint cannot be written; what was saved before is untouched.
    """
    state = checkpoints.restore(state)
    step = int(state.step)
    number = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    _LOG.info("%d parameters, %s, from step %d", number, dataclasses.asdict(spec), step)
    train_step = over_devices(step_function)
    state = jax_utils.replicate(state)
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
                progress.report(step, first_copy((metrics, state.skipped)))
            if step % settings.checkpoint_every == 0 or last or stopped:
                checkpoints.save(jax.device_get(first_copy(state)))
            due = settings.evaluate_every and step % settings.evaluate_every == 0
            if evaluate is not None and (due or last):
                progress.show(step, evaluate(first_copy(state)))
    checkpoints.close()
    progress.close()
    weights = checkpoints.directory / "weights.npz"
    if jax.process_index() == 0:
        save_weights(weights, spec, jax.device_get(first_copy(state)).variables)
    _LOG.info("step %d of %d; wrote %s", step, settings.num_steps, weights)
    return weights


@contextmanager
def stop_signal() -> Iterator[Callable[[int], bool]]:
    """Yields a function of the step: whether SIGTERM or SIGINT has asked to stop.

    Of several hosts, all stop after the same step, whichever was asked.
    """
    if jax.process_count() > 1:
        # JAX's own handler stays in place: it lets the hosts agree on a step.
        yield multihost_utils.reached_preemption_sync_point
        return
    received: list[int] = []
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(n, lambda s, _: received.append(s)) for n in names]
    try:
        yield lambda step: bool(received)
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


class Progress:
    """Scalars and pictures to TensorBoard, and a line with rate and time left."""

    def __init__(self, settings: LoopSettings, directory: pathlib.Path):
        """Starts the clock; of several hosts the first one writes."""
        self._settings = settings
        speaks = jax.process_index() == 0
        self._writer = SummaryWriter(str(directory)) if speaks else None
        self._since: tuple[int, float] | None = None
        self._aside = 0.0

    def report(self, step: int, found: tuple[StepMetrics, jax.Array]) -> None:
        """Writes one step's metrics; waits for the device."""
        metrics, skipped = jax.device_get(found)
        scalars = {**flatten(metrics), "skipped": skipped}
        now = time.monotonic()
        rate = ""
        if self._since is not None:
            spent = now - self._since[1] - self._aside
            seconds = spent / (step - self._since[0])
            left = seconds * (self._settings.num_steps - step)
            people = self._settings.batch_size / seconds
            scalars["people_per_second"] = people
            rate = (
                f"  {1e3 * seconds:.0f} ms/step  {people:.0f} people/s"
                f"  {left / 60:.0f} min left"
            )
        self._since, self._aside = (step, now), 0.0
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

    def show(self, step: int, evaluation: Evaluation) -> None:
        """Writes what an evaluation found; its time is not the steps'."""
        if self._writer is not None:
            for name, value in evaluation.scalars.items():
                self._writer.add_scalar(name, value, step)
            for name, picture in evaluation.pictures.items():
                self._writer.add_image(name, picture, step, dataformats="HWC")
            found = evaluation.scalars.items()
            shown = "  ".join(f"{name} {value:.1f}" for name, value in found)
            _LOG.info("step %d  %s", step, shown)

    def close(self) -> None:
        """Flushes TensorBoard."""
        if self._writer is not None:
            self._writer.close()


def flatten(metrics: StepMetrics) -> dict[str, Any]:
    """Returns the scalars of a step's metrics, nested ones as `outer/inner`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(metrics)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }
