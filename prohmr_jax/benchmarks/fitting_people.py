"""What benchmarks of fits work on: a flow, a body of SMPL's size, and random people."""

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
from prohmr_jax.models.prepared_flow import prepare_flow, project_context
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import Keypoints2D, WeakCamera

# Of detections, pixels of the crop.
_NOISE_PX = 2.0


def with_vertices(arrays: BodyArrays, number: int) -> BodyArrays:
    """Returns the same body with vertices repeated: the same joints, more work."""
    have = len(arrays.v_template)
    rows = np.arange(number) % have
    # Regressors read the first copies.
    wide = lambda a: np.pad(a, ((0, 0), (0, max(number - have, 0))))[:, :number]  # noqa: E731
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
    """What a network says of people, and their detections."""

    context: Float[Array, "P C"]
    betas: Float[Array, "P S"]
    view: View


def random_people(model: FittingModel, people: int, context: int, seed: int) -> People:
    """Returns detections of poses drawn from the flow, in crops, with noise."""
    keys = iter(jax.random.split(jax.random.key(seed), 8))
    normal = lambda *shape: jax.random.normal(next(keys), shape)  # noqa: E731
    # As a ResNet's features: none is negative.
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
    guessed = WeakCamera(jnp.full(people, 0.9), jnp.zeros((people, 2)))
    betas = 0.1 * normal(people, model.body.num_betas)
    return People(features, betas, crop_view(keypoints, guessed))


@dataclasses.dataclass(frozen=True)
class Subject:
    """Weights and a body, as ours and as the naive path take them."""

    flow: ConditionalGlow
    variables: Any
    model: FittingModel
    dense: DenseBody

    def people(self, number: int, seed: int) -> People:
        """Returns `random_people` for these weights."""
        return random_people(self.model, number, self.flow.context_features, seed)


def make_subject(flow: ConditionalGlow, variables: Any, arrays: BodyArrays) -> Subject:
    """Returns weights and a body on the device."""
    variables = jax.device_put(variables)
    body = jax.device_put(make_body_model(**vars(arrays)))
    model = FittingModel(prepare_flow(flow, variables), body)
    return Subject(flow, variables, model, naive.dense_body(arrays))
