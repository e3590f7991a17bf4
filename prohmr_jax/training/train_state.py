"""Defines the state that a training run carries along, and the step that changes it.

`loop` takes the steps; `keypoint_model`, `image_model` and `pose_flow_model` make the
loss functions.
"""

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
    """Holds all that a checkpoint must hold.

    Random numbers are not part of it: they are a function of the seed and the step.
    """

    step: Int[Array, ""]
    """Number of steps taken."""
    params: Any
    """Trained parameters of the model."""
    batch_stats: Any
    """Running statistics of the batch norms."""
    mean_params: Any
    """Constants that the head's predictions start from; they are not trained."""
    opt_state: Any
    """State of the model's optimizer."""
    average_params: Any
    """Exponential average of `params`, which is what is evaluated; None without one."""
    skipped: Int[Array, ""]
    """Number of steps whose loss or gradient was not finite; they changed nothing."""
    discriminator_params: Any = None
    """Parameters of the discriminator; None where the objective has none."""
    discriminator_opt_state: Any = None
    """State of the discriminator's optimizer; None where there is no discriminator."""

    @property
    def variables(self) -> dict:
        """Returns `{params, batch_stats, mean_params}` of the model to evaluate.

        The parameters are the averaged ones, where there is an average.
        """
        averaged = self.average_params is not None
        return {
            "params": self.average_params if averaged else self.params,
            "batch_stats": self.batch_stats,
            "mean_params": self.mean_params,
        }


@struct.dataclass
class StepMetrics:
    """Holds what a step reports; every value is a scalar, a mean over all devices."""

    loss: Float[Array, ""]
    """Objective of the model."""
    terms: LossTerms
    """Unweighted terms of the objective."""
    gradient_norm: Float[Array, ""]
    """Euclidean norm of the gradient of all parameters of the model."""
    discriminator_loss: Float[Array, ""] = 0.0
    """Unweighted loss of the discriminator; 0 where there is none."""


@struct.dataclass
class LossAux:
    """Holds what a loss function returns beside the loss."""

    terms: LossTerms
    """Unweighted terms of the loss."""
    batch_stats: Any
    """Running statistics of the batch norms after this batch."""
    predicted_bodies: SmplParams | None = None
    """Bodies for the discriminator to judge, leading axes [B, K]; None without any."""


# (params, state, key, inputs) -> (loss, LossAux)
LossFunction = Callable[..., tuple[jax.Array, LossAux]]


@dataclasses.dataclass(frozen=True)
class DiscriminatorTraining:
    """Holds how the discriminator of an adversarial objective is trained."""

    loss_function: Callable[[Any, SmplParams, Any], jax.Array]
    """Function `(discriminator_params, predicted_bodies, inputs) -> loss`."""
    weight: float
    """Factor of the loss."""
    optimizer: optax.GradientTransformation
    """Optimizer of the discriminator's parameters."""


def create_train_state(
    variables: dict,
    optimizer: optax.GradientTransformation,
    *,
    averaged: bool = True,
    discriminator: DiscriminatorTraining | None = None,
    discriminator_params: Any = None,
) -> TrainState:
    """Returns the state before the first step.

    Args:
      variables: `{params, batch_stats, mean_params}` of the model; all but `params` may
        be missing.
      optimizer: optimizer of all parameters of the model.
      averaged: whether an average of the parameters is kept.
      discriminator: how the discriminator is trained; None where there is none.
      discriminator_params: parameters of the discriminator.
    """
    params = variables["params"]
    with_discriminator = {}
    if discriminator is not None:
        with_discriminator = {
            "discriminator_params": discriminator_params,
            "discriminator_opt_state": discriminator.optimizer.init(
                discriminator_params
            ),
        }
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        mean_params=variables.get("mean_params", {}),
        opt_state=optimizer.init(params),
        # A copy: the step donates its state, and a buffer is donated once.
        average_params=jax.tree.map(jnp.copy, params) if averaged else None,
        skipped=jnp.zeros((), jnp.int32),
        **with_discriminator,
    )


def make_train_step(
    loss_function: LossFunction,
    optimizer: optax.GradientTransformation,
    seed: int,
    average_decay: float,
    axis_name: str | None = None,
    discriminator: DiscriminatorTraining | None = None,
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
    """Returns one training step as a pure function of state and inputs.

    The model is updated against the discriminator as it was before the step; then the
    discriminator is updated on the bodies that the model predicted before the step.

    Args:
      loss_function: loss of the model; the key that it is given depends on the seed and
        the number of the step alone.
      optimizer: optimizer of all parameters of the model.
      seed: seed of all random numbers of the run.
      average_decay: decay of the parameters' average per step, where the state has one;
        it is lower in the first steps.
      axis_name: name of the mapped axis over which gradients and metrics are averaged;
        None on one device.
      discriminator: how the discriminator is trained; None where there is none.
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
        if discriminator is not None:
            proposed, discriminator_loss, discriminator_norm = update_discriminator(
                proposed, aux.predicted_bodies, inputs
            )
            metrics = metrics.replace(discriminator_loss=discriminator_loss)
            finite &= jnp.isfinite(discriminator_norm)
        # One bad step must not poison the run: it is counted and left out.
        state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed,
                             state)  # fmt: skip
        state = state.replace(
            step=state.step + 1, skipped=state.skipped + (1 - finite.astype(jnp.int32))
        )
        return state, metrics

    def update_discriminator(state: TrainState, predicted: SmplParams, inputs: Any):
        """Returns the state, the discriminator's loss and its gradient's norm."""

        def weighted(discriminator_params):
            loss = discriminator.loss_function(discriminator_params, predicted, inputs)
            return discriminator.weight * loss, loss

        grads, loss = jax.grad(weighted, has_aux=True)(state.discriminator_params)
        grads, loss = mean((grads, loss))
        params, opt_state = _updated(
            discriminator.optimizer,
            grads,
            state.discriminator_opt_state,
            state.discriminator_params,
        )
        state = state.replace(
            discriminator_params=params, discriminator_opt_state=opt_state
        )
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
