"""The training loop: time, input and output, checkpoints, logs around one step."""

import dataclasses
import logging
import pathlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from flax import jax_utils
from tensorboardX import SummaryWriter

from prohmr_jax.checkpoint import StateCheckpoints, save_weights
from prohmr_jax.data.poses.bank import read_pose_bank
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.lifting import (
    LiftingInputs,
    LiftingObjective,
    PairMaker,
    make_loss_function,
    whitened_variables,
)
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.pose_prior import load_pose_prior
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthesis import SynthesisSettings
from prohmr_jax.train_state import StepMetrics, create_train_state, make_train_step

AXIS = "data"
_LOG = logging.getLogger(__name__)


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """Returns AdamW with warm-up, cosine decay and clipping by the global norm."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=config.num_steps,
        end_value=config.learning_rate * config.final_learning_rate_ratio,
    )
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm),
        optax.adamw(schedule, weight_decay=config.weight_decay),
    )


def lifting_inputs(config: ml_collections.ConfigDict) -> LiftingInputs:
    """Returns body and poses that a config names.

    Raises:
      InputError: a file is missing or wrong, or no source of poses is left.
    """
    poses = None
    if config.pose_bank:
        bank = read_pose_bank(config.pose_bank)
        # Half precision, 1e-3 rad: hundreds of thousands of poses stay small.
        poses = jnp.asarray(bank.axis_angle, jnp.float16)
    needs_prior = poses is None or config.prior_fraction > 0
    prior = load_pose_prior(config.pose_prior or None) if needs_prior else None
    return LiftingInputs(body=read_body(config.body), poses=poses, prior=prior)


@contextmanager
def stop_signal() -> Iterator[list[int]]:
    """Yields a list that SIGTERM and SIGINT append to, instead of ending the run."""
    received: list[int] = []
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(n, lambda s, _: received.append(s)) for n in names]
    try:
        yield received
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Trains a keypoint-conditioned ProHMR until `num_steps`, or resumes it.

    Args:
      config: see `configs/prohmr_keypoints.py`.
      workdir: gets states, TensorBoard events and, at the end, `weights.npz`.

    Returns:
      The weights file.

    Raises:
      InputError: something that the config names cannot be used.
    """
    devices = jax.local_device_count()
    if config.batch_size % devices:
        raise InputError(
            "config.batch_size", f"{config.batch_size} people on {devices} devices"
        )
    spec = ModelSpec(**config.model)
    model = build_model(spec, AXIS)
    maker = PairMaker(
        people_per_device=config.batch_size // devices,
        prior_fraction=config.prior_fraction,
        settings=SynthesisSettings(**config.synthesis),
    )
    objective = LiftingObjective(
        weights=LossTerms(**config.loss_weights),
        num_samples=config.num_samples,
        label_noise=config.label_noise,
        unseen_weight=config.unseen_weight,
    )
    optimizer = make_optimizer(config)
    inputs = lifting_inputs(config)
    checkpoints = StateCheckpoints(workdir, spec)

    variables = init_variables(build_model(spec), jax.random.key(config.seed))
    first_key = jax.random.key(config.seed + 1)
    variables = whitened_variables(
        build_model(spec), variables, maker, first_key, inputs
    )
    state = checkpoints.restore(create_train_state(variables, optimizer))
    step = int(state.step)
    _LOG.info("%d parameters, %s, from step %d", sum(
        leaf.size for leaf in jax.tree.leaves(state.params)), dataclasses.asdict(spec),
        step)  # fmt: skip

    train_step = jax.pmap(
        make_train_step(
            make_loss_function(model, maker, objective, AXIS),
            optimizer,
            config.seed,
            config.average_decay,
            AXIS,
        ),
        axis_name=AXIS,
        donate_argnums=0,
    )
    state, inputs = jax_utils.replicate(state), jax_utils.replicate(inputs)
    progress = Progress(config.num_steps, config.batch_size, workdir)
    on_cpu = jax.default_backend() == "cpu"
    with stop_signal() as stopped:
        while step < config.num_steps and not stopped:
            state, metrics = train_step(state, inputs)
            step += 1
            if on_cpu:  # Queued steps of several CPU devices block one another.
                jax.block_until_ready(metrics)
            last = step == config.num_steps
            if step % config.log_every == 0 or last:
                progress.report(step, jax_utils.unreplicate(metrics), state.skipped[0])
            if step % config.checkpoint_every == 0 or last or stopped:
                checkpoints.save(jax.device_get(jax_utils.unreplicate(state)))
    checkpoints.close()
    progress.close()
    weights = pathlib.Path(workdir) / "weights.npz"
    save_weights(weights, spec, jax_utils.unreplicate(state).variables)
    _LOG.info("step %d of %d; wrote %s", step, config.num_steps, weights)
    return weights


class Progress:
    """Scalars to TensorBoard and a line with rate and time left."""

    def __init__(self, num_steps: int, batch_size: int, workdir: pathlib.Path):
        """Starts the clock."""
        self._num_steps, self._batch_size = num_steps, batch_size
        self._writer = SummaryWriter(str(workdir))
        self._since: tuple[int, float] | None = None

    def report(self, step: int, metrics: StepMetrics, skipped: jax.Array) -> None:
        """Writes one step's metrics; waits for the device."""
        metrics = jax.device_get(metrics)
        scalars = {
            "loss": metrics.loss,
            "gradient_norm": metrics.gradient_norm,
            "skipped": np.asarray(skipped),
            **{f"terms/{k}": v for k, v in vars(metrics.terms).items()},
        }
        now = time.monotonic()
        rate = ""
        if self._since is not None:
            seconds = (now - self._since[1]) / (step - self._since[0])
            left = seconds * (self._num_steps - step)
            scalars["people_per_second"] = self._batch_size / seconds
            rate = (
                f"  {1e3 * seconds:.0f} ms/step  {self._batch_size / seconds:.0f} "
                f"people/s  {left / 60:.0f} min left"
            )
        self._since = (step, now)
        for name, value in scalars.items():
            self._writer.add_scalar(name, float(value), step)
        terms = "  ".join(f"{k} {float(v):.3g}" for k, v in vars(metrics.terms).items())
        _LOG.info(
            "step %d/%d  loss %.3f  %s  skipped %d%s",
            step, self._num_steps, metrics.loss, terms, scalars["skipped"], rate,
        )  # fmt: skip

    def close(self) -> None:
        """Flushes TensorBoard."""
        self._writer.close()
