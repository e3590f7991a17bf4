"""Shows people of given poses to a random camera, for the evaluations of lifting."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.structs import Body, Camera, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import (
    KeypointPairSettings,
    random_camera,
    random_view,
)


@struct.dataclass
class ShownPerson:
    """Holds one person and the camera, in camera axes."""

    body: Body
    """Joints, metres."""
    smpl: SmplParams
    """Pose and shape."""
    camera: Camera
    """Camera whose image plane is z = 1."""
    xy: Float[Array, "25 2"]
    """Joints of BODY_25 in the plane z = 1."""


def show_person(
    key: jax.Array, axis_angle: Float[Array, "24 3"], body: BodyModel
) -> tuple[ShownPerson, jax.Array]:
    """Returns a person of a given pose, and a key for how the person is detected.

    Shape, view and camera are drawn from the settings of training.

    Args:
      key: the person's random key.
      axis_angle: pose, radians, the root in a world with Y up.
      body: the body model.
    """
    settings = KeypointPairSettings()
    view_key, shape_key, camera_key, detector_key = jax.random.split(key, 4)
    rotmats = axis_angle_to_rotmat(axis_angle)
    view = random_view(view_key, settings)
    smpl = SmplParams(
        global_orient=jnp.matmul(view, rotmats[0], precision="highest"),
        body_pose=rotmats[1:],
        betas=jax.random.normal(shape_key, (body.num_betas,)),
    )
    posed = body_joints(body, smpl)
    camera = random_camera(camera_key, posed.joints, settings)
    xy = cameras.project(posed.joints, camera)[: len(skeleton.BODY_25)]
    return ShownPerson(posed, smpl, camera, xy), detector_key
