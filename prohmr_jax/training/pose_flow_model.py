"""Training of the flow over body poses that sees no image, by its likelihood."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.priors.pose_flow import LABEL_NOISE, MODULE, body_features
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.train_state import LossAux


def whitened_params(params: dict, axis_angle: Float[Array, "P 24 3"]) -> dict:
    """Returns parameters whose ActNorms whiten these poses."""
    found, _ = MODULE.apply(
        {"params": params}, body_features(axis_angle), method="actnorm_from_data"
    )
    return {**params, **found}


def make_loss_function(batch_size: int):
    """Returns the likelihood of poses drawn from a bank, a `LossFunction`."""

    def loss_function(params, state, key, axis_angle: Float[Array, "P 24 3"]):
        index_key, noise_key = jax.random.split(key)
        index = jax.random.randint(index_key, (batch_size,), 0, len(axis_angle))
        pose = body_features(axis_angle[index].astype(jnp.float32))
        pose += LABEL_NOISE * jax.random.normal(noise_key, pose.shape)
        log_prob, _ = MODULE.apply({"params": params}, pose, method="log_prob")
        nll = -jnp.mean(log_prob)
        none = dict.fromkeys(LossTerms.__dataclass_fields__, jnp.zeros(()))
        terms = LossTerms(**none | {"nll": nll})
        return nll, LossAux(terms=terms, batch_stats={})

    return loss_function
