"""Fuses uncalibrated views of one person into one body pose (Eq. 12)."""

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

# The objective falls by four orders of magnitude: what the first steps told of its
# curvature must be forgotten. Takes two thirds of the evaluations of a full memory.
FUSION_SETTINGS = Settings(memory=30)


@struct.dataclass
class Fusion:
    """G people, seen in N views each."""

    smpl: SmplParams
    """`[G, N]`; body poses agree as far as the views' likelihoods allow."""
    body: Body
    """Joints, metres, each view's camera axes."""
    z: Float[Array, "G N 144"]
    minimum: Minimum


def fuse_views(
    model: FittingModel,
    context: Float[Array, "G N C"],
    betas: Float[Array, "G N S"],
    valid: Float[Array, "G N"] | None = None,
    settings: Settings = FUSION_SETTINGS,
) -> Fusion:
    """Returns the poses of people whose views are made to agree, from the modes.

    Args:
      model: prepared flow, and the body it was trained on.
      context: conditioning vector of each view.
      betas: predicted shape of each view; their mean is everyone's, and is kept.
      valid: 1 for a view, 0 for padding of people with fewer; None for all.
      settings: of the optimiser.
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
    """Returns where fusions start (the modes), what they are of, and everyone's shape.

    Args: see `fuse_views`.
    """
    start = jnp.zeros((*context.shape[:-1], POSE_FEATURES), betas.dtype)
    data = ViewsData(project_context(model.flow, context), valid)
    # `where`, so that what stands in a padded view is not read.
    seen = jnp.where(valid[..., None] > 0, betas, 0.0)
    number = jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None]
    mean = jnp.sum(seen, axis=-2) / number
    return start, data, jnp.broadcast_to(mean[..., None, :], betas.shape)


_decode = jax.jit(decode_body)
