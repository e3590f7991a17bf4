"""Predicts one pose per context, as the deterministic counterpart of ProHMR.

Encoder and head are those of ProHMR, so that comparing the two shows what the
distribution adds for the same network size and the same data. Exemplar fine-tuning
tunes this model.
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
    """Predicts one pose per context, with the methods of `ProHMR` except `log_prob`."""

    pose: ResidualNet
    """Network from the context to 24 rotations in 6D, relative to the identity."""

    def hypotheses(
        self,
        context: Float[Array, "B C"],
        z: Float[Array, "B K 144"],
        train: bool = False,
    ) -> Hypotheses:
        """Returns the predicted body K times, with a `log_prob` of 0.

        Args:
          context: contexts of the images.
          z: latents, of which only the number K is used.
          train: normalises by batch statistics and drops units.
        """
        rest = jnp.tile(jnp.asarray(_IDENTITY_6D), NUM_ROTATIONS)
        flat = rest + self.pose(context, None, train)
        flat = jnp.broadcast_to(flat[:, None], (*z.shape[:-1], POSE_FEATURES))
        betas, camera = self.shape_and_camera(context)
        return assemble_hypotheses(z, flat, jnp.zeros(z.shape[:-1]), betas, camera)
