"""Describes several cameras in one world, for fits with calibrated cameras."""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.geometry.rotations import normalize, rotate

# Weight of the depth that one view suggests, relative to the direction of its ray.
_DEPTH_TRUST = 1e-2


@struct.dataclass
class Extrinsics:
    """Describes where cameras stand: x_camera = rotation x_world + translation."""

    rotation: Float[Array, "*b N 3 3"]
    """Rotation matrices from world axes to camera axes."""
    translation: Float[Array, "*b N 3"]
    """Origin of the world in the camera frame, metres."""


def to_world(
    extrinsics: Extrinsics, rotmat: Float[Array, "*b N 3 3"]
) -> Float[Array, "*b N 3 3"]:
    """Returns rotations to camera axes as rotations to world axes.

    Args:
      extrinsics: extrinsics of the N cameras.
      rotmat: a rotation matrix per camera, from any frame to camera axes.
    """
    inverse = jnp.swapaxes(extrinsics.rotation, -1, -2)
    # The sum is written out, because small batched matrix products are slow.
    return sum(inverse[..., :, k, None] * rotmat[..., k, None, :] for k in range(3))


def meeting_point(
    point: Float[Array, "*b N 3"],
    extrinsics: Extrinsics,
    valid: Float[Array, "*b N"],
) -> Float[Array, "*b 3"]:
    """Returns the point that is nearest to the rays of all views, metres, world frame.

    Args:
      point: the point as each view sees it, metres, camera frame. Its depth has little
        weight; it decides where there is only one view, or where rays are parallel.
      extrinsics: extrinsics of the cameras.
      valid: 1 for a view, 0 for padding.
    """
    inverse = jnp.swapaxes(extrinsics.rotation, -1, -2)
    ray = rotate(inverse, normalize(point))
    in_world = rotate(inverse, point - extrinsics.translation)
    along = ray[..., :, None] * ray[..., None, :]
    across = jnp.eye(3) - (1.0 - _DEPTH_TRUST) * along
    across = valid[..., None, None] * across
    matrix = jnp.sum(across, axis=-3)
    target = jnp.sum(rotate(across, in_world), axis=-2)
    # Without any view, the matrix would be zero.
    matrix = matrix + 1e-9 * jnp.eye(3)
    return jnp.linalg.solve(matrix, target[..., None])[..., 0]
