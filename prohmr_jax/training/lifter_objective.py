"""Computes the objective of a model that lifts skeletons (Sec. 3.6).

`lifter_model` makes the loss of a training step from it, and `parity` compares it with
the official one.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.models.lifter_spec import Lifter
from prohmr_jax.structs import Keypoints2D, LossTerms, SkeletonHypotheses
from prohmr_jax.training.losses import weighted_sum
from prohmr_jax.training.train_state import LossAux

# Weights of the terms in the official code.
OFFICIAL_WEIGHTS = LossTerms(nll=1e-3, keypoints_3d_mode=1.0)
# Standard deviation of the noise that is added to the joints of the likelihood, metres.
LABEL_NOISE = 0.005


@struct.dataclass
class LiftingDraws:
    """Holds all that is random in one evaluation of the objective."""

    z: Float[Array, "B K D"]
    """Latents of the skeletons; index 0 of K is zero, for the mode."""
    label_noise: Float[Array, "B J 3"]
    """Noise of unit variance for the joints of the likelihood."""
    dropout_key: jax.Array
    """Random key of the dropped units, the same on every device."""


@dataclasses.dataclass(frozen=True)
class LiftingTask:
    """Holds a model and what it is trained with; static under `jit`."""

    model: Lifter
    """Flax module."""
    weights: LossTerms = OFFICIAL_WEIGHTS
    """Weight of each term."""
    train: bool = True
    """Whether batches are normalised by their own statistics, units are dropped, and
    noise is added to the joints of the likelihood."""


def lifting_objective(
    task: LiftingTask,
    variables: dict,
    keypoints: Keypoints2D,
    joints: Float[Array, "B J 3"],
    draws: LiftingDraws,
) -> tuple[Float[Array, ""], LossAux, SkeletonHypotheses]:
    """Returns the objective of a batch, its terms, and the predicted skeletons.

    Args:
      task: the model, and what it is trained with.
      variables: `{params, batch_stats}` of the model.
      keypoints: 2D joints, the input of the encoder, with leading axis B.
      joints: true 3D joints, as `SkeletonHypotheses.joints`.
      draws: the randomness, of the same number of people.
    """
    noise = LABEL_NOISE * draws.label_noise if task.train else 0.0

    def forward(module: Lifter):
        context = module.encode(keypoints, task.train)
        # Samples, mode, likelihood: the order in which running averages are updated.
        hypotheses = module.hypotheses(context, draws.z, task.train)
        return hypotheses, module.log_prob(context, joints + noise, task.train)

    (hypotheses, log_prob), updated = task.model.apply(
        variables,
        method=forward,
        mutable=["batch_stats"],
        rngs={"dropout": draws.dropout_key},
    )
    terms = lifting_terms(hypotheses, log_prob, joints)
    aux = LossAux(terms=terms, batch_stats=updated.get("batch_stats", {}))
    return weighted_sum(terms, task.weights), aux, hypotheses


def lifting_terms(
    hypotheses: SkeletonHypotheses,
    log_prob: Float[Array, " B"],
    joints: Float[Array, "B J 3"],
) -> LossTerms:
    """Returns the terms of the objective (Eqs. 5, 7 and 8); the others are left at 0.

    The distances are summed over joints and coordinates, and averaged over people and,
    for the expectation, over samples; it is 0 where there are none.

    Args:
      hypotheses: predicted skeletons; index 0 of K is the mode.
      log_prob: ln p of the true joints, nats.
      joints: true 3D joints.
    """
    distance = jnp.sum(jnp.abs(hypotheses.joints - joints[:, None]), axis=(-2, -1))
    samples = distance[:, 1:]
    zeros = dict.fromkeys(LossTerms.__dataclass_fields__, jnp.zeros(()))
    return LossTerms(
        **zeros
        | {
            "nll": -jnp.mean(log_prob),
            "keypoints_3d_mode": jnp.mean(distance[:, 0]),
            "keypoints_3d_exp": jnp.sum(samples) / max(samples.size, 1),
        }
    )
