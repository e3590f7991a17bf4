"""Trains the flow over body poses that sees no image, by maximum likelihood.

`tools/make_pose_flow.py` calls it; `priors.pose_flow` uses the result.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.priors.pose_flow import LABEL_NOISE, MODULE, body_features
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.train_state import LossAux, LossFunction


def whitened_params(params: dict, axis_angle: Float[Array, "P 24 3"]) -> dict:
    """Returns parameters of the flow whose ActNorms whiten some poses.

    Args:
      params: fresh parameters of the flow.
      axis_angle: the poses, axis-angles in radians.
    """
    actnorms, _ = MODULE.apply(
        {"params": params}, body_features(axis_angle), method="actnorm_from_data"
    )
    return {**params, **actnorms}


def make_loss_function(batch_size: int) -> LossFunction:
    """Returns the negative log-likelihood of poses that are drawn from a bank, in nats.

    The function is a `train_state.LossFunction`; its inputs are the poses of the bank,
    [P, 24, 3], axis-angles in radians.

    Args:
      batch_size: number of poses that are drawn in a step.
    """

    def loss_function(params, state, key, axis_angle: Float[Array, "P 24 3"]):
        index_key, noise_key = jax.random.split(key)
        index = jax.random.randint(index_key, (batch_size,), 0, len(axis_angle))
        pose = body_features(axis_angle[index].astype(jnp.float32))
        pose += LABEL_NOISE * jax.random.normal(noise_key, pose.shape)
        log_prob, _ = MODULE.apply({"params": params}, pose, method="log_prob")
        nll = -jnp.mean(log_prob)
        zeros = dict.fromkeys(LossTerms.__dataclass_fields__, jnp.zeros(()))
        terms = LossTerms(**zeros | {"nll": nll})
        return nll, LossAux(terms=terms, batch_stats={})

    return loss_function
