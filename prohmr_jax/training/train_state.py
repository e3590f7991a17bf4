"""What a training run carries from step to step, and how a step changes it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.structs import LossTerms, SmplParams


@struct.dataclass
class TrainState:
    """All that a checkpoint must hold; randomness is a function of seed and step."""

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    mean_params: Any
    opt_state: Any
    average_params: Any
    """Exponential average of `params`: what is evaluated; None: no average."""
    skipped: Int[Array, ""]
    """Steps with a gradient that was not finite; they changed nothing."""
    critic_params: Any = None
    """Of the discriminator; None where the objective has none."""
    critic_opt_state: Any = None

    @property
    def variables(self) -> dict:
        """The weights to evaluate: parameters, averaged if they are, and statistics."""
        averaged = self.average_params is not None
        return {
            "params": self.average_params if averaged else self.params,
            "batch_stats": self.batch_stats,
            "mean_params": self.mean_params,
        }


@struct.dataclass
class StepMetrics:
    """What a step reports; scalars."""

    loss: Float[Array, ""]
    terms: LossTerms
    gradient_norm: Float[Array, ""]
    critic_loss: Float[Array, ""] = 0.0
    """Unweighted."""


@struct.dataclass
class LossAux:
    """What a loss function tells beside the loss."""

    terms: LossTerms
    batch_stats: Any
    made: SmplParams | None = None
    """Bodies for the critic to judge, where there is one."""


# (params, state, key, inputs) -> (loss, aux)
LossFunction = Callable[..., tuple[jax.Array, LossAux]]


@dataclasses.dataclass(frozen=True)
class Critic:
    """The other player of an adversarial objective, with weights of its own."""

    loss_function: Callable[[Any, SmplParams, Any], jax.Array]
    """(critic_params, made bodies, inputs) -> loss."""
    weight: float
    """Of its loss."""
    optimizer: optax.GradientTransformation


def create_train_state(
    variables: dict,
    optimizer: optax.GradientTransformation,
    *,
    averaged: bool = True,
    critic: Critic | None = None,
    critic_params: Any = None,
) -> TrainState:
    """Returns the state before the first step.

    Args:
      variables: of the model.
      optimizer: of all its parameters.
      averaged: whether an average of the parameters is kept.
      critic: the other player, if any.
      critic_params: its weights.
    """
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        mean_params=variables.get("mean_params", {}),
        opt_state=optimizer.init(params),
        # A copy: the step donates its state, and a buffer is donated once.
        average_params=jax.tree.map(jnp.copy, params) if averaged else None,
        skipped=jnp.zeros((), jnp.int32),
        critic_params=None if critic is None else critic_params,
        critic_opt_state=None
        if critic is None
        else critic.optimizer.init(critic_params),
    )


def make_train_step(
    loss_function: LossFunction,
    optimizer: optax.GradientTransformation,
    seed: int,
    average_decay: float,
    axis_name: str | None = None,
    critic: Critic | None = None,
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
    """Returns the pure function of one training step.

    The model is updated against the critic of before; then the critic, on the bodies
    that the model of before has made.

    Args:
      loss_function: see `LossFunction`; its key depends on seed and step alone.
      optimizer: of all parameters.
      seed: of the run.
      average_decay: of the parameter average, if the state has one; lower in the
        first steps.
      axis_name: mapped axis over which gradients and metrics are averaged.
      critic: the other player, if any.
    """

    def mean(tree):
        return tree if axis_name is None else jax.lax.pmean(tree, axis_name)

    def train_step(state: TrainState, inputs: Any) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        gradient = jax.value_and_grad(loss_function, has_aux=True)
        (loss, aux), grads = gradient(state.params, state, key, inputs)
        loss, terms, grads = mean((loss, aux.terms, grads))
        params, opt_state = _updated(optimizer, grads, state.opt_state, state.params)
        proposed = state.replace(
            params=params,
            batch_stats=aux.batch_stats,
            opt_state=opt_state,
            average_params=_averaged(state, params, average_decay),
        )
        norm = optax.tree.norm(grads)
        metrics = StepMetrics(loss=loss, terms=terms, gradient_norm=norm)
        finite = jnp.isfinite(norm) & jnp.isfinite(loss)
        if critic is not None:
            proposed, critic_loss, critic_norm = play(proposed, aux.made, inputs)
            metrics = metrics.replace(critic_loss=critic_loss)
            finite &= jnp.isfinite(critic_norm)
        # One bad step must not poison the run: it is counted and left out.
        state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed,
                             state)  # fmt: skip
        state = state.replace(
            step=state.step + 1, skipped=state.skipped + (1 - finite.astype(jnp.int32))
        )
        return state, metrics

    def play(state: TrainState, made: SmplParams, inputs: Any):
        """The critic's turn: the state, its loss, and its gradient's norm."""

        def weighted(critic_params):
            loss = critic.loss_function(critic_params, made, inputs)
            return critic.weight * loss, loss

        grads, loss = jax.grad(weighted, has_aux=True)(state.critic_params)
        grads, loss = mean((grads, loss))
        params, opt_state = _updated(
            critic.optimizer, grads, state.critic_opt_state, state.critic_params
        )
        state = state.replace(critic_params=params, critic_opt_state=opt_state)
        return state, loss, optax.tree.norm(grads)

    return train_step


def _updated(optimizer, grads, opt_state, params):
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _averaged(state: TrainState, params, average_decay: float):
    if state.average_params is None:
        return None
    decay = jnp.minimum(average_decay, (1.0 + state.step) / (10.0 + state.step))
    return optax.incremental_update(params, state.average_params, 1.0 - decay)
