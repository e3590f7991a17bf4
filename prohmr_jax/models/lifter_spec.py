"""Describes a model that lifts skeletons by its sizes, and builds it.

Training, weights and parity call it.
"""

import dataclasses

import jax
import jax.numpy as jnp

from prohmr_jax.errors import InputError
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.skeleton_lifter import (
    INPUT_JOINTS,
    OUTPUT_JOINTS,
    SkeletonEncoder,
    SkeletonLifter,
)
from prohmr_jax.models.skeleton_mixture import SkeletonMixture
from prohmr_jax.models.skeleton_regressor import SkeletonRegressor

FLOW, POINT, MIXTURE = "flow", "point", "mixture"
Lifter = SkeletonLifter | SkeletonRegressor | SkeletonMixture


@dataclasses.dataclass(frozen=True)
class LifterSpec:
    """Describes a model that lifts skeletons; by default the official one.

    The fields that begin with `flow` count where the head is the flow alone.
    """

    input_joints: int = INPUT_JOINTS
    """Number of 2D joints."""
    output_joints: int = OUTPUT_JOINTS
    """Number of 3D joints."""
    encoder_width: int = 1024
    """Width of the encoder."""
    encoder_blocks: int = 2
    """Number of residual blocks of the encoder."""
    encoder_dropout: float = 0.5
    """Share of hidden units of the encoder that are dropped in training."""
    context_features: int = 1024
    """Number of entries of the context."""
    flow_layers: int = 4
    """Number of times that the flow stacks ActNorm, LU linear and coupling."""
    flow_blocks: int = 2
    """Number of residual blocks of each coupling's conditioner."""
    flow_hidden: int = 1024
    """Width of the conditioners."""
    flow_batch_norm: bool = True
    """Whether the conditioners normalise by batch statistics."""
    flow_dropout: float = 0.5
    """Share of hidden units of the conditioners that are dropped in training."""
    flow_affine: bool = False
    """Whether couplings also scale by a function of the context, unlike the paper's."""
    head: str = FLOW
    """What follows the encoder: "flow", "point" (one answer, as Martinez et al. have
    it) or "mixture" (the mixture density network of Li and Lee)."""
    num_kernels: int = 5
    """Number of Gaussians of the mixture."""


def build_lifter(spec: LifterSpec, axis_name: str | None = None) -> Lifter:
    """Returns the module that a spec describes.

    Args:
      spec: sizes of the model.
      axis_name: mapped axis over which batch statistics are averaged in training.

    Raises:
      InputError: there is no such head, or the mixture has no Gaussian.
    """
    encoder = SkeletonEncoder(
        input_joints=spec.input_joints,
        width=spec.encoder_width,
        num_blocks=spec.encoder_blocks,
        context_features=spec.context_features,
        dropout_rate=spec.encoder_dropout,
        axis_name=axis_name,
    )
    if spec.head == POINT:
        return SkeletonRegressor(encoder, spec.output_joints)
    if spec.head == MIXTURE:
        if spec.num_kernels < 1:
            raise InputError("model.num_kernels", f"{spec.num_kernels} is less than 1")
        return SkeletonMixture(encoder, spec.output_joints, spec.num_kernels)
    if spec.head != FLOW:
        heads = f'"{FLOW}", "{POINT}" or "{MIXTURE}"'
        raise InputError("model.head", f"{spec.head!r} is not {heads}")
    return SkeletonLifter(
        encoder=encoder,
        flow=ConditionalGlow(
            features=3 * spec.output_joints,
            hidden_features=spec.flow_hidden,
            context_features=spec.context_features,
            num_layers=spec.flow_layers,
            num_blocks=spec.flow_blocks,
            use_batch_norm=spec.flow_batch_norm,
            dropout_rate=spec.flow_dropout,
            affine=spec.flow_affine,
            axis_name=axis_name,
        ),
    )


def init_lifter(model: Lifter, key: jax.Array) -> dict:
    """Returns freshly initialised variables of a model; ActNorms are identities.

    Args:
      model: the Flax module.
      key: random key.

    Returns:
      The collections `params`, `batch_stats` and `mean_params`, which is empty.
    """
    z = jnp.zeros((1, 1, model.latent_features))
    variables = jax.jit(model.init)(key, model.encoder.example_input(), z)
    return {"batch_stats": {}, "mean_params": {}, **variables}
