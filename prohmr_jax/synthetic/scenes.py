"""Draws the people of pictures and the cameras around them, on the device.

`dataset` calls it for batches of people.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.body import BodyModel, pose_body, shape_body
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, rotmat_to_axis_angle
from prohmr_jax.synthetic.keypoint_pairs import (
    KeypointPairSettings,
    random_camera,
    random_view,
)
from prohmr_jax.synthetic.pose_source import PoseSource, Split

# These cameras are nearer and more level than those of the keypoint model's training.
CAMERAS = KeypointPairSettings(max_distance=10.0, pitch_std_deg=15.0, roll_std_deg=6.0)


@struct.dataclass
class Scene:
    """Holds a person and the N cameras around, as NumPy arrays.

    The world is in metres with Y up and the floor at y = 0.
    """

    component: Int[Array, "*b"]
    """Number of the Gaussian of the pose prior to which the pose belongs."""
    body_pose: Float[Array, "*b 23 3"]
    """Axis-angle rotations relative to the parent joints, radians."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""
    vertices: Float[Array, "*b V 3"]
    """Vertices in the world, metres."""
    joints: Float[Array, "*b 44 3"]
    """Joints in the world, metres, in the order of JOINTS_44."""
    global_orient: Float[Array, "*b N 3"]
    """Axis-angle rotations from the body frame to the axes of each camera, radians."""
    rotation: Float[Array, "*b N 3 3"]
    """Rotations from world axes to the axes of each camera."""
    translation: Float[Array, "*b N 3"]
    """Position of the world's origin in the frame of each camera, metres."""


def sample_scenes(
    body: BodyModel,
    poses: PoseSource,
    split: Split,
    seed: int,
    numbers: np.ndarray,
    num_views: int,
) -> Scene:
    """Returns the scenes of P people; the leading axis has size P.

    Args:
      body: any body.
      poses: source of the poses.
      split: split of the dataset to which the people belong.
      seed: seed of the dataset.
      numbers: [P], numbers of the people in their split; a scene depends only on the
        number of its own person.
      num_views: number of cameras per person.
    """
    key = jax.random.fold_in(jax.random.key(seed), list(Split).index(split))
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
    axis_angle, component = poses.draw(split, keys, numbers)
    scenes = scenes_of_poses(body, keys, axis_angle, component, num_views)
    return jax.tree.map(np.asarray, scenes)


@functools.partial(jax.jit, static_argnames="num_views")
def scenes_of_poses(
    body: BodyModel,
    keys: jax.Array,
    axis_angle: Float[Array, "P 24 3"],
    component: Int[Array, " P"],
    num_views: int,
) -> Scene:
    """Returns the scenes of P given poses as arrays on the device.

    Args:
      body: any body.
      keys: [P], random keys of the people, for shapes and cameras.
      axis_angle: poses, radians, with the root relative to a world with Y up.
      component: numbers of the Gaussians to which the poses belong.
      num_views: number of cameras per person.
    """
    one = functools.partial(_sample_scene, body, num_views=num_views)
    return jax.vmap(one)(keys, axis_angle, component)


def _sample_scene(
    body: BodyModel,
    key: jax.Array,
    axis_angle: Float[Array, "24 3"],
    component: Int[Array, ""],
    num_views: int,
) -> Scene:
    # Poses are drawn with the numbers 0 and 1 folded into the key.
    keys = [jax.random.fold_in(key, child) for child in (2, 3, 4)]
    betas = jax.random.normal(keys[0], (body.num_betas,))
    rotmats = axis_angle_to_rotmat(axis_angle)
    shaped = shape_body(body, betas)
    posed = pose_body(shaped, rotmats[0], rotmats[1:])
    # The person stands on the floor, above the origin.
    pelvis = shaped.joints[0]
    to_world = -pelvis.at[1].set(jnp.min(posed.vertices[:, 1]))
    joints = posed.joints + to_world

    rotation = jax.vmap(lambda k: random_view(k, CAMERAS))(
        jax.random.split(keys[1], num_views)
    )
    turned = jnp.einsum("nij,kj->nki", rotation, joints, precision="highest")
    camera = jax.vmap(lambda k, j: random_camera(k, j, CAMERAS))(
        jax.random.split(keys[2], num_views), turned
    )
    global_orient = jnp.matmul(rotation, rotmats[0], precision="highest")
    return Scene(
        component=component,
        body_pose=axis_angle[1:],
        betas=betas,
        vertices=posed.vertices + to_world,
        joints=joints,
        global_orient=rotmat_to_axis_angle(global_orient),
        rotation=rotation,
        translation=camera.translation,
    )
