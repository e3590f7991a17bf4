"""Computes the forward kinematics of the 24 joints of SMPL for `prohmr_jax.body`."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax import skeleton


def forward_kinematics(
    rest_joints: Float[Array, "*#b 24 3"], rotmats: Float[Array, "*#b 24 3 3"]
) -> tuple[Float[Array, "*b 24 3 3"], Float[Array, "*b 24 3"]]:
    """Returns the global rotations and the positions of the posed joints.

    The root joint stays at its rest position.

    Args:
      rest_joints: positions of SMPL_24 in the rest pose, metres, body frame; leading
        axes broadcast against those of the rotations.
      rotmats: rotations relative to the parents; the root's turns the whole body.

    Returns:
      The rotation of each joint from the body frame to the posed frame, and the
      positions in the posed frame, metres.
    """
    parents = np.asarray(skeleton.SMPL_PARENTS)
    offsets = rest_joints - jnp.where(
        parents[:, None] < 0, 0.0, rest_joints[..., np.maximum(parents, 0), :]
    )
    batch = jnp.broadcast_shapes(rotmats.shape[:-3], rest_joints.shape[:-2])
    local = jnp.concatenate(
        [
            jnp.broadcast_to(rotmats, (*batch, *rotmats.shape[-3:])),
            jnp.broadcast_to(offsets, (*batch, *offsets.shape[-2:]))[..., None],
        ],
        axis=-1,
    )
    # All joints of a level are posed at once: eight products instead of twenty-three.
    root, *levels = (list(level) for level in skeleton.SMPL_LEVELS)
    posed = [local[..., root, :, :]]
    above = root
    for level in levels:
        parent = posed[-1][..., [above.index(parents[j]) for j in level], :, :]
        posed.append(_compose(parent, local[..., level, :, :]))
        above = level
    order = np.argsort(np.concatenate(skeleton.SMPL_LEVELS))
    bones = jnp.concatenate(posed, axis=-3)[..., order, :, :]
    return bones[..., :3], bones[..., 3]


def _compose(
    outer: Float[Array, "*b 3 4"], inner: Float[Array, "*b 3 4"]
) -> Float[Array, "*b 3 4"]:
    """Returns the rigid motion that applies `inner`, then `outer`.

    A rigid motion is a rotation matrix with the translation as fourth column.
    """
    # The sum is written out, because small batched matrix products are slow.
    turned = sum(outer[..., :, k, None] * inner[..., k, None, :] for k in range(3))
    return turned.at[..., 3].add(outer[..., 3])
