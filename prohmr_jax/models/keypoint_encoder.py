"""Encodes 2D keypoints to a context, as an alternative to the image encoder."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.layers import HIGHEST
from prohmr_jax.structs import Keypoints2D

# Scales crop units, whose standard deviation is about 0.25, to unit variance.
_POSITION_SCALE = 4.0


class KeypointEncoder(nn.Module):
    """Maps detected joints to the context by a residual MLP.

    A missing joint has position and confidence 0, and a third input that marks it as
    missing. The residual blocks are x + W2 gelu(W1 norm(x)).
    """

    context_features: int = 512
    """Number of entries of the context."""
    width: int = 1024
    """Width of the hidden layers."""
    num_blocks: int = 2
    """Number of residual blocks."""

    def example_input(self) -> Keypoints2D:
        """Returns an input of the right shape, with which weights are initialised."""
        joints = len(skeleton.BODY_25)
        return Keypoints2D(jnp.zeros((1, joints, 2)), jnp.ones((1, joints)))

    @nn.compact
    def __call__(
        self, keypoints: Keypoints2D, train: bool = False
    ) -> Float[Array, "*b C"]:
        """Returns the context of keypoints in the crop frame.

        Args:
          keypoints: BODY_25, crop units; confidence 0 marks a missing joint, whose
            position is ignored.
          train: ignored; it is there because all encoders take it.
        """
        missing = keypoints.confidence <= 0
        position = jnp.where(missing[..., None], 0.0, keypoints.xy) * _POSITION_SCALE
        states = jnp.stack([keypoints.confidence, missing.astype(jnp.float32)], axis=-1)
        states = jnp.where(missing[..., None], states * jnp.array([0.0, 1.0]), states)
        joints = jnp.concatenate([position, states], axis=-1)
        flat = joints.reshape(*joints.shape[:-2], -1)
        h = nn.Dense(self.width, precision=HIGHEST, name="joints")(flat)
        for i in range(self.num_blocks):
            branch = nn.LayerNorm(name=f"norm_{i}")(h)
            expand = nn.Dense(self.width, precision=HIGHEST, name=f"expand_{i}")
            # With zero weights here, a block starts as the identity.
            contract = nn.Dense(
                self.width,
                kernel_init=nn.initializers.zeros,
                precision=HIGHEST,
                name=f"contract_{i}",
            )
            h = h + contract(nn.gelu(expand(branch)))
        h = nn.LayerNorm(name="norm")(h)
        return nn.Dense(self.context_features, precision=HIGHEST, name="context")(h)
