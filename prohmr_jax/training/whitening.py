"""Initialises the flow from data, so that its first ActNorms whiten labelled poses.

`keypoint_model` and `image_model` call it once, before the first step of a new run.
"""

import jax
from jaxtyping import Array, Float

from prohmr_jax.models.flow import initialize_actnorm
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.training.labels import Labels


def whitened_variables(
    model: ProHMR,
    variables: dict,
    inputs: Float[Array, "B H W 3"] | Keypoints2D,
    labels: Labels,
) -> dict:
    """Returns the variables with ActNorms that whiten the labelled poses of a batch.

    The batch is normalised by its own statistics, running ones are not changed, and no
    unit is dropped. People without a labelled pose have no influence.

    Args:
      model: the Flax module, built without a mapped axis.
      variables: fresh `{params, batch_stats, mean_params}` of the model.
      inputs: input of the encoder, of the people of all devices.
      labels: labels of the same people.
    """

    @jax.jit
    def actnorms_of(variables, inputs, labels):
        flat = labels.pose_6d.reshape(len(labels.has_pose), -1)

        def whiten(module: ProHMR):
            context, weights = module.encode(inputs, True), labels.has_pose
            return module.flow.actnorm_from_data(flat, context, True, weights)

        undropped = model.clone(flow=model.flow.clone(dropout_rate=0.0))
        (actnorms, _), _ = undropped.apply(
            variables, method=whiten, mutable=["batch_stats"]
        )
        return actnorms

    params = variables["params"]
    actnorms = actnorms_of(variables, inputs, labels)
    flow = initialize_actnorm(params["flow"], actnorms)
    return {**variables, "params": {**params, "flow": flow}}
