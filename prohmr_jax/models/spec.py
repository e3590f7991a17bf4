"""What a checkpoint must say of its model to be built again."""

import dataclasses

import jax
import jax.numpy as jnp

from prohmr_jax import skeleton
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.keypoint_encoder import KeypointEncoder
from prohmr_jax.models.prohmr import POSE_FEATURES, ProHMR
from prohmr_jax.structs import Keypoints2D


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Sizes of a keypoint-conditioned ProHMR; the defaults are the paper's flow."""

    encoder_width: int = 1024
    encoder_blocks: int = 2
    context_features: int = 2048
    flow_layers: int = 4
    flow_blocks: int = 2
    flow_hidden: int = 1024
    flow_batch_norm: bool = True
    flow_dropout: float = 0.5
    flow_affine: bool = False
    """Context-dependent scales; False is the paper's additive coupling."""
    head_hidden: int = 1024
    num_betas: int = 10
    mean_camera: tuple[float, float, float] = (0.9, 0.0, 0.0)


def build_model(spec: ModelSpec, axis_name: str | None = None) -> ProHMR:
    """Returns the module of a spec.

    Args:
      spec: sizes.
      axis_name: mapped axis over which batch statistics are averaged in training.
    """
    return ProHMR(
        encoder=KeypointEncoder(
            context_features=spec.context_features,
            width=spec.encoder_width,
            num_blocks=spec.encoder_blocks,
        ),
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
        head=ShapeCameraHead(
            context_features=spec.context_features,
            num_betas=spec.num_betas,
            hidden_features=spec.head_hidden,
            mean_camera=tuple(spec.mean_camera),
        ),
    )


def init_variables(model: ProHMR, key: jax.Array) -> dict:
    """Returns fresh `{params, batch_stats, mean_params}`; ActNorms are identities."""
    joints = len(skeleton.BODY_25)
    inputs = Keypoints2D(xy=jnp.zeros((1, joints, 2)), confidence=jnp.ones((1, joints)))
    variables = jax.jit(model.init)(key, inputs, jnp.zeros((1, 1, POSE_FEATURES)))
    return {"batch_stats": {}, **variables}
