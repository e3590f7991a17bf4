"""Training of the image-conditioned ProHMR: photos to bodies, as in the paper."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from prohmr_jax.body import BodyModel
from prohmr_jax.models import image_input as pixels
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.structs import ImageBatch, ImageTrainingBatch
from prohmr_jax.training.objective import (
    Labels,
    Objective,
    discriminator_loss,
    init_critic,
    make_objective,
    whitened_variables,
)
from prohmr_jax.training.train_state import (
    Critic,
    TrainState,
    create_train_state,
    make_train_step,
)

# What every step reads.
RecoveryInputs = tuple[ImageTrainingBatch, BodyModel]


def encoder_input(images: ImageBatch):
    """Returns what the encoder reads; made on the device, from bytes."""
    return pixels.normalize(images.image, images.color_scale)


def labels_of(images: ImageBatch) -> Labels:
    """Returns what is known of the people of a batch."""
    return Labels(
        keypoints_2d=images.keypoints_2d,
        mode_confidence_2d=images.keypoints_2d.confidence,
        keypoints_3d=images.keypoints_3d,
        smpl=images.smpl,
        has_pose=images.has_pose,
        has_betas=images.has_betas,
    )


def make_loss_function(
    model: ProHMR, objective: Objective, axis_name: str | None = None
) -> Callable:
    """Returns the loss of one step on photos; see `train_state.LossFunction`.

    Args:
      model: the module.
      objective: weights; the adversarial one counts where the state has a critic.
      axis_name: mapped axis over devices, if any.
    """
    value = make_objective(model, objective, axis_name)

    def loss_function(params, state, key, inputs: RecoveryInputs):
        batch, body = inputs
        images = batch.images
        return value(params, state, key, encoder_input(images), labels_of(images), body)

    return loss_function


def make_critic(
    objective: Objective, optimizer: optax.GradientTransformation
) -> Critic:
    """Returns the discriminator's side: its loss on captured and on made bodies."""

    def loss_function(critic_params, made, inputs: RecoveryInputs):
        batch, _ = inputs
        return discriminator_loss(critic_params, made, batch.mocap)

    return Critic(loss_function, objective.weights.adversarial, optimizer)


def make_training(
    model: ProHMR,
    variables: dict,
    objective: Objective,
    optimizers: tuple[optax.GradientTransformation, optax.GradientTransformation],
    *,
    seed: int,
    average_decay: float = 0.0,
    axis_name: str | None = None,
    critic_params: Any = None,
) -> tuple[TrainState, Callable]:
    """Returns the state before the first step, and the step.

    A critic plays, unless its term has no weight.

    Args:
      model: the module, with the same mapped axis.
      variables: what it starts from.
      objective: weights and noise.
      optimizers: of the model and of the critic.
      seed: of the run.
      average_decay: of the parameters' average; 0: none is kept.
      axis_name: mapped axis over devices, if any.
      critic_params: what the critic starts from; None: fresh weights.
    """
    optimizer, critic_optimizer = optimizers
    critic = None
    if objective.weights.adversarial:
        critic = make_critic(objective, critic_optimizer)
    if critic_params is None:
        critic_params = fresh_critic(model, seed)
    state = create_train_state(
        variables,
        optimizer,
        averaged=average_decay > 0,
        critic=critic,
        critic_params=critic_params,
    )
    loss_function = make_loss_function(model, objective, axis_name)
    step = make_train_step(
        loss_function, optimizer, seed, average_decay, axis_name, critic
    )
    return state, step


def fresh_critic(model: ProHMR, seed: int) -> Any:
    """Returns the discriminator's weights before the first step of a run."""
    key = jax.random.fold_in(jax.random.key(seed), 1)
    return init_critic(key, model.head.num_betas)


def whitened(model: ProHMR, variables: dict, images: ImageBatch) -> dict:
    """Returns the variables with ActNorms that whiten the first photos' true poses.

    Args:
      model: built without a mapped axis.
      variables: fresh ones.
      images: the first batch, of all devices.
    """
    return whitened_variables(
        model, variables, encoder_input(images), labels_of(images)
    )
