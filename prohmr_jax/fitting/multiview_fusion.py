"""Fuses uncalibrated views of one person into one body pose (Eq. 12).

Bulk fitting and the evaluation of fits call `fuse_views`.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.fitting.objectives import (
    FittingModel,
    ViewsData,
    bind_multiview,
    decode_body,
)
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.structs import Body, SmplParams

# The objective falls by four orders of magnitude, so that the curvature at the first
# steps misleads later. This takes two thirds of the evaluations of an unlimited memory.
FUSION_SETTINGS = Settings(memory=30)


@struct.dataclass
class Fusion:
    """Holds G people, seen in N views each."""

    smpl: SmplParams
    """Pose and shape in each view, [G, N]; body poses agree as far as the likelihoods
    of the views allow."""
    body: Body
    """Joints, metres, axes of each view's camera, [G, N]."""
    z: Float[Array, "G N 144"]
    """Latents of the views."""
    minimum: Minimum
    """Loss, number of steps and evaluations, and why each fusion ended, [G]."""


def fuse_views(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    valid: Float[Array, "G N"] | None = None,
    settings: Settings = FUSION_SETTINGS,
) -> Fusion:
    """Returns people whose body poses agree between views, starting at the modes.

    Args:
      model: the folded flow and the body model that it was trained with.
      context: context of each view.
      betas: shape coefficients that the network predicts in each view; all views of a
        person get their mean, which does not change.
      valid: 1 for a view, 0 for padding of people with fewer; None for no padding.
      settings: when the solver stops.
    """
    valid = jnp.ones(context.shape[:-1]) if valid is None else jnp.asarray(valid)
    start, data, betas = fusion_problem(model, context, betas, valid)
    objective = bind_multiview(model.flow)
    minimum = minimise_batch(objective, start, data, settings)
    smpl, body = _decode(model, minimum.params, betas, data.context)
    return Fusion(smpl, body, minimum.params, minimum)


@jax.jit
def fusion_problem(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    valid: Float[Array, "G N"],
) -> tuple[Float[Array, "G N 144"], ViewsData, Float[Array, "G N S"]]:
    """Returns the latents at the start of fusions, what is fused, and people's shapes.

    Fusions start at the modes. A person's shape is the mean over their views.

    Args: see `fuse_views`.
    """
    start = jnp.zeros((*context.shape[:-1], POSE_FEATURES), betas.dtype)
    data = ViewsData(project_context(model.flow, context), valid)
    # Selecting keeps NaNs of padded views out of the sum.
    seen = jnp.where(valid[..., None] > 0, betas, 0.0)
    number = jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None]
    mean = jnp.sum(seen, axis=-2) / number
    return start, data, jnp.broadcast_to(mean[..., None, :], betas.shape)


_decode = jax.jit(decode_body)
