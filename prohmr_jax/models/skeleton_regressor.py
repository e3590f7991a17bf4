"""Lifts 2D skeletons to one 3D skeleton each: the network of Martinez et al. (2017).

It is the deterministic twin of `SkeletonLifter`, from which it differs in the head
alone; `lifter_spec` builds it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.layers import dense
from prohmr_jax.models.skeleton_lifter import SkeletonNetwork
from prohmr_jax.structs import SkeletonHypotheses


class SkeletonRegressor(SkeletonNetwork):
    """Predicts one skeleton per input, with the methods of `SkeletonLifter`."""

    output_joints: int
    """Number of 3D joints."""

    @property
    def latent_features(self) -> int:
        """Returns the number of entries of a latent, which has no influence."""
        return 3 * self.output_joints

    def setup(self):
        """Makes the last linear layer."""
        self.last = dense(3 * self.output_joints, self.encoder.context_features)

    def hypotheses(
        self,
        context: Float[Array, "*b C"],
        z: Float[Array, "*b K D"],
        train: bool = False,
    ) -> SkeletonHypotheses:
        """Returns the predicted skeleton K times, with a `log_prob` of 0.

        Args:
          context: contexts of the inputs.
          z: latents, of which only the number K is used.
          train: not used; the head is the same in training.
        """
        flat = self.last(context)[..., None, :]
        joints = flat.reshape(*flat.shape[:-1], self.output_joints, 3)
        joints = jnp.broadcast_to(joints, (*z.shape[:-1], self.output_joints, 3))
        return SkeletonHypotheses(z=z, joints=joints, log_prob=jnp.zeros(z.shape[:-1]))

    def log_prob(
        self,
        context: Float[Array, "*#b C"],
        joints: Float[Array, "*b J 3"],
        train: bool = False,
    ) -> Float[Array, "*b"]:
        """Returns 0: one answer has no density."""
        return jnp.zeros(joints.shape[:-2])
