"""A tiny flow near the rest pose, and people whose keypoints it can explain."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat
from prohmr_jax.models.flow import ConditionalGlow
from tests.support.flow_cases import random_weights

CONTEXT, JOINTS = 5, len(skeleton.JOINTS_44)
FLOW = ConditionalGlow(
    features=144, hidden_features=16, context_features=CONTEXT, num_layers=2,
    num_blocks=1, use_batch_norm=False,
)  # fmt: skip


@functools.cache
def flow_weights():
    """Poses near the identity, as those of a trained flow are near some pose."""
    noise = random_weights(FLOW, jnp.zeros((1, 144)), jnp.zeros((1, CONTEXT)))
    small = jax.tree.map(lambda a: 0.2 * a, noise)
    shift = small["params"]["layers_0"]["shift"]
    small["params"]["layers_0"]["shift"] = shift - np.tile([1, 0, 0, 0, 1, 0], 24)
    return small


def trained_rotmats(z, context):
    """Rotations by the trainable flow."""
    sample = jax.jit(functools.partial(FLOW.apply, method="sample"))
    flat, _ = sample(flow_weights(), z, context)
    return pose_6d_to_rotmat(flat.reshape(-1, 24, 6))
