"""Linear readings of the context, which teach an encoder from scratch.

Through a flow that has learnt nothing yet, an encoder that has learnt nothing yet
learns slowly. A linear layer asks it directly for what the flow will need: joints and
rotations. Nothing of it is used at inference.
"""

import math

import flax.linen as nn
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.layers import HIGHEST


@struct.dataclass
class Reading:
    """What a linear layer makes of a context."""

    joints_2d: Float[Array, "*b 44 2"]
    """Crop frame."""
    joints: Float[Array, "*b 44 3"]
    """Metres, camera axes, any origin."""
    rotmats: Float[Array, "*b 24 3 3"]
    """The root's, then the body's; of no orthogonality."""


class Readout(nn.Module):
    """One linear layer; it starts at zero."""

    @nn.compact
    def __call__(self, context: Float[Array, "*b C"]) -> Reading:
        """Returns the reading of contexts."""
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
