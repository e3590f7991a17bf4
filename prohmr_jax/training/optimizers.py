"""Makes the optimizer of a training: AdamW or Muon, schedule, clipping, accumulation.

The modes that train call `make_optimizer`.
"""

import dataclasses
from typing import Any, Literal

import jax
import optax
from optax.contrib import MuonDimensionNumbers

from prohmr_jax.errors import InputError

# Updates of Muon are as long as those of AdamW usually are (Liu et al., 2025).
_MUON_RMS = 0.2
_MUON_ITERATIONS = 4


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Holds how parameters are updated.

    The defaults are those of the official code: AdamW at a constant rate, no clipping.
    """

    learning_rate: float = 1e-4
    """Learning rate of AdamW."""
    muon_learning_rate: float = 0.0
    """Learning rate of the encoder's kernels, which Muon updates (Jordan et al., 2024);
    0 leaves everything to AdamW. With Muon a ResNet from scratch needs half as many
    examples, at a fixed cost per step that large batches repay."""
    encoder_rate_ratio: float = 1.0
    """Learning rates of the encoder over those of the rest; below 1 where the encoder
    starts from trained weights and the rest from random ones."""
    weight_decay: float = 1e-4
    """Decay of every parameter, biases and batch norms included, as officially."""
    schedule: Literal["constant", "cosine"] = "constant"
    """How the learning rate changes after the warm-up."""
    warmup_steps: int = 0
    """Number of updates in which the learning rate rises from 0."""
    final_learning_rate_ratio: float = 0.0
    """Learning rate at the end of the cosine, over the largest."""
    max_gradient_norm: float = 0.0
    """Largest norm of a gradient; longer ones are scaled down to it. 0 never does."""
    accumulate_steps: int = 1
    """Number of steps whose mean gradient makes one update."""

    def __post_init__(self):
        """Refuses an unknown schedule with a `ValueError`."""
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule {self.schedule!r}: 'constant' or 'cosine'")


def make_optimizer(
    settings: OptimizerSettings, num_steps: int
) -> optax.GradientTransformation:
    """Returns the optimizer; its schedules count updates, not steps.

    Args:
      settings: how parameters are updated.
      num_steps: number of steps of the run, which the cosine spans.

    Raises:
      InputError: the warm-up is as long as the run, which leaves nothing for the
        cosine; or fewer than one step makes an update.
    """
    if settings.accumulate_steps < 1:
        raise InputError("accumulate_steps", f"{settings.accumulate_steps}: at least 1")
    updates = max(num_steps // settings.accumulate_steps, 1)
    if settings.schedule == "cosine" and settings.warmup_steps >= updates:
        what = f"{settings.warmup_steps} are not fewer than the run's {updates} updates"
        raise InputError("warmup_steps", what)
    rate = _schedule(settings, settings.learning_rate, updates)
    if settings.muon_learning_rate:
        optimizer = optax.contrib.muon(
            _schedule(settings, settings.muon_learning_rate, updates),
            ns_steps=_MUON_ITERATIONS,
            weight_decay=settings.weight_decay,
            adam_weight_decay=settings.weight_decay,
            adam_learning_rate=rate,
            muon_weight_dimension_numbers=_encoder_kernels,
            consistent_rms=_MUON_RMS,
        )
    else:
        optimizer = optax.adamw(rate, weight_decay=settings.weight_decay)
    if settings.encoder_rate_ratio != 1.0:
        slower = optax.masked(optax.scale(settings.encoder_rate_ratio), _is_encoder)
        optimizer = optax.chain(optimizer, slower)
    if settings.max_gradient_norm:
        clip = optax.clip_by_global_norm(settings.max_gradient_norm)
        optimizer = optax.chain(clip, optimizer)
    if settings.accumulate_steps > 1:
        optimizer = _accumulated(optimizer, settings.accumulate_steps)
    return optimizer


def _accumulated(
    optimizer: optax.GradientTransformation, steps: int
) -> optax.GradientTransformation:
    """Returns an optimizer that makes one update of the mean gradient of some steps.

    `optax.MultiSteps` would compute the update at every step, and throw most away.
    """
    return optax.chain(
        optax.apply_every(steps),
        optax.scale(1.0 / steps),
        optax.conditionally_mask(optimizer, lambda step: step % steps == steps - 1),
    )


def _schedule(settings: OptimizerSettings, peak: float, updates: int) -> optax.Schedule:
    if settings.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=peak,
            warmup_steps=settings.warmup_steps,
            decay_steps=updates,
            end_value=peak * settings.final_learning_rate_ratio,
        )
    if settings.warmup_steps == 0:
        # Without a warm-up, optax's schedule for it stays at its start.
        return optax.constant_schedule(peak)
    return optax.warmup_constant_schedule(0.0, peak, settings.warmup_steps)


def _is_encoder(params: Any) -> Any:
    """Returns a tree that says which parameters are the encoder's."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path[0].key == "encoder", params
    )


def _encoder_kernels(params: Any) -> Any:
    """Returns the axes of the encoder's kernels as matrices, and None for the rest."""

    def matrix(path: tuple, value: jax.Array) -> MuonDimensionNumbers | None:
        first, last = path[0].key, path[-1].key
        if first != "encoder" or last != "kernel":
            return None
        *inputs, outputs = range(value.ndim)
        return MuonDimensionNumbers(tuple(inputs), outputs)

    return jax.tree_util.tree_map_with_path(matrix, params)
