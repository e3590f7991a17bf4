"""Training of the keypoint-conditioned ProHMR: pairs made in the step, no photos."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.row_keys import row_keys
from prohmr_jax.priors.gaussian_mixture import PosePrior, sample_axis_angle
from prohmr_jax.structs import Keypoints2D, Keypoints3D, LiftingBatch
from prohmr_jax.synthetic.keypoint_pairs import KeypointPairSettings, keypoint_pair
from prohmr_jax.training.objective import (
    Labels,
    Objective,
    make_objective,
    whitened_variables,
)


def _visible_44(visible):
    """Visibility of all 44 joints from that of BODY_25; lone extra joints count 0."""
    own = np.arange(len(skeleton.JOINTS_44))
    for body_joint, twin in skeleton.TWINS_44:
        own[twin] = body_joint
    known = jnp.asarray(own < len(skeleton.BODY_25))
    taken = visible[..., np.minimum(own, len(skeleton.BODY_25) - 1)]
    return (taken & known).astype(jnp.float32)


def labels_of(batch: LiftingBatch, unseen_weight: float) -> Labels:
    """Returns what is known of the people of a batch: everything.

    Args:
      batch: the pairs.
      unseen_weight: of joints that were not given to the network, in the mode's 2D
        loss; draws are free there.
    """
    visible = _visible_44(batch.visible)
    everyone = jnp.ones(visible.shape[:-1])
    return Labels(
        keypoints_2d=Keypoints2D(batch.target_2d, visible),
        mode_confidence_2d=visible + unseen_weight * (1.0 - visible),
        keypoints_3d=Keypoints3D(batch.target_3d, jnp.ones_like(visible)),
        smpl=batch.smpl,
        has_pose=everyone,
        has_betas=everyone,
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
    settings: KeypointPairSettings
    unseen_weight: float = 0.3
    """Of joints that were not given to the network, in the mode's 2D loss."""

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
        return keypoint_pair(example_key, inputs.body, pose, self.settings)


def make_loss_function(
    model: ProHMR | PoseRegressor,
    maker: PairMaker,
    objective: Objective,
    axis_name: str | None = None,
) -> Callable:
    """Returns the loss of one step: pairs made, then `objective.make_objective`.

    Randomness is keyed by the global number of a person in the batch, so that the
    same people are met on one device as on many.

    Args:
      model: the module.
      maker: of the pairs.
      objective: weights; a model without a density needs 0 for `nll`.
      axis_name: mapped axis over devices, if any.
    """
    value = make_objective(model, objective, axis_name)

    def loss_function(params, state, key, inputs: LiftingInputs):
        pairs_key, draws_key = jax.random.split(key)
        keys = row_keys(pairs_key, maker.people_per_device, axis_name)
        batch = jax.vmap(maker.pair, in_axes=(0, None))(keys, inputs)
        labels = labels_of(batch, maker.unseen_weight)
        return value(params, state, draws_key, batch.keypoints, labels, inputs.body)

    return loss_function


def whitened(
    model: ProHMR,
    variables: dict,
    maker: PairMaker,
    num_people: int,
    key,
    inputs: LiftingInputs,
) -> dict:
    """Returns the variables with ActNorms that whiten `num_people` true poses."""
    keys = jax.random.split(key, num_people)
    batch = jax.jit(jax.vmap(maker.pair, in_axes=(0, None)))(keys, inputs)
    labels = labels_of(batch, maker.unseen_weight)
    return whitened_variables(model, variables, batch.keypoints, labels)
