"""Makes the scenes in which fits are compared: known poses seen from several views."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Body, Keypoints2D, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import (
    KeypointPairSettings,
    random_camera,
    random_view,
)


@struct.dataclass
class Scenes:
    """Holds G people of known pose, each seen by N cameras of focal length 1."""

    body: Body
    """True joints, metres, world axes, leading axis [G]."""
    extrinsics: Extrinsics
    """Transformations from the world to the cameras, leading axis [G]."""
    keypoints: Keypoints2D
    """Detected keypoints (BODY_25) at focal length 1, leading axes [G, N]."""


def make_scenes(
    body: BodyModel, condition: Callable, num_views: int
) -> Callable[[jax.Array, jax.Array], Scenes]:
    """Returns a jitted function that places people in front of random cameras.

    The function takes random keys [G] and poses [G, 24, 3] (axis-angle, radians) and
    returns `Scenes`.

    Args:
      body: body model, whose shapes are drawn at random.
      condition: one of `keypoint_errors.CONDITIONS`, which makes detections of true
        keypoints.
      num_views: number N of cameras of each person.
    """
    settings = KeypointPairSettings()

    def scene(key, axis_angle):
        shape_key, views_key = jax.random.split(key)
        rotmats = axis_angle_to_rotmat(axis_angle)
        betas = jax.random.normal(shape_key, (body.num_betas,))
        world = body_joints(body, SmplParams.from_rotmats(rotmats, betas))

        def view(key):
            view_key, camera_key, detector_key = jax.random.split(key, 3)
            rotation = random_view(view_key, settings)
            joints = jnp.matmul(world.joints, rotation.T, precision="highest")
            camera = random_camera(camera_key, joints, settings)
            xy = cameras.project(joints, camera)[: len(BODY_25)]
            return Extrinsics(rotation, camera.translation), condition(detector_key, xy)

        extrinsics, keypoints = jax.vmap(view)(jax.random.split(views_key, num_views))
        return Scenes(world, extrinsics, keypoints)

    return jax.jit(jax.vmap(scene))
