"""The objective of the keypoint-conditioned ProHMR (Eq. 9)."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import cameras, skeleton
from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.losses import (
    keypoint_2d_loss,
    keypoint_3d_loss,
    orthogonality_loss,
    smpl_loss,
    weighted_sum,
)
from prohmr_jax.models.flow import initialize_actnorm
from prohmr_jax.models.prohmr import ProHMR, latents
from prohmr_jax.models.regression import PoseRegressor
from prohmr_jax.pose_prior import PosePrior, sample_axis_angle
from prohmr_jax.rotations import rotmat_to_pose_6d
from prohmr_jax.structs import Hypotheses, LiftingBatch, LossTerms, SmplParams
from prohmr_jax.synthesis import SynthesisSettings, lifting_example


@dataclasses.dataclass(frozen=True)
class LiftingObjective:
    """Weights and noise of the objective."""

    weights: LossTerms
    num_samples: int = 1
    """Draws per person for the expectation (Eq. 7), besides the mode."""
    label_noise: float = 0.005
    """Standard deviation added to the 6D labels of the likelihood."""
    unseen_weight: float = 0.3
    """Of joints that were not given to the network, in the 2D mode loss."""


def true_pose_6d(smpl: SmplParams):
    """Returns `[*b, 24, 6]` of labels: the root, then the body."""
    rotmats = jnp.concatenate(
        [smpl.global_orient[..., None, :, :], smpl.body_pose], axis=-3
    )
    return rotmat_to_pose_6d(rotmats)


def _visible_44(visible):
    """Visibility of all 44 joints from that of BODY_25; lone extra joints count 0."""
    own = np.arange(len(skeleton.JOINTS_44))
    for body_joint, twin in skeleton.TWINS_44:
        own[twin] = body_joint
    known = jnp.asarray(own < len(skeleton.BODY_25))
    taken = visible[..., np.minimum(own, len(skeleton.BODY_25) - 1)]
    return (taken & known).astype(jnp.float32)


def objective_terms(
    hypotheses: Hypotheses,
    body: BodyModel,
    batch: LiftingBatch,
    unseen_weight: float,
) -> LossTerms:
    """Returns all terms but the likelihood (left at 0), as means over people.

    Index 0 of the hypotheses is the mode; the others stand for the expectation.
    """
    betas = hypotheses.smpl.betas[:, :1]
    shaped = shape_body(body, betas, with_vertices=False)
    posed = pose_joints(
        shaped, hypotheses.smpl.global_orient, hypotheses.smpl.body_pose
    )
    camera = cameras.crop_camera(hypotheses.camera)
    shared = jax.tree.map(lambda a: a[:, None], camera)
    xy = cameras.project(posed.joints, shared)

    visible = _visible_44(batch.visible)
    seen_weight = visible + unseen_weight * (1.0 - visible)
    samples = slice(1, None)
    # Of no samples, zero.
    expectation = lambda losses: jnp.sum(losses) / max(losses.size, 1)  # noqa: E731
    everywhere = jnp.ones(xy.shape[:-1])
    target_2d, target_3d = batch.target_2d[:, None], batch.target_3d[:, None]
    loss_3d = keypoint_3d_loss(posed.joints, target_3d, everywhere, skeleton.PELVIS_44)
    orient, pose, betas_term = smpl_loss(
        jax.tree.map(lambda a: a[:, 0], hypotheses.smpl), batch.smpl
    )
    return LossTerms(
        nll=jnp.zeros(()),
        keypoints_2d_exp=expectation(
            keypoint_2d_loss(xy[:, samples], target_2d, visible[:, None])
        ),
        keypoints_2d_mode=jnp.mean(
            keypoint_2d_loss(xy[:, 0], batch.target_2d, seen_weight)
        ),
        keypoints_3d_exp=expectation(loss_3d[:, samples]),
        keypoints_3d_mode=jnp.mean(loss_3d[:, 0]),
        global_orient_mode=jnp.mean(orient),
        body_pose_mode=jnp.mean(pose),
        betas_mode=jnp.mean(betas_term),
        orthogonal=jnp.mean(orthogonality_loss(hypotheses.pose_6d)),
    )


@struct.dataclass
class LiftingInputs:
    """What every step reads; the same on every device."""

    body: BodyModel
    poses: Float[Array, "P 24 3"] | None
    """Bank of axis-angle poses, Y-up root; None trains on the prior alone."""
    prior: PosePrior | None


@dataclasses.dataclass(frozen=True)
class PairMaker:
    """Makes the pairs of a step; every person has a key of their own."""

    people_per_device: int
    prior_fraction: float
    """How many poses are drawn from the prior, where there is a bank too."""
    settings: SynthesisSettings

    def pose(self, key: jax.Array, inputs: LiftingInputs) -> Float[Array, "24 3"]:
        """Returns one pose, of the bank or of the prior."""
        coin_key, index_key, prior_key = jax.random.split(key, 3)
        if inputs.poses is None:
            return sample_axis_angle(inputs.prior, prior_key)
        index = jax.random.randint(index_key, (), 0, len(inputs.poses))
        pose = inputs.poses[index].astype(jnp.float32)
        if inputs.prior is None:
            return pose
        drawn = sample_axis_angle(inputs.prior, prior_key)
        return jnp.where(
            jax.random.bernoulli(coin_key, self.prior_fraction), drawn, pose
        )

    def pair(self, key: jax.Array, inputs: LiftingInputs) -> LiftingBatch:
        """Returns one person, no batch axis."""
        pose_key, example_key = jax.random.split(key)
        pose = self.pose(pose_key, inputs)
        return lifting_example(example_key, inputs.body, pose, self.settings)


def make_loss_function(
    model: ProHMR | PoseRegressor,
    maker: PairMaker,
    objective: LiftingObjective,
    axis_name: str | None = None,
) -> Callable:
    """Returns the loss of one step: pairs made, encoded once, flow, body, terms.

    Randomness is keyed by the global number of a person in the batch, so that the
    same people are met on one device as on many.

    Args:
      model: the module.
      maker: of the pairs.
      objective: weights; a model without a density needs 0 for `nll`.
      axis_name: mapped axis over devices, if any.
    """

    def loss_function(params, state, key, inputs: LiftingInputs):
        device = 0 if axis_name is None else jax.lax.axis_index(axis_name)
        people = maker.people_per_device
        number = device * people + jnp.arange(people)
        # Of the whole step: rows are told apart where units are dropped.
        dropout_key, people_key = jax.random.split(key)
        keys = jax.vmap(
            lambda n: jax.random.split(jax.random.fold_in(people_key, n), 3)
        )(number)
        pair_keys, z_keys, noise_keys = jnp.moveaxis(keys, 1, 0)
        batch = jax.vmap(maker.pair, in_axes=(0, None))(pair_keys, inputs)
        draw = jax.vmap(lambda k: latents(k, (), 1 + objective.num_samples))
        z = draw(z_keys)
        pose_6d = true_pose_6d(batch.smpl)
        noise = jax.vmap(lambda k: jax.random.normal(k, pose_6d.shape[1:]))(noise_keys)
        variables = {
            "params": params,
            "batch_stats": state.batch_stats,
            "mean_params": state.mean_params,
        }

        def forward(module):
            context = module.encode(batch.keypoints, train=True)
            hypotheses = module.hypotheses(context, z, train=True)
            if not objective.weights.nll:
                return hypotheses, jnp.zeros(())
            noisy = pose_6d + objective.label_noise * noise
            return hypotheses, module.log_prob(context, noisy, train=True)

        (hypotheses, log_prob), updated = model.apply(
            variables,
            method=forward,
            mutable=["batch_stats"],
            rngs={"dropout": dropout_key},
        )
        terms = objective_terms(hypotheses, inputs.body, batch, objective.unseen_weight)
        terms = terms.replace(nll=-jnp.mean(log_prob))
        loss = weighted_sum(terms, objective.weights)
        return loss, (terms, updated.get("batch_stats", {}))

    return loss_function


def whitened_variables(
    model: ProHMR,
    variables: dict,
    maker: PairMaker,
    num_people: int,
    key,
    inputs: LiftingInputs,
) -> dict:
    """Returns the variables with ActNorms that whiten `num_people` true poses."""
    keys = jax.random.split(key, num_people)
    batch = jax.vmap(maker.pair, in_axes=(0, None))(keys, inputs)
    flat = true_pose_6d(batch.smpl).reshape(len(keys), -1)

    def whiten(module):
        context = module.encode(batch.keypoints, train=False)
        return module.flow.actnorm_from_data(flat, context, train=False)[0]

    found = model.apply(variables, method=whiten)
    params = variables["params"]
    flow = initialize_actnorm(params["flow"], found)
    return {**variables, "params": {**params, "flow": flow}}
