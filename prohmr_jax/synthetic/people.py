"""Who stands in the pictures and where the cameras are, drawn on the device.

Poses come from the mixture of `pose_prior`. Every eighth of its Gaussians is held out:
people of the test split take these in turn, all others never do.
"""

import enum
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.body import BodyModel, pose_body, shape_body
from prohmr_jax.pose_prior import PosePrior, sample_axis_angle, sample_in_component
from prohmr_jax.rotations import axis_angle_to_rotmat, rotmat_to_axis_angle
from prohmr_jax.structs import MocapPoses
from prohmr_jax.synthesis import (
    SynthesisSettings,
    mirror_pose,
    random_camera,
    random_view,
)

_HOLD_OUT_EVERY = 8
# Photographers stand nearer than the cameras of `synthesis` and hold still.
CAMERAS = SynthesisSettings(max_distance=10.0, pitch_std_deg=15.0, roll_std_deg=6.0)


class Split(enum.Enum):
    """What a rendered person is for."""

    TRAIN = "train"
    TEST = "test"


@struct.dataclass
class Scene:
    """A person and N cameras around; world: metres, Y up, floor at y = 0, NumPy."""

    component: Int[Array, "*b"]
    """The Gaussian of the pose prior that the pose was drawn from."""
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


def held_out_components(prior: PosePrior) -> np.ndarray:
    """Returns the numbers of the Gaussians that only test people are drawn from."""
    return np.arange(_HOLD_OUT_EVERY - 1, len(prior.weights_log), _HOLD_OUT_EVERY)


def training_prior(prior: PosePrior) -> PosePrior:
    """Returns the prior without its held-out Gaussians."""
    kept = np.delete(np.arange(len(prior.weights_log)), held_out_components(prior))
    kept_prior = jax.tree.map(lambda a: a[kept], prior)
    total = jax.scipy.special.logsumexp(kept_prior.weights_log)
    return kept_prior.replace(weights_log=kept_prior.weights_log - total)


def sample_mocap(
    prior: PosePrior, key: jax.Array, num_poses: int, num_betas: int = 10
) -> MocapPoses:
    """Returns poses and shapes for the discriminator, held-out Gaussians left out.

    Args:
      prior: the whole mixture.
      key: of all that is drawn.
      num_poses: N, the leading axis of the result.
      num_betas: shape coefficients, drawn from N(0, 1).
    """
    pose_key, betas_key = jax.random.split(key)
    axis_angle = sample_axis_angle(training_prior(prior), pose_key, (num_poses,))
    return MocapPoses(
        body_pose=axis_angle_to_rotmat(axis_angle[:, 1:]),
        betas=jax.random.normal(betas_key, (num_poses, num_betas)),
    )


def sample_scenes(
    body: BodyModel,
    prior: PosePrior,
    split: Split,
    seed: int,
    numbers: Int[Array, " P"],
    num_views: int,
) -> Scene:
    """Returns scenes as NumPy arrays, leading axis P.

    Args:
      body: any body.
      prior: the whole mixture.
      split: which Gaussians are taken.
      seed: of the dataset.
      numbers: of the people in their split; a scene depends on its own alone.
      num_views: cameras per person.
    """
    key = jax.random.fold_in(jax.random.key(seed), list(Split).index(split))
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.asarray(numbers))
    held_out = held_out_components(prior)
    if split is Split.TEST:
        component = held_out[np.asarray(numbers) % len(held_out)]
    else:
        kept = np.delete(np.arange(len(prior.weights_log)), held_out)
        weights = prior.weights_log[kept]
        component = kept[jax.vmap(lambda k: jax.random.categorical(k, weights))(keys)]
    scenes = _sample_scenes(body, prior, keys, jnp.asarray(component), num_views)
    return jax.tree.map(np.asarray, scenes)


@functools.partial(jax.jit, static_argnames="num_views")
def _sample_scenes(body, prior, keys, component, num_views: int) -> Scene:
    one = functools.partial(_sample_scene, num_views=num_views)
    return jax.vmap(one, in_axes=(None, None, 0, 0))(body, prior, keys, component)


def _sample_scene(
    body: BodyModel,
    prior: PosePrior,
    key: jax.Array,
    component: Int[Array, ""],
    num_views: int,
) -> Scene:
    keys = jax.random.split(key, 5)
    axis_angle = sample_in_component(prior, keys[0], component)
    mirrored = jax.random.bernoulli(keys[1])
    axis_angle = jnp.where(mirrored, mirror_pose(axis_angle), axis_angle)
    betas = jax.random.normal(keys[2], (body.num_betas,))
    rotmats = axis_angle_to_rotmat(axis_angle)
    shaped = shape_body(body, betas)
    posed = pose_body(shaped, rotmats[0], rotmats[1:])
    # The person stands on the floor, above the origin.
    pelvis = shaped.joints[0]
    to_world = -pelvis.at[1].set(jnp.min(posed.vertices[:, 1]))
    joints = posed.joints + to_world

    rotation = jax.vmap(lambda k: random_view(k, CAMERAS))(
        jax.random.split(keys[3], num_views)
    )
    turned = jnp.einsum("nij,kj->nki", rotation, joints, precision="highest")
    camera = jax.vmap(lambda k, j: random_camera(k, j, CAMERAS))(
        jax.random.split(keys[4], num_views), turned
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
