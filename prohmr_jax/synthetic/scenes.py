"""Who stands in the pictures and where the cameras are, drawn on the device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.body import BodyModel, pose_body, shape_body
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, rotmat_to_axis_angle
from prohmr_jax.synthetic.keypoint_pairs import (
    SynthesisSettings,
    random_camera,
    random_view,
)
from prohmr_jax.synthetic.pose_source import PoseSource, Split

# Photographers stand nearer than the cameras of `synthesis` and hold still.
CAMERAS = SynthesisSettings(max_distance=10.0, pitch_std_deg=15.0, roll_std_deg=6.0)


@struct.dataclass
class Scene:
    """A person and N cameras around; world: metres, Y up, floor at y = 0, NumPy."""

    component: Int[Array, "*b"]
    """The Gaussian of the pose prior that the pose belongs to."""
    body_pose: Float[Array, "*b 23 3"]
    """Axis-angles, radians."""
    betas: Float[Array, "*b S"]
    vertices: Float[Array, "*b V 3"]
    """World."""
    joints: Float[Array, "*b 44 3"]
    """World."""
    global_orient: Float[Array, "*b N 3"]
    """Axis-angles that turn body axes to the axes of each camera."""
    rotation: Float[Array, "*b N 3 3"]
    """World to camera."""
    translation: Float[Array, "*b N 3"]
    """World to camera, metres."""


def sample_scenes(
    body: BodyModel,
    poses: PoseSource,
    split: Split,
    seed: int,
    numbers: np.ndarray,
    num_views: int,
) -> Scene:
    """Returns scenes as NumPy arrays, leading axis P.

    Args:
      body: any body.
      poses: where poses come from.
      split: which of them are taken.
      seed: of the dataset.
      numbers: [P], of the people in their split; a scene depends on its own alone.
      num_views: cameras per person.
    """
    key = jax.random.fold_in(jax.random.key(seed), list(Split).index(split))
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
    axis_angle, component = poses.draw(split, keys, numbers)
    scenes = _sample_scenes(body, keys, axis_angle, component, num_views)
    return jax.tree.map(np.asarray, scenes)


@functools.partial(jax.jit, static_argnames="num_views")
def _sample_scenes(
    body: BodyModel,
    keys: jax.Array,
    axis_angle: Float[Array, "P 24 3"],
    component: Int[Array, " P"],
    num_views: int,
) -> Scene:
    one = functools.partial(_sample_scene, body, num_views=num_views)
    return jax.vmap(one)(keys, axis_angle, component)


def _sample_scene(
    body: BodyModel,
    key: jax.Array,
    axis_angle: Float[Array, "24 3"],
    component: Int[Array, ""],
    num_views: int,
) -> Scene:
    # Poses are drawn with children 0 and 1 of the key.
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
