"""ProHMR's objective (Eq. 9), whatever the model is conditioned on.

Labels say what is known of each person; what is not known has weight 0. All terms are
means over the people of all devices, except the likelihood, which is a mean over those
whose pose is labelled.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import rotmat_to_pose_6d
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.flow import initialize_actnorm
from prohmr_jax.models.prohmr import ProHMR, latents
from prohmr_jax.models.readout import Reading
from prohmr_jax.models.row_keys import row_keys
from prohmr_jax.structs import (
    Hypotheses,
    Keypoints2D,
    Keypoints3D,
    LossTerms,
    MocapPoses,
    SmplParams,
)
from prohmr_jax.training.losses import (
    critic_loss,
    deception_loss,
    energy_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    orthogonality_loss,
    smpl_loss,
    weighted_sum,
)
from prohmr_jax.training.train_state import LossAux, TrainState


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights and noise; the numbers are the paper's."""

    weights: LossTerms
    samples_per_person: int = 2
    """The mode, and draws for the expectation (Eq. 7)."""
    label_noise: float = 0.005
    """Standard deviation added to the 6D labels of the likelihood."""
    readout_alone_steps: int = 0
    """First steps, in which only the readout teaches the encoder; the flow and the head
    learn from its contexts as they are."""

    @property
    def readout_alone(self) -> bool:
        """Whether nothing but the readout has a weight: an encoder is trained."""
        others = vars(self.weights.replace(readout=0.0)).values()
        return self.weights.readout > 0 and not any(others)


@struct.dataclass
class Labels:
    """What is known of the people of a batch; leading axis B."""

    keypoints_2d: Keypoints2D
    """JOINTS_44, crop frame."""
    mode_confidence_2d: Float[Array, "B 44"]
    """Weight of the same joints in the mode's loss."""
    keypoints_3d: Keypoints3D
    """JOINTS_44."""
    smpl: SmplParams
    """Finite also where nothing is known."""
    has_pose: Float[Array, " B"]
    has_betas: Float[Array, " B"]

    @property
    def pose_6d(self) -> Float[Array, "B 24 6"]:
        """The root's rotation, then the body's."""
        return rotmat_to_pose_6d(self.smpl.rotmats)


@struct.dataclass
class Draws:
    """All that is random in one evaluation of the objective."""

    z: Float[Array, "B K 144"]
    """Zeros first, for the mode."""
    label_noise: Float[Array, "B 24 6"]
    """Of unit variance."""
    dropout_key: jax.Array
    """The same on every device: rows are told apart where units are dropped."""


def draw(
    key: jax.Array, rows: int, objective: Objective, axis_name: str | None = None
) -> Draws:
    """Returns the randomness of a step, each row's by its number in the whole batch."""
    dropout_key, rows_key = jax.random.split(key)
    keys = jax.vmap(jax.random.split)(row_keys(rows_key, rows, axis_name))
    z = jax.vmap(lambda k: latents(k, (), objective.samples_per_person))(keys[:, 0])
    shape = (len(skeleton.SMPL_24), 6)
    noise = jax.vmap(lambda k: jax.random.normal(k, shape))(keys[:, 1])
    return Draws(z=z, label_noise=noise, dropout_key=dropout_key)


def supervised_terms(
    hypotheses: Hypotheses, body: BodyModel, labels: Labels
) -> LossTerms:
    """Returns the terms that compare bodies with labels; the others are left at 0.

    Index 0 of the hypotheses is the mode; the others stand for the expectation, whose
    terms are 0 where there are none.
    """
    # One shape per person, and joints without the mesh.
    shaped = shape_body(body, hypotheses.smpl.betas[:, :1], with_vertices=False)
    posed = pose_joints(
        shaped, hypotheses.smpl.global_orient, hypotheses.smpl.body_pose
    )
    camera = cameras.crop_camera(hypotheses.camera)
    xy = cameras.project(posed.joints, jax.tree.map(lambda a: a[:, None], camera))

    known = jax.tree.map(lambda a: a[:, None], labels)
    is_mode = jnp.arange(xy.shape[1])[:, None] == 0
    confidence_2d = jnp.where(
        is_mode, known.mode_confidence_2d, known.keypoints_2d.confidence
    )
    orient, pose, betas = smpl_loss(hypotheses.smpl, known.smpl)
    per_body = {
        "keypoints_2d": keypoint_2d_loss(xy, known.keypoints_2d.xy, confidence_2d),
        "keypoints_3d": keypoint_3d_loss(
            posed.joints,
            known.keypoints_3d.xyz,
            known.keypoints_3d.confidence,
            skeleton.PELVIS_44,
        ),
        "global_orient": known.has_pose * orient,
        "body_pose": known.has_pose * pose,
        "betas": known.has_betas * betas,
    }
    terms = {}
    for name, loss in per_body.items():
        terms[f"{name}_exp"], terms[f"{name}_mode"] = _expectation_and_mode(loss)
    orthogonal = _expectation_and_mode(orthogonality_loss(hypotheses.pose_6d))
    pelvis = skeleton.PELVIS_44
    relative = lambda joints: joints - joints[..., pelvis : pelvis + 1, :]  # noqa: E731
    two, three = labels.keypoints_2d, labels.keypoints_3d
    energy_2d = energy_loss(xy[:, 1:], two.xy, two.confidence)
    energy_3d = energy_loss(
        relative(posed.joints[:, 1:]), relative(three.xyz), three.confidence
    )
    return LossTerms(
        orthogonal=sum(orthogonal),
        energy_2d=jnp.mean(energy_2d),
        energy_3d=jnp.mean(energy_3d),
        **terms,
    )


# Of the readout's parts; each brings about as much to its sum.
_READOUT_2D, _READOUT_3D, _READOUT_ORIENT, _READOUT_POSE = 0.1, 0.04, 0.3, 0.05


def readout_loss(reading: Reading, labels: Labels) -> Float[Array, " B"]:
    """Returns how far linear readings are from what is known of people."""
    read = SmplParams.from_rotmats(reading.rotmats, labels.smpl.betas)
    orient, pose, _ = smpl_loss(read, labels.smpl)
    keypoints_2d, keypoints_3d = labels.keypoints_2d, labels.keypoints_3d
    return (
        _READOUT_2D
        * keypoint_2d_loss(
            reading.joints_2d, keypoints_2d.xy, labels.mode_confidence_2d
        )
        + _READOUT_3D
        * keypoint_3d_loss(
            reading.joints,
            keypoints_3d.xyz,
            keypoints_3d.confidence,
            skeleton.PELVIS_44,
        )
        + labels.has_pose * (_READOUT_ORIENT * orient + _READOUT_POSE * pose)
    )


def _expectation_and_mode(loss: Float[Array, "B K"]):
    drawn = loss[:, 1:]
    return jnp.sum(drawn) / max(drawn.size, 1), jnp.mean(loss[:, 0])


def objective_value(
    model: ProHMR,
    objective: Objective,
    variables: dict,
    draws: Draws,
    inputs: Any,
    labels: Labels,
    body: BodyModel,
    *,
    critic_params: Any = None,
    encoder_share: Float[Array, ""] | float = 1.0,
    axis_name: str | None = None,
    train: bool = True,
) -> tuple[Float[Array, ""], LossAux]:
    """Returns the objective: encoded once, flow, body, terms.

    Args:
      model: the module; one without a density needs weight 0 for `nll`.
      objective: weights.
      variables: of the model.
      draws: the randomness.
      inputs: of the encoder.
      labels: of the same people.
      body: whose joints the labels are of.
      critic_params: of the discriminator that the bodies are to deceive; None: none.
      encoder_share: of the gradient of flow and head, what reaches the encoder.
      axis_name: mapped axis over devices, if any. The mean over it of the values, and
        of their gradients, is that of the whole batch.
      train: batch statistics and dropout.
    """
    if objective.readout_alone:
        return _readout_alone(model, objective, variables, inputs, labels, train)
    noisy = labels.pose_6d + objective.label_noise * draws.label_noise

    def forward(module: ProHMR):
        context = module.encode(inputs, train)
        reading = None if module.readout is None else module.readout(context)
        context = _scale_gradient(context, encoder_share)
        # Draws, mode, likelihood: the order in which running averages are updated.
        hypotheses = module.hypotheses(context, draws.z, train)
        if not objective.weights.nll:
            return hypotheses, jnp.zeros(len(labels.has_pose)), reading
        log_prob = module.log_prob(context, noisy, train, labels.has_pose)
        return hypotheses, log_prob, reading

    (hypotheses, log_prob, reading), updated = model.apply(
        variables,
        method=forward,
        mutable=["batch_stats"],
        rngs={"dropout": draws.dropout_key},
    )
    terms = supervised_terms(hypotheses, body, labels).replace(
        nll=_likelihood_term(log_prob, labels.has_pose, axis_name)
    )
    if reading is not None:
        terms = terms.replace(readout=jnp.mean(readout_loss(reading, labels)))
    if critic_params is not None:
        scores = _scores(critic_params, hypotheses.smpl)
        deception = jnp.sum(deception_loss(scores), axis=1)
        terms = terms.replace(adversarial=jnp.mean(deception))
    loss = weighted_sum(terms, objective.weights)
    batch_stats = updated.get("batch_stats", {})
    return loss, LossAux(terms=terms, batch_stats=batch_stats, made=hypotheses.smpl)


def _readout_alone(
    model: ProHMR, objective: Objective, variables: dict, inputs, labels, train: bool
) -> tuple[Float[Array, ""], LossAux]:
    """The objective of an encoder that learns for itself: no flow, no body."""

    def forward(module: ProHMR):
        return module.readout(module.encode(inputs, train))

    reading, updated = model.apply(variables, method=forward, mutable=["batch_stats"])
    terms = dataclasses.replace(
        jax.tree.map(jnp.zeros_like, objective.weights),
        readout=jnp.mean(readout_loss(reading, labels)),
    )
    batch_stats = updated.get("batch_stats", {})
    loss = weighted_sum(terms, objective.weights)
    return loss, LossAux(terms=terms, batch_stats=batch_stats)


def _scale_gradient(x: Array, share: Float[Array, ""] | float) -> Array:
    """Returns x; only that share of a gradient goes through."""
    return share * x + jax.lax.stop_gradient((1.0 - share) * x)


def _likelihood_term(log_prob, has_pose, axis_name) -> Float[Array, ""]:
    """-ln p, mean over the labelled poses of all devices; 0 if there are none."""
    count = jnp.sum(has_pose)
    if axis_name is not None:
        # As a share of this device, since the step takes the mean over devices.
        count = jax.lax.pmean(count, axis_name)
    total = -jnp.sum(jnp.where(has_pose > 0, has_pose * log_prob, 0.0))
    return total / jnp.where(count > 0, count, 1.0)


def make_objective(model: ProHMR, objective: Objective, axis_name: str | None = None):
    """Returns `(params, state, key, inputs, labels, body) -> (loss, aux)`.

    Args:
      model: the module.
      objective: weights.
      axis_name: mapped axis over devices, if any.
    """

    def value(params, state: TrainState, key, inputs, labels: Labels, body: BodyModel):
        variables = {
            "params": params,
            "batch_stats": state.batch_stats,
            "mean_params": state.mean_params,
        }
        return objective_value(
            model,
            objective,
            variables,
            draw(key, len(labels.has_pose), objective, axis_name),
            inputs,
            labels,
            body,
            critic_params=state.critic_params,
            encoder_share=jnp.float32(state.step >= objective.readout_alone_steps),
            axis_name=axis_name,
        )

    return value


def _scores(critic_params: Any, smpl: SmplParams | MocapPoses):
    return Discriminator().apply({"params": critic_params}, smpl.body_pose, smpl.betas)


def init_critic(key: jax.Array, num_betas: int) -> Any:
    """Returns fresh weights of the discriminator."""
    pose = jnp.zeros((1, len(skeleton.SMPL_24) - 1, 3, 3))
    return jax.jit(Discriminator().init)(key, pose, jnp.zeros((1, num_betas)))["params"]


def without_mode(weights: LossTerms) -> LossTerms:
    """Returns the weights of the paper's ablation: no loss on the mode (Table 5)."""
    modes = [name for name in vars(weights) if name.endswith("_mode")]
    return weights.replace(**dict.fromkeys(modes, 0.0))


def discriminator_loss(
    critic_params: Any, made: SmplParams, real: MocapPoses
) -> Float[Array, ""]:
    """Returns how badly the discriminator tells bodies apart, mean over the made ones.

    Args:
      critic_params: of the discriminator.
      made: bodies of the model, leading axes [B, K].
      real: bodies of the capture, leading axis [B K].
    """
    return critic_loss(_scores(critic_params, made), _scores(critic_params, real))


def whitened_variables(
    model: ProHMR, variables: dict, inputs: Any, labels: Labels
) -> dict:
    """Returns the variables with ActNorms that whiten the labelled poses of a batch.

    Batch statistics are used, running ones not changed; no unit is dropped.
    """

    @jax.jit
    def found(variables, inputs, labels):
        flat = labels.pose_6d.reshape(len(labels.has_pose), -1)

        def whiten(module: ProHMR):
            context, weights = module.encode(inputs, True), labels.has_pose
            return module.flow.actnorm_from_data(flat, context, True, weights)

        whole = model.clone(flow=model.flow.clone(dropout_rate=0.0))
        (actnorms, _), _ = whole.apply(
            variables, method=whiten, mutable=["batch_stats"]
        )
        return actnorms

    params = variables["params"]
    flow = initialize_actnorm(params["flow"], found(variables, inputs, labels))
    return {**variables, "params": {**params, "flow": flow}}
