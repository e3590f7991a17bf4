"""How parameters are updated: AdamW, its schedule, clipping, accumulation."""

import dataclasses
from typing import Literal

import optax


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Of AdamW; the defaults are the official ones (constant rate, no clipping)."""

    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    """On every parameter, biases and batch norms included, as officially."""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    final_learning_rate_ratio: float = 0.0
    """Where the cosine ends."""
    max_gradient_norm: float = 0.0
    """Gradients longer than this are scaled down to it; 0: never."""
    accumulate_steps: int = 1
    """Steps whose mean gradient makes one update."""

    def __post_init__(self):
        """Refuses a schedule that there is not."""
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule {self.schedule!r}: 'constant' or 'cosine'")


def make_optimizer(
    settings: OptimizerSettings, num_steps: int
) -> optax.GradientTransformation:
    """Returns AdamW; its schedule counts updates, not steps."""
    updates = max(num_steps // settings.accumulate_steps, 1)
    if settings.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=settings.learning_rate,
            warmup_steps=settings.warmup_steps,
            decay_steps=updates,
            end_value=settings.learning_rate * settings.final_learning_rate_ratio,
        )
    else:
        rate = optax.warmup_constant_schedule(
            0.0, settings.learning_rate, settings.warmup_steps
        )
    optimizer = optax.adamw(rate, weight_decay=settings.weight_decay)
    if settings.max_gradient_norm:
        clip = optax.clip_by_global_norm(settings.max_gradient_norm)
        optimizer = optax.chain(clip, optimizer)
    if settings.accumulate_steps > 1:
        multi = optax.MultiSteps(optimizer, settings.accumulate_steps)
        optimizer = multi.gradient_transformation()
    return optimizer
