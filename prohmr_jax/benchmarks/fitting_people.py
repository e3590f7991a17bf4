"""Makes what the benchmark of fits works on: a flow, a body and random people."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.benchmarks import naive
from prohmr_jax.benchmarks.naive import DenseBody
from prohmr_jax.body import make_body_model
from prohmr_jax.files.body_files import BodyArrays
from prohmr_jax.fitting.keypoints import View, crop_view
from prohmr_jax.fitting.objectives import FittingModel, decode_body
from prohmr_jax.geometry import cameras
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import Keypoints2D, WeakCamera

# Standard deviation of the detections' noise, pixels of the crop.
_NOISE_PX = 2.0


def with_vertices(arrays: BodyArrays, number: int) -> BodyArrays:
    """Returns a body with its vertices repeated: the same joints, but more work.

    Args:
      arrays: the body.
      number: number of vertices of the returned body.
    """
    num_before = len(arrays.v_template)
    rows = np.arange(number) % num_before
    num_new = max(number - num_before, 0)

    def wide(regressor: np.ndarray) -> np.ndarray:
        # Only the first copy of a vertex is read.
        return np.pad(regressor, ((0, 0), (0, num_new)))[:, :number]

    return dataclasses.replace(
        arrays,
        v_template=arrays.v_template[rows],
        shapedirs=arrays.shapedirs[rows],
        posedirs=arrays.posedirs[rows],
        weights=arrays.weights[rows],
        joint_regressor=wide(arrays.joint_regressor),
        extra_regressor=wide(arrays.extra_regressor),
    )


@struct.dataclass
class People:
    """Holds P people as a network predicts them, and their detections."""

    context: Float[Array, "P C"]
    """Context vectors that condition the flow."""
    betas: Float[Array, "P S"]
    """Predicted shape coefficients."""
    view: View
    """Detections and cameras that fits start from, in crops."""


def random_people(model: FittingModel, people: int, context: int, seed: int) -> People:
    """Returns people whose poses are drawn from the flow, with noisy detections.

    Args:
      model: flow and body.
      people: number P of people.
      context: number C of context features.
      seed: seed of everything random.
    """
    keys = iter(jax.random.split(jax.random.key(seed), 8))
    normal = lambda *shape: jax.random.normal(next(keys), shape)  # noqa: E731
    # The features of a ResNet are not negative either.
    features = jnp.abs(normal(people, context))
    true_betas = normal(people, model.body.num_betas)
    z = normal(people, POSE_FEATURES)
    body = jax.jit(
        lambda: decode_body(
            model, z, true_betas, project_context(model.flow, features)
        )[1]
    )()
    scale = 0.9 + 0.05 * normal(people)
    weak = WeakCamera(scale, 0.05 * normal(people, 2))
    xy = cameras.project(body.joints, cameras.crop_camera(weak))
    xy = xy + _NOISE_PX / cameras.CROP_SIZE_PX * normal(*xy.shape)
    detected = np.arange(len(skeleton.JOINTS_44)) < len(skeleton.BODY_25)
    keypoints = Keypoints2D(xy, jnp.broadcast_to(detected, xy.shape[:2]) * 1.0)
    predicted = WeakCamera(jnp.full(people, 0.9), jnp.zeros((people, 2)))
    betas = 0.1 * normal(people, model.body.num_betas)
    return People(features, betas, crop_view(keypoints, predicted))


@dataclasses.dataclass(frozen=True)
class Subject:
    """Holds weights and a body in the forms that ours and the naive code take."""

    flow: ConditionalGlow
    """Flow as it is trained, for the naive code."""
    variables: Any
    """Weights of that flow."""
    model: FittingModel
    """Prepared flow and body, for ours."""
    dense: DenseBody
    """Body for the naive code."""

    def people(self, number: int, seed: int) -> People:
        """Returns random people for these weights; see `random_people`.

        Args:
          number: number of people.
          seed: seed of everything random.
        """
        return random_people(self.model, number, self.flow.context_features, seed)


def make_subject(flow: ConditionalGlow, variables: Any, arrays: BodyArrays) -> Subject:
    """Returns weights and a body on the device, in both forms.

    Args:
      flow: the flow as it is trained.
      variables: its weights.
      arrays: the body.
    """
    variables = jax.device_put(variables)
    body = jax.device_put(make_body_model(**vars(arrays)))
    model = FittingModel(prepare_flow(flow, variables), body)
    return Subject(flow, variables, model, naive.dense_body(arrays))
