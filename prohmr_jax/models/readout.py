"""Predicts joints and rotations linearly, to help train an encoder from scratch.

An untrained encoder learns slowly through an untrained flow. A linear layer predicts
what the flow will need, joints and rotations, directly from the context, and its loss
trains the encoder. Inference does not use it.
"""

import math

import flax.linen as nn
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.layers import HIGHEST


@struct.dataclass
class Reading:
    """Holds what a linear layer predicts from a context."""

    joints_2d: Float[Array, "*b 44 2"]
    """Projections of JOINTS_44, crop frame."""
    joints: Float[Array, "*b 44 3"]
    """JOINTS_44, metres, camera axes, with any origin."""
    rotmats: Float[Array, "*b 24 3 3"]
    """Estimates of the rotation matrices in the order of SMPL_24, the root first; they
    are not orthonormal."""


class Readout(nn.Module):
    """Predicts joints and rotations from a context by linear layers that start at 0."""

    @nn.compact
    def __call__(self, context: Float[Array, "*b C"]) -> Reading:
        """Returns the predictions of contexts."""
        batch = context.shape[:-1]
        joints, rotations = len(skeleton.JOINTS_44), len(skeleton.SMPL_24)

        def linear(name: str, *shape: int) -> Array:
            layer = nn.Dense(
                math.prod(shape),
                kernel_init=nn.initializers.zeros,
                precision=HIGHEST,
                name=name,
            )
            return layer(context).reshape(*batch, *shape)

        return Reading(
            joints_2d=linear("joints_2d", joints, 2),
            joints=linear("joints", joints, 3),
            rotmats=linear("rotmats", rotations, 3, 3),
        )
