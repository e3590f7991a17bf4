"""Describes a model by its sizes, from which training and checkpoints build it."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from prohmr_jax.errors import InputError
from prohmr_jax.models.conditioner import ResidualNet
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.keypoint_encoder import KeypointEncoder
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import POSE_FEATURES, BodyNetwork, ProHMR
from prohmr_jax.models.readout import Readout
from prohmr_jax.models.resnet import RESNETS, resnet

KEYPOINTS = "keypoints"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Describes a model; by default the paper's flow with the keypoint encoder."""

    encoder: str = KEYPOINTS
    """Name of the encoder: "keypoints", or a name in `resnet.RESNETS` for images."""
    encoder_dtype: str = "float32"
    """Type of a ResNet's convolutions: "float32" or "bfloat16"."""
    input_size: int = 224
    """Side of the crops that a ResNet is trained on, pixels."""
    encoder_width: int = 1024
    """Width of the keypoint encoder."""
    encoder_blocks: int = 2
    """Number of residual blocks of the keypoint encoder."""
    context_features: int = 2048
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
    deterministic: bool = False
    """Whether a network of a conditioner's size predicts one pose instead of a flow."""
    readout: bool = False
    """Whether there is a linear readout, which helps to train an encoder from
    scratch."""
    head_hidden: int = 1024
    """Width of the head's hidden layer."""
    num_betas: int = 10
    """Number of shape coefficients."""
    mean_betas: tuple[float, ...] = ()
    """Mean shape coefficients, to which the head adds; empty stands for zeros."""
    mean_camera: tuple[float, float, float] = (0.9, 0.0, 0.0)
    """Mean camera (scale, x, y), to which the head adds."""


def build_model(
    spec: ModelSpec, axis_name: str | None = None
) -> ProHMR | PoseRegressor:
    """Returns the module that a spec describes.

    Args:
      spec: sizes of the model.
      axis_name: mapped axis over which batch statistics are averaged in training.

    Raises:
      InputError: there is no such encoder or type, or the encoder does not fit the
        context.
    """
    encoder = _build_encoder(spec, axis_name)
    head = ShapeCameraHead(
        context_features=spec.context_features,
        num_betas=spec.num_betas,
        hidden_features=spec.head_hidden,
        mean_betas=tuple(spec.mean_betas),
        mean_camera=tuple(spec.mean_camera),
    )
    if spec.deterministic:
        pose = ResidualNet(
            in_features=spec.context_features,
            out_features=POSE_FEATURES,
            hidden_features=spec.flow_hidden,
            context_features=0,
            num_blocks=spec.flow_blocks,
            use_batch_norm=spec.flow_batch_norm,
            dropout_rate=spec.flow_dropout,
            axis_name=axis_name,
        )
        return PoseRegressor(encoder=encoder, pose=pose, head=head)
    return ProHMR(
        encoder=encoder,
        flow=ConditionalGlow(
            features=POSE_FEATURES,
            hidden_features=spec.flow_hidden,
            context_features=spec.context_features,
            num_layers=spec.flow_layers,
            num_blocks=spec.flow_blocks,
            use_batch_norm=spec.flow_batch_norm,
            dropout_rate=spec.flow_dropout,
            affine=spec.flow_affine,
            axis_name=axis_name,
        ),
        head=head,
        readout=Readout() if spec.readout else None,
    )


def _build_encoder(spec: ModelSpec, axis_name: str | None) -> nn.Module:
    """Returns the encoder of a spec; see `build_model`."""
    if spec.encoder == KEYPOINTS:
        return KeypointEncoder(
            context_features=spec.context_features,
            width=spec.encoder_width,
            num_blocks=spec.encoder_blocks,
        )
    if spec.encoder not in RESNETS:
        known = ", ".join([KEYPOINTS, *RESNETS])
        raise InputError("model.encoder", f"{spec.encoder!r} is none of {known}")
    if spec.encoder_dtype not in ("float32", "bfloat16"):
        fault = f"{spec.encoder_dtype!r} is neither float32 nor bfloat16"
        raise InputError("model.encoder_dtype", fault)
    encoder = resnet(spec.encoder, spec.encoder_dtype, axis_name)
    if encoder.features != spec.context_features:
        fault = f"{spec.context_features}, but {spec.encoder} gives {encoder.features}"
        raise InputError("model.context_features", fault)
    return encoder


def init_variables(model: BodyNetwork, key: jax.Array) -> dict:
    """Returns freshly initialised variables of a model; ActNorms are identities.

    Args:
      model: a `ProHMR`, or a `PoseRegressor`.
      key: random key.

    Returns:
      The collections `params`, `batch_stats` and `mean_params`.
    """
    inputs = model.encoder.example_input()
    variables = jax.jit(model.init)(key, inputs, jnp.zeros((1, 1, POSE_FEATURES)))
    return {"batch_stats": {}, **variables}
