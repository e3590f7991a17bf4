"""What a checkpoint must say of its model to be built again."""

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
from prohmr_jax.models.prohmr import POSE_FEATURES, ProHMR
from prohmr_jax.models.readout import Readout
from prohmr_jax.models.resnet import RESNETS, resnet

KEYPOINTS = "keypoints"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Sizes of a ProHMR; the defaults are the paper's flow, on keypoints."""

    encoder: str = KEYPOINTS
    """"keypoints", or a ResNet of `resnet.RESNETS` for images."""
    encoder_dtype: str = "float32"
    """Of a ResNet's convolutions: "float32" or "bfloat16"."""
    input_size: int = 224
    """Side of the crops that a ResNet was trained on, pixels."""
    encoder_width: int = 1024
    """Of the keypoint encoder, as the next."""
    encoder_blocks: int = 2
    context_features: int = 2048
    flow_layers: int = 4
    flow_blocks: int = 2
    flow_hidden: int = 1024
    flow_batch_norm: bool = True
    flow_dropout: float = 0.5
    flow_affine: bool = False
    """Context-dependent scales; False is the paper's additive coupling."""
    deterministic: bool = False
    """One pose per input, by a net of the sizes of one coupling's, and no flow."""
    readout: bool = False
    """Linear readings of the context, to teach an encoder from scratch."""
    head_hidden: int = 1024
    num_betas: int = 10
    mean_betas: tuple[float, ...] = ()
    """What the head's shape starts from; empty: zeros."""
    mean_camera: tuple[float, float, float] = (0.9, 0.0, 0.0)


def build_model(
    spec: ModelSpec, axis_name: str | None = None
) -> ProHMR | PoseRegressor:
    """Returns the module of a spec.

    Args:
      spec: sizes.
      axis_name: mapped axis over which batch statistics are averaged in training.

    Raises:
      InputError: no such encoder, or it does not fit the context.
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


def init_variables(model: ProHMR, key: jax.Array) -> dict:
    """Returns fresh `{params, batch_stats, mean_params}`; ActNorms are identities."""
    inputs = model.encoder.example_input()
    variables = jax.jit(model.init)(key, inputs, jnp.zeros((1, 1, POSE_FEATURES)))
    return {"batch_stats": {}, **variables}
