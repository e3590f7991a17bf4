"""Computes the terms that the discriminator brings into a training.

`objective` calls `generator_term` for the model; `image_model` trains the discriminator
with `discriminator_term`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.structs import MocapPoses, SmplParams
from prohmr_jax.training.losses import discriminator_loss, generator_loss


def init_discriminator(key: jax.Array, num_betas: int) -> dict:
    """Returns fresh parameters of the discriminator.

    Args:
      key: random key of the initialisation.
      num_betas: number of shape coefficients of a body.
    """
    pose = jnp.zeros((1, len(skeleton.SMPL_24) - 1, 3, 3))
    return jax.jit(Discriminator().init)(key, pose, jnp.zeros((1, num_betas)))["params"]


def generator_term(
    discriminator_params: dict, predicted: SmplParams
) -> Float[Array, ""]:
    """Returns how far predicted bodies are from being taken for real ones.

    This is the generator loss of LSGAN, summed over the hypotheses of a person, as in
    the official code, and averaged over people.

    Args:
      discriminator_params: parameters of the discriminator.
      predicted: bodies that the model predicts, leading axes [B, K].
    """
    losses = generator_loss(_scores(discriminator_params, predicted))
    return jnp.mean(jnp.sum(losses, axis=1))


def discriminator_term(
    discriminator_params: dict, predicted: SmplParams, real: MocapPoses
) -> Float[Array, ""]:
    """Returns how badly the discriminator tells real bodies from predicted ones.

    Args:
      discriminator_params: parameters of the discriminator.
      predicted: bodies that the model predicts, leading axes [B, K].
      real: captured bodies, leading axis [B * K].
    """
    return discriminator_loss(
        _scores(discriminator_params, predicted), _scores(discriminator_params, real)
    )


def _scores(
    discriminator_params: dict, bodies: SmplParams | MocapPoses
) -> Float[Array, "*b 25"]:
    variables = {"params": discriminator_params}
    return Discriminator().apply(variables, bodies.body_pose, bodies.betas)
