"""Trains the image-conditioned ProHMR on photos, as in the paper.

`modes.train_images` calls `make_training` and gives the result to `loop.run`.
"""

from collections.abc import Callable

import jax
import optax
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.models.image_input import normalize
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.structs import ImageBatch, ImageTrainingBatch
from prohmr_jax.training.adversarial import discriminator_term, init_discriminator
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.objective import (
    Examples,
    Objective,
    ObjectiveOfModel,
    make_objective,
)
from prohmr_jax.training.train_state import (
    DiscriminatorTraining,
    LossFunction,
    TrainState,
    create_train_state,
    make_train_step,
)
from prohmr_jax.training.whitening import whitened_variables

# What every step reads.
ImageTrainingInputs = tuple[ImageTrainingBatch, BodyModel]


def encoder_input(images: ImageBatch) -> Float[Array, "*b H W 3"]:
    """Returns the normalised images that the encoder is given.

    They are computed from bytes on the device, so that the host sends a quarter of the
    data.
    """
    return normalize(images.image, images.color_scale)


def labels_of(images: ImageBatch) -> Labels:
    """Returns the labels of the people of a batch."""
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
) -> LossFunction:
    """Returns the loss of one step on photos, a `train_state.LossFunction`.

    Its inputs are `ImageTrainingInputs`.

    Args:
      model: the Flax module.
      objective: weights of the terms; the adversarial one counts where the training
        state has a discriminator.
      axis_name: name of the mapped axis over devices, if any.
    """
    value = make_objective(ObjectiveOfModel(model, objective, axis_name))

    def loss_function(params, state, key, inputs: ImageTrainingInputs):
        batch, body = inputs
        images = batch.images
        examples = Examples(encoder_input(images), labels_of(images), body)
        return value(params, state, key, examples)

    return loss_function


def make_discriminator_training(
    objective: Objective, optimizer: optax.GradientTransformation
) -> DiscriminatorTraining:
    """Returns how the discriminator is trained on captured and on predicted bodies.

    Args:
      objective: holds the weight of the discriminator's loss, that of the adversarial
        term.
      optimizer: optimizer of the discriminator's parameters.
    """

    def loss_function(discriminator_params, predicted, inputs: ImageTrainingInputs):
        batch, _ = inputs
        return discriminator_term(discriminator_params, predicted, batch.mocap)

    weight = objective.weights.adversarial
    return DiscriminatorTraining(loss_function, weight, optimizer)


def make_training(
    model: ProHMR,
    variables: dict,
    objective: Objective,
    optimizers: tuple[optax.GradientTransformation, optax.GradientTransformation],
    *,
    seed: int,
    average_decay: float = 0.0,
    axis_name: str | None = None,
    discriminator_params: dict | None = None,
) -> tuple[TrainState, Callable]:
    """Returns the state before the first step, and the step.

    A discriminator is trained too, unless the adversarial term has no weight.

    Args:
      model: the Flax module, built with the same mapped axis.
      variables: `{params, batch_stats, mean_params}` that the training starts from.
      objective: weights of the terms, and noise.
      optimizers: optimizer of the model and optimizer of the discriminator.
      seed: seed of all random numbers of the run.
      average_decay: decay of the parameters' average per step; 0 keeps no average.
      axis_name: name of the mapped axis over devices, if any.
      discriminator_params: parameters that the discriminator starts from; None for
        fresh ones.

    Returns:
      The state, and the step as `train_state.make_train_step` returns it.
    """
    optimizer, discriminator_optimizer = optimizers
    discriminator = None
    if objective.weights.adversarial:
        discriminator = make_discriminator_training(objective, discriminator_optimizer)
    if discriminator_params is None:
        discriminator_params = fresh_discriminator(model, seed)
    state = create_train_state(
        variables,
        optimizer,
        averaged=average_decay > 0,
        discriminator=discriminator,
        discriminator_params=discriminator_params,
    )
    loss_function = make_loss_function(model, objective, axis_name)
    step = make_train_step(
        loss_function, optimizer, seed, average_decay, axis_name, discriminator
    )
    return state, step


def fresh_discriminator(model: ProHMR, seed: int) -> dict:
    """Returns the parameters of the discriminator before the first step of a run.

    Args:
      model: tells the number of shape coefficients.
      seed: seed of the run.
    """
    key = jax.random.fold_in(jax.random.key(seed), 1)
    return init_discriminator(key, model.head.num_betas)


def whitened(model: ProHMR, variables: dict, images: ImageBatch) -> dict:
    """Returns the variables with ActNorms that whiten the first photos' labelled poses.

    Args:
      model: the Flax module, built without a mapped axis.
      variables: fresh `{params, batch_stats, mean_params}` of the model.
      images: the first batch, of all devices together.
    """
    return whitened_variables(
        model, variables, encoder_input(images), labels_of(images)
    )
