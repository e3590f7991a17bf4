"""The deterministic twin of ProHMR: one pose per context, where the flow has many.

Encoder and head are the same, so that what a distribution adds can be told apart from
what a network of this size and this data can do at all.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.conditioner import ResidualNet
from prohmr_jax.models.prohmr import (
    NUM_ROTATIONS,
    POSE_FEATURES,
    BodyNetwork,
    assemble_hypotheses,
)
from prohmr_jax.structs import Hypotheses

_IDENTITY_6D = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class PoseRegressor(BodyNetwork):
    """A trainable model with the methods of `ProHMR`, but for those of a density."""

    pose: ResidualNet
    """From the context to 24 rotations (6D), about the identity."""

    def hypotheses(
        self,
        context: Float[Array, "B C"],
        z: Float[Array, "B K 144"],
        train: bool = False,
    ) -> Hypotheses:
        """Returns the one answer K times; of the latents only the number counts.

        Its `log_prob` is 0: there is no density.
        """
        rest = jnp.tile(jnp.asarray(_IDENTITY_6D), NUM_ROTATIONS)
        flat = rest + self.pose(context, None, train)
        flat = jnp.broadcast_to(flat[:, None], (*z.shape[:-1], POSE_FEATURES))
        betas, camera = self.shape_and_camera(context)
        return assemble_hypotheses(z, flat, jnp.zeros(z.shape[:-1]), betas, camera)
