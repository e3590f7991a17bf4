"""Trains models that lift skeletons on pairs that are made inside the step (Sec. 3.6).

`modes.train_lifter` calls it.
"""

import jax
import jax.numpy as jnp

from prohmr_jax.models.flow import initialize_actnorm
from prohmr_jax.models.lifter_spec import Lifter
from prohmr_jax.models.row_keys import row_keys
from prohmr_jax.models.skeleton_lifter import SkeletonLifter
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthetic.skeleton_pairs import SkeletonPair, skeleton_pair
from prohmr_jax.training.keypoint_model import LiftingInputs, PairMaker
from prohmr_jax.training.lifter_objective import (
    LABEL_NOISE,
    LiftingDraws,
    LiftingTask,
    lifting_objective,
)
from prohmr_jax.training.train_state import LossFunction


def make_pairs(
    maker: PairMaker, keys: jax.Array, inputs: LiftingInputs
) -> SkeletonPair:
    """Returns pairs of 2D joints and 3D joints, leading axis B.

    Args:
      maker: draws the poses, and says how bodies are seen and detected.
      keys: random key of each person, [B].
      inputs: body and poses.
    """

    def pair(key: jax.Array) -> SkeletonPair:
        pose_key, example_key = jax.random.split(key)
        pose = maker.pose(pose_key, inputs)
        return skeleton_pair(example_key, inputs.body, pose, maker.settings)

    return jax.vmap(pair)(keys)


def make_loss_function(
    model: Lifter,
    maker: PairMaker,
    weights: LossTerms,
    axis_name: str | None = None,
) -> LossFunction:
    """Returns the loss of one step on pairs, a `train_state.LossFunction`.

    Its inputs are `LiftingInputs`. The random numbers of a pair depend on its number in
    the batch of all devices, so that one device sees the same people as many. Of each
    input the mode alone is predicted, not samples, as in the paper.

    Args:
      model: the Flax module.
      maker: makes the pairs.
      weights: weights of the terms `nll` and `keypoints_3d_mode`; a model with one
        answer needs 0 for `nll`.
      axis_name: name of the mapped axis over devices, if any.
    """
    task = LiftingTask(model, weights)

    def loss_function(params, state, key, inputs: LiftingInputs):
        pairs_key, noise_key, dropout_key = jax.random.split(key, 3)
        rows = maker.people_per_device
        pairs = make_pairs(maker, row_keys(pairs_key, rows, axis_name), inputs)
        noise_keys = row_keys(noise_key, rows, axis_name)
        shape = pairs.joints.shape[1:]
        draws = LiftingDraws(
            z=jnp.zeros((rows, 1, model.latent_features)),
            label_noise=jax.vmap(lambda k: jax.random.normal(k, shape))(noise_keys),
            dropout_key=dropout_key,
        )
        variables = {"params": params, "batch_stats": state.batch_stats}
        loss, aux, _ = lifting_objective(
            task, variables, pairs.keypoints, pairs.joints, draws
        )
        return loss, aux

    return loss_function


def whitened(
    model: SkeletonLifter,
    variables: dict,
    maker: PairMaker,
    num_people: int,
    key: jax.Array,
    inputs: LiftingInputs,
) -> dict:
    """Returns the variables with ActNorms that whiten the true joints of some people.

    The batch is normalised by its own statistics, and no unit is dropped.

    Args:
      model: the Flax module, built without a mapped axis.
      variables: fresh `{params, batch_stats, mean_params}` of the model.
      maker: makes the pairs.
      num_people: number of people whose joints are whitened.
      key: random key of the people.
      inputs: body and poses.
    """

    @jax.jit
    def actnorms_of(variables, key, inputs):
        pairs_key, noise_key = jax.random.split(key)
        pairs = make_pairs(maker, jax.random.split(pairs_key, num_people), inputs)
        flat = pairs.joints.reshape(num_people, -1)
        flat += LABEL_NOISE * jax.random.normal(noise_key, flat.shape)

        def whiten(module: SkeletonLifter):
            context = module.encode(pairs.keypoints, True)
            return module.flow.actnorm_from_data(flat, context, True)

        undropped = model.clone(
            encoder=model.encoder.clone(dropout_rate=0.0),
            flow=model.flow.clone(dropout_rate=0.0),
        )
        (actnorms, _), _ = undropped.apply(
            variables, method=whiten, mutable=["batch_stats"]
        )
        return actnorms

    params = variables["params"]
    flow = initialize_actnorm(params["flow"], actnorms_of(variables, key, inputs))
    return {**variables, "params": {**params, "flow": flow}}
