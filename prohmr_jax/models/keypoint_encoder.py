"""The encoder that sees a person as 2D keypoints."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.structs import Keypoints2D

# Spreads crop units, of standard deviation about 0.25, to unit variance.
_POSITION_SCALE = 4.0


class KeypointEncoder(nn.Module):
    """A residual MLP from detected joints to the context.

    A joint that was not seen is an input state of its own: position and confidence
    are blanked and its `missing` input is on. Blocks are x + W2 gelu(W1 norm(x)).
    """

    context_features: int = 512
    width: int = 1024
    num_blocks: int = 2

    def example_input(self) -> Keypoints2D:
        """Returns an input of the right shape, for initialisation."""
        joints = len(skeleton.BODY_25)
        return Keypoints2D(jnp.zeros((1, joints, 2)), jnp.ones((1, joints)))

    @nn.compact
    def __call__(
        self, keypoints: Keypoints2D, train: bool = False
    ) -> Float[Array, "*b C"]:
        """Returns the context of keypoints in the crop frame.

        Args:
          keypoints: BODY_25, crop units; confidence 0 marks a missing joint, and its
            position is ignored.
          train: no effect; every encoder takes it.
        """
        missing = keypoints.confidence <= 0
        position = jnp.where(missing[..., None], 0.0, keypoints.xy) * _POSITION_SCALE
        states = jnp.stack([keypoints.confidence, missing.astype(jnp.float32)], axis=-1)
        states = jnp.where(missing[..., None], states * jnp.array([0.0, 1.0]), states)
        joints = jnp.concatenate([position, states], axis=-1)
        h = nn.Dense(self.width, name="joints")(joints.reshape(*joints.shape[:-2], -1))
        for i in range(self.num_blocks):
            branch = nn.LayerNorm(name=f"norm_{i}")(h)
            branch = nn.gelu(nn.Dense(self.width, name=f"expand_{i}")(branch))
            # Blocks start as the identity.
            h = h + nn.Dense(
                self.width, kernel_init=nn.initializers.zeros, name=f"contract_{i}"
            )(branch)
        h = nn.LayerNorm(name="norm")(h)
        return nn.Dense(self.context_features, name="context")(h)
