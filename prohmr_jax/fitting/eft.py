"""Exemplar fine-tuning (Joo et al., 3DV 2021): the regressor's weights are the prior.

For each person a copy of a trained regressor is tuned, a few steps of Adam, until its
answer projects onto the keypoints; the answer is kept, the copy is dropped. What the
network has learned stands where other fits have a prior over poses.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.fitting.keypoints import View
from prohmr_jax.fitting.objectives import BETAS_WEIGHT, reprojection
from prohmr_jax.geometry.cameras import image_camera
from prohmr_jax.models.pose_regressor import PoseRegressor
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.solver.minimise import Settings, minimise
from prohmr_jax.structs import Body, Box, Camera, Keypoints2D, SmplParams

SETTINGS = Settings(method="adam", max_steps=20, learning_rate=1e-4, patience=100)
"""Ends after its steps, not where it stalls."""


@struct.dataclass
class EftData:
    """One person: what the regressor sees, and what it is tuned to."""

    inputs: Keypoints2D
    """BODY_25, crop frame."""
    box: Box
    """Of the crop, in the frame of `view`."""
    view: View


@struct.dataclass
class EftFit:
    """B fitted people."""

    smpl: SmplParams
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    loss: Float[Array, "*b"]


@struct.dataclass
class Regressor:
    """A trained regressor, and the body that it was trained on."""

    module: PoseRegressor = struct.field(pytree_node=False)
    variables: Mapping
    body: BodyModel

    def answer(self, params, data: EftData) -> tuple[SmplParams, Body, Camera]:
        """Returns one person's body and where the camera has it, by given weights."""
        one = jax.tree.map(lambda a: a[None], data.inputs)
        z = jnp.zeros((1, 1, POSE_FEATURES))
        variables = {**self.variables, "params": params}
        found = self.module.apply(variables, one, z)
        smpl = jax.tree.map(lambda a: a[0, 0], found.smpl)
        weak = jax.tree.map(lambda a: a[0], found.camera)
        lens = data.view.camera
        camera = image_camera(weak, data.box, 2.0 * lens.center, lens.focal_length)
        return smpl, body_joints(self.body, smpl), camera


def eft_objective(
    regressor: Regressor, params: Mapping, data: EftData
) -> Float[Array, ""]:
    """Returns the data and shape terms of Eq. 11 for the body of given weights."""
    smpl, body, camera = regressor.answer(params, data)
    view = data.view
    seen = reprojection(body.joints, view.keypoints, camera, view.image_side)
    return seen + BETAS_WEIGHT * jnp.sum(smpl.betas**2)


@functools.partial(jax.jit, static_argnames=("settings", "at_once"))
def fit_eft(
    regressor: Regressor,
    data: EftData,
    settings: Settings = SETTINGS,
    at_once: int = 8,
) -> EftFit:
    """Returns people fitted to keypoints by fine-tuning, each alone.

    Args:
      regressor: see there.
      data: leading axis of people.
      settings: of the optimiser.
      at_once: how many copies of the weights are tuned at a time; each takes the
        memory of ten.
    """
    objective = functools.partial(eft_objective, regressor)

    def tune(one: EftData) -> EftFit:
        minimum = minimise(objective, regressor.variables["params"], one, settings)
        return EftFit(*regressor.answer(minimum.params, one), minimum.loss)

    return jax.lax.map(tune, data, batch_size=at_once)
