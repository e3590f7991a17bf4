"""Computes ProHMR's objective (Eq. 9), whatever the model is conditioned on.

`keypoint_model` and `image_model` make the loss of a training step from it. All terms
are means over the people of all devices, except the likelihood, which is a mean over
those whose pose is labelled.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import ProHMR, latents
from prohmr_jax.models.row_keys import row_keys
from prohmr_jax.structs import Keypoints2D, LossTerms
from prohmr_jax.training.adversarial import generator_term
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.losses import weighted_sum
from prohmr_jax.training.readout_loss import readout_loss
from prohmr_jax.training.supervision import supervised_terms
from prohmr_jax.training.train_state import LossAux, TrainState


@dataclasses.dataclass(frozen=True)
class Objective:
    """Holds weights and noise of the objective; the defaults are the paper's."""

    weights: LossTerms
    """Weight of each term."""
    num_hypotheses: int = 2
    """Number of bodies per person: the mode, and the samples that stand for the
    expectation (Eq. 7)."""
    label_noise: float = 0.005
    """Standard deviation of the noise that is added to the 6D labels of the
    likelihood."""
    readout_alone_steps: int = 0
    """Number of first steps in which only the readout's loss reaches the encoder; flow
    and head meanwhile learn from the contexts as they are."""

    @property
    def readout_alone(self) -> bool:
        """Returns whether no term but the readout's has a weight.

        Such an objective trains an encoder, without flow, head and body.
        """
        others = vars(self.weights.replace(readout=0.0)).values()
        return self.weights.readout > 0 and not any(others)


@dataclasses.dataclass(frozen=True)
class ObjectiveOfModel:
    """Holds a model and the objective that it is trained with; static under `jit`."""

    model: ProHMR | PoseRegressor
    """Flax module; one without a density needs weight 0 for `nll`."""
    objective: Objective
    """Weights and noise."""
    axis_name: str | None = None
    """Name of the mapped axis over devices, if any. The mean over it of the objective,
    and of its gradient, is that of the whole batch."""
    train: bool = True
    """Whether batches are normalised by their own statistics and units are dropped."""


@struct.dataclass
class Examples:
    """Holds the people of one step; the leading axis is B."""

    inputs: Float[Array, "B H W 3"] | Keypoints2D
    """Input of the encoder: normalised images, or detected keypoints (crop frame)."""
    labels: Labels
    """Labels of the same people."""
    body: BodyModel
    """Body model whose joints the labels are; without the axis B."""


@struct.dataclass
class Draws:
    """Holds all that is random in one evaluation of the objective."""

    z: Float[Array, "B K 144"]
    """Latents of the bodies; index 0 of K is zero, for the mode."""
    label_noise: Float[Array, "B 24 6"]
    """Noise of unit variance for the 6D labels."""
    dropout_key: jax.Array
    """Random key of the dropped units. It is the same on every device; rows are told
    apart where units are dropped."""


def draw(
    key: jax.Array, rows: int, objective: Objective, axis_name: str | None = None
) -> Draws:
    """Returns the randomness of a step.

    That of a row depends on its number in the batch of all devices, so that it is the
    same on one device as on many.

    Args:
      key: random key of the step, the same on every device.
      rows: number of people on this device.
      objective: tells the number of bodies per person.
      axis_name: name of the mapped axis over devices, if any.
    """
    dropout_key, rows_key = jax.random.split(key)
    keys = jax.vmap(jax.random.split)(row_keys(rows_key, rows, axis_name))
    z = jax.vmap(lambda k: latents(k, (), objective.num_hypotheses))(keys[:, 0])
    shape = (len(skeleton.SMPL_24), 6)
    noise = jax.vmap(lambda k: jax.random.normal(k, shape))(keys[:, 1])
    return Draws(z=z, label_noise=noise, dropout_key=dropout_key)


def objective_value(
    task: ObjectiveOfModel,
    variables: dict,
    examples: Examples,
    draws: Draws,
    *,
    discriminator_params: dict | None = None,
    encoder_share: Float[Array, ""] | float = 1.0,
) -> tuple[Float[Array, ""], LossAux]:
    """Returns the objective (Eq. 9) of a batch, its terms and new batch statistics.

    Args:
      task: the model, and what it is trained with.
      variables: `{params, batch_stats, mean_params}` of the model.
      examples: the people of this device.
      draws: the randomness, of the same number of people.
      discriminator_params: parameters of the discriminator that judges the predicted
        bodies; None leaves the adversarial term at 0.
      encoder_share: factor of the gradient that reaches the encoder from flow and head.
    """
    model, objective, labels = task.model, task.objective, examples.labels
    if objective.readout_alone:
        return _readout_alone(task, variables, examples)
    noisy = labels.pose_6d + objective.label_noise * draws.label_noise

    def forward(module: ProHMR):
        context = module.encode(examples.inputs, task.train)
        reading = None if module.readout is None else module.readout(context)
        context = _scale_gradient(context, encoder_share)
        # Samples, mode, likelihood: the order in which running averages are updated.
        hypotheses = module.hypotheses(context, draws.z, task.train)
        if not objective.weights.nll:
            return hypotheses, jnp.zeros(len(labels.has_pose)), reading
        log_prob = module.log_prob(context, noisy, task.train, labels.has_pose)
        return hypotheses, log_prob, reading

    (hypotheses, log_prob, reading), updated = model.apply(
        variables,
        method=forward,
        mutable=["batch_stats"],
        rngs={"dropout": draws.dropout_key},
    )
    terms = supervised_terms(hypotheses, examples.body, labels).replace(
        nll=_likelihood_term(log_prob, labels.has_pose, task.axis_name)
    )
    if reading is not None:
        terms = terms.replace(readout=jnp.mean(readout_loss(reading, labels)))
    if discriminator_params is not None:
        adversarial = generator_term(discriminator_params, hypotheses.smpl)
        terms = terms.replace(adversarial=adversarial)
    return weighted_sum(terms, objective.weights), LossAux(
        terms=terms,
        batch_stats=updated.get("batch_stats", {}),
        predicted_bodies=hypotheses.smpl,
    )


def _readout_alone(
    task: ObjectiveOfModel, variables: dict, examples: Examples
) -> tuple[Float[Array, ""], LossAux]:
    """Returns the objective of an encoder that is trained without flow and body."""

    def forward(module: ProHMR):
        return module.readout(module.encode(examples.inputs, task.train))

    reading, updated = task.model.apply(
        variables, method=forward, mutable=["batch_stats"]
    )
    terms = dataclasses.replace(
        jax.tree.map(jnp.zeros_like, task.objective.weights),
        readout=jnp.mean(readout_loss(reading, examples.labels)),
    )
    batch_stats = updated.get("batch_stats", {})
    loss = weighted_sum(terms, task.objective.weights)
    return loss, LossAux(terms=terms, batch_stats=batch_stats)


def _scale_gradient(x: Array, share: Float[Array, ""] | float) -> Array:
    """Returns x; its gradient is multiplied by the share."""
    return share * x + jax.lax.stop_gradient((1.0 - share) * x)


def _likelihood_term(
    log_prob: Float[Array, " B"], has_pose: Float[Array, " B"], axis_name: str | None
) -> Float[Array, ""]:
    """Returns -ln p, mean over the labelled poses of all devices; 0 without any."""
    count = jnp.sum(has_pose)
    if axis_name is not None:
        # The mean over devices, which the step takes of the terms, makes it a sum.
        count = jax.lax.pmean(count, axis_name)
    total = -jnp.sum(jnp.where(has_pose > 0, has_pose * log_prob, 0.0))
    return total / jnp.where(count > 0, count, 1.0)


def make_objective(
    task: ObjectiveOfModel,
) -> Callable[[Any, TrainState, jax.Array, Examples], tuple[jax.Array, LossAux]]:
    """Returns the objective as a function `(params, state, key, examples)`.

    The function returns the objective and a `LossAux`. It takes batch statistics and
    the discriminator from the training state, and all its randomness from the key.

    Args:
      task: the model, and what it is trained with.
    """
    objective = task.objective

    def value(params, state: TrainState, key: jax.Array, examples: Examples):
        variables = {
            "params": params,
            "batch_stats": state.batch_stats,
            "mean_params": state.mean_params,
        }
        rows = len(examples.labels.has_pose)
        return objective_value(
            task,
            variables,
            examples,
            draw(key, rows, objective, task.axis_name),
            discriminator_params=state.discriminator_params,
            encoder_share=jnp.float32(state.step >= objective.readout_alone_steps),
        )

    return value


def without_mode(weights: LossTerms) -> LossTerms:
    """Returns the weights of the paper's ablation: no loss on the mode (Table 5)."""
    modes = [name for name in vars(weights) if name.endswith("_mode")]
    return weights.replace(**dict.fromkeys(modes, 0.0))
