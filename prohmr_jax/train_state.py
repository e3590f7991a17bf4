"""What a training run carries from step to step, and how a step changes it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.structs import LossTerms


@struct.dataclass
class TrainState:
    """All that a checkpoint must hold; randomness is a function of seed and step."""

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    mean_params: Any
    opt_state: Any
    average_params: Any
    """Exponential average of `params`: what is evaluated and shipped."""
    skipped: Int[Array, ""]
    """Steps whose gradient was not finite and changed nothing."""

    @property
    def variables(self) -> dict:
        """The weights to evaluate: averaged parameters and their statistics."""
        return {
            "params": self.average_params,
            "batch_stats": self.batch_stats,
            "mean_params": self.mean_params,
        }


@struct.dataclass
class StepMetrics:
    """What a step reports; scalars."""

    loss: Float[Array, ""]
    terms: LossTerms
    gradient_norm: Float[Array, ""]


# (params, state, key, inputs) -> (loss, (terms, batch_stats))
LossFunction = Callable[..., tuple[jax.Array, tuple[LossTerms, Any]]]


def create_train_state(
    variables: dict, optimizer: optax.GradientTransformation
) -> TrainState:
    """Returns the state before the first step."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        mean_params=variables.get("mean_params", {}),
        opt_state=optimizer.init(params),
        # A copy: the step donates its state, and a buffer is donated once.
        average_params=jax.tree.map(jnp.copy, params),
        skipped=jnp.zeros((), jnp.int32),
    )


def make_train_step(
    loss_function: LossFunction,
    optimizer: optax.GradientTransformation,
    seed: int,
    average_decay: float,
    axis_name: str | None = None,
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
    """Returns the pure function of one training step.

    Args:
      loss_function: see `LossFunction`; its key depends on seed and step alone.
      optimizer: of all parameters.
      seed: of the run.
      average_decay: of the parameter average; lower in the first steps.
      axis_name: mapped axis over which gradients and metrics are averaged.
    """

    def train_step(state: TrainState, inputs: Any) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        gradient = jax.value_and_grad(loss_function, has_aux=True)
        (loss, (terms, batch_stats)), grads = gradient(state.params, state, key, inputs)
        if axis_name is not None:
            loss, terms, grads = jax.lax.pmean((loss, terms, grads), axis_name)
        norm = optax.tree.norm(grads)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(average_decay, (1.0 + state.step) / (10.0 + state.step))
        average = optax.incremental_update(params, state.average_params, 1.0 - decay)
        proposed = state.replace(
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            average_params=average,
        )
        # One bad step must not poison the run: it is counted and left out.
        finite = jnp.isfinite(norm) & jnp.isfinite(loss)
        state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed,
                             state)  # fmt: skip
        state = state.replace(
            step=state.step + 1, skipped=state.skipped + (1 - finite.astype(jnp.int32))
        )
        return state, StepMetrics(loss=loss, terms=terms, gradient_norm=norm)

    return train_step
