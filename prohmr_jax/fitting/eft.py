"""Runs exemplar fine-tuning (EFT; Joo et al., 3DV 2021), a baseline.

For each person, a copy of a trained pose regressor is fine-tuned with a few steps of
Adam until its prediction projects onto the keypoints. The prediction is kept and the
copy is dropped: the weights of the network play the part of the pose prior.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.fitting.keypoints import View
from prohmr_jax.fitting.objectives import BETAS_WEIGHT, reprojection
from prohmr_jax.geometry.cameras import image_camera
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import Body, Box, Camera, Keypoints2D, SmplParams


@struct.dataclass
class EftData:
    """Holds what the regressor sees of a person, and the keypoints to fit."""

    inputs: Keypoints2D | Float[Array, "*b H W 3"]
    """Input of the regressor: BODY_25, crop frame, or normalised crops."""
    box: Box
    """Box of the crop, pixels of the frame of `view`."""
    view: View
    """Detections to fit, and the focal length and principal point."""


@struct.dataclass
class EftFit:
    """Holds B fitted people."""

    smpl: SmplParams
    """Pose and shape, body frame to camera frame."""
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    """Camera of the view, pixels."""
    loss: Float[Array, "*b"]
    """Value of `eft_objective`."""


@struct.dataclass
class Regressor:
    """Holds a trained pose regressor and the body model that it was trained with."""

    module: PoseRegressor = struct.field(pytree_node=False)
    """The network."""
    variables: Mapping
    """Trained variables of the network."""
    body: BodyModel
    """The body model."""

    def predict(
        self, params: Mapping, data: EftData
    ) -> tuple[SmplParams, Body, Camera]:
        """Returns the body that given weights predict for one person, and its camera.

        Args:
          params: weights of the network, which replace the trained ones.
          data: one person, without a leading axis.

        Returns:
          Pose and shape, the joints (metres, camera axes), and the camera of the view
          (pixels), whose translation places them.
        """
        inputs = jax.tree.map(lambda a: a[None], data.inputs)
        z = jnp.zeros((1, 1, POSE_FEATURES))
        variables = {**self.variables, "params": params}
        hypotheses = self.module.apply(variables, inputs, z)
        smpl = jax.tree.map(lambda a: a[0, 0], hypotheses.smpl)
        weak = jax.tree.map(lambda a: a[0], hypotheses.camera)
        lens = data.view.camera
        camera = image_camera(weak, data.box, 2.0 * lens.center, lens.focal_length)
        return smpl, body_joints(self.body, smpl), camera


def eft_objective(
    regressor: Regressor, params: Mapping, data: EftData
) -> Float[Array, ""]:
    """Returns the data term and the shape term of Eq. 11 for one person.

    Args:
      regressor: the network and the body model.
      params: weights of the network, which replace the trained ones.
      data: one person, without a leading axis.
    """
    smpl, body, camera = regressor.predict(params, data)
    view = data.view
    data_term = reprojection(body.joints, view.keypoints, camera, view.image_side)
    return data_term + BETAS_WEIGHT * jnp.sum(smpl.betas**2)


@functools.partial(jax.jit, static_argnames=("steps", "at_once"))
def fit_eft(
    regressor: Regressor,
    data: EftData,
    steps: int = 20,
    learning_rate: float = 1e-4,
    at_once: int = 8,
) -> EftFit:
    """Returns people fitted to keypoints by fine-tuning, each person alone.

    Args:
      regressor: the trained network and its body model.
      data: leading axis of people.
      steps: number of steps of Adam.
      learning_rate: learning rate of Adam.
      at_once: number of people whose copies of the weights are tuned at a time. Each
        takes several times the memory of the weights: a copy, its best state, the
        gradient and Adam's two moments.
    """
    objective = functools.partial(eft_objective, regressor)

    def tune(person: EftData) -> EftFit:
        params, loss = best_of_steps(
            lambda params: objective(params, person),
            regressor.variables["params"],
            optax.adam(learning_rate),
            steps,
        )
        return EftFit(*regressor.predict(params, person), loss)

    return jax.lax.map(tune, data, batch_size=at_once)


def best_of_steps(
    objective: Callable[[Mapping], Float[Array, ""]],
    initial: Mapping,
    optimizer: optax.GradientTransformation,
    steps: int,
) -> tuple[Mapping, Float[Array, ""]]:
    """Returns the parameters with the lowest loss on an optimiser's path, and the loss.

    Where loss or gradient is not finite, the path ends. If that is so at the start, the
    initial parameters are returned with an infinite loss.

    Args:
      objective: differentiable function of the parameters.
      initial: initial parameters.
      optimizer: the optimiser.
      steps: number of steps; the objective is evaluated once more than that.
    """

    def step(carry, _):
        params, state, best, best_loss, running = carry
        loss, gradient = jax.value_and_grad(objective)(params)
        finite = [jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves((loss, gradient))]
        running = running & jnp.all(jnp.stack(finite))
        better = running & (loss < best_loss)
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), params, best)
        best_loss = jnp.where(better, loss, best_loss)
        updates, state = optimizer.update(gradient, state, params)
        return (
            optax.apply_updates(params, updates),
            state,
            best,
            best_loss,
            running,
        ), None

    initial = jax.tree.map(jnp.asarray, initial)
    nothing_met = jnp.float32(jnp.inf), jnp.array(True)
    start = (initial, optimizer.init(initial), initial, *nothing_met)
    (_, _, best, best_loss, _), _ = jax.lax.scan(step, start, length=steps + 1)
    return best, best_loss
