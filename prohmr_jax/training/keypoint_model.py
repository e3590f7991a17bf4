"""Trains the keypoint-conditioned ProHMR on pairs that are made inside the step.

`modes.train_keypoints` calls it; no photo is read.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.row_keys import row_keys
from prohmr_jax.priors.detector_errors import DetectorErrors
from prohmr_jax.priors.gaussian_mixture import PosePrior, sample_axis_angle
from prohmr_jax.structs import Keypoints2D, Keypoints3D, LiftingBatch
from prohmr_jax.synthetic.keypoint_pairs import KeypointPairSettings, keypoint_pair
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.objective import (
    Examples,
    Objective,
    ObjectiveOfModel,
    make_objective,
)
from prohmr_jax.training.train_state import LossFunction
from prohmr_jax.training.whitening import whitened_variables


def _visible_44(visible: Bool[Array, "*b 25"]) -> Float[Array, "*b 44"]:
    """Returns the visibility of all 44 joints, 0 or 1, from that of BODY_25.

    An extra joint that is none of BODY_25's counts as not visible.
    """
    source = np.arange(len(skeleton.JOINTS_44))
    for body_joint, twin in skeleton.TWINS_44:
        source[twin] = body_joint
    is_known = jnp.asarray(source < len(skeleton.BODY_25))
    by_joint = visible[..., np.minimum(source, len(skeleton.BODY_25) - 1)]
    return (by_joint & is_known).astype(jnp.float32)


def labels_of(batch: LiftingBatch, unseen_weight: float) -> Labels:
    """Returns the labels of the people of a batch, of whom everything is known.

    Args:
      batch: pairs of keypoints and bodies.
      unseen_weight: weight, in the 2D loss of the mode, of joints that were not given
        to the network; in that of the samples their weight is 0.
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
    """Holds what every step reads; it is the same on every device."""

    body: BodyModel
    """Body model that is posed."""
    poses: Float[Array, "P 24 3"] | None
    """Bank of poses, axis-angles in radians, root with Y up; None trains on the prior
    alone."""
    prior: PosePrior | None
    """Distribution of poses; None trains on the bank alone."""
    detector: DetectorErrors | None = None
    """The measured detector; None where the pairs need none."""


@dataclasses.dataclass(frozen=True)
class PairMaker:
    """Makes the pairs of keypoints and bodies of a step."""

    people_per_device: int
    """Number of pairs per step on each device."""
    prior_fraction: float
    """Share of the poses that are drawn from the prior, where there is a bank too."""
    settings: KeypointPairSettings
    """How bodies are seen, and how detections of them err."""
    unseen_weight: float = 0.3
    """Weight, in the 2D loss of the mode, of joints not given to the network."""

    def pose(self, key: jax.Array, inputs: LiftingInputs) -> Float[Array, "24 3"]:
        """Returns one pose of the bank or of the prior, axis-angles in radians."""
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
        """Returns the pair of one person, without a batch axis."""
        pose_key, example_key = jax.random.split(key)
        pose = self.pose(pose_key, inputs)
        return keypoint_pair(
            example_key, inputs.body, pose, self.settings, inputs.detector
        )


def make_loss_function(
    model: ProHMR | PoseRegressor,
    maker: PairMaker,
    objective: Objective,
    axis_name: str | None = None,
) -> LossFunction:
    """Returns the loss of one step on pairs, a `train_state.LossFunction`.

    Its inputs are `LiftingInputs`. The random numbers of a pair depend on its number in
    the batch of all devices, so that one device sees the same people as many.

    Args:
      model: the Flax module.
      maker: makes the pairs.
      objective: weights of the terms; a model without a density needs 0 for `nll`.
      axis_name: name of the mapped axis over devices, if any.
    """
    value = make_objective(ObjectiveOfModel(model, objective, axis_name))

    def loss_function(params, state, key, inputs: LiftingInputs):
        pairs_key, draws_key = jax.random.split(key)
        keys = row_keys(pairs_key, maker.people_per_device, axis_name)
        batch = jax.vmap(maker.pair, in_axes=(0, None))(keys, inputs)
        labels = labels_of(batch, maker.unseen_weight)
        examples = Examples(batch.keypoints, labels, inputs.body)
        return value(params, state, draws_key, examples)

    return loss_function


def whitened(
    model: ProHMR,
    variables: dict,
    maker: PairMaker,
    num_people: int,
    key: jax.Array,
    inputs: LiftingInputs,
) -> dict:
    """Returns the variables with ActNorms that whiten the true poses of some people.

    Args:
      model: the Flax module, built without a mapped axis.
      variables: fresh `{params, batch_stats, mean_params}` of the model.
      maker: makes the pairs.
      num_people: number of people whose poses are whitened.
      key: random key of the people.
      inputs: body and poses.
    """
    keys = jax.random.split(key, num_people)
    batch = jax.jit(jax.vmap(maker.pair, in_axes=(0, None)))(keys, inputs)
    labels = labels_of(batch, maker.unseen_weight)
    return whitened_variables(model, variables, batch.keypoints, labels)
