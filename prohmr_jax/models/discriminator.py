"""Scores how real bodies are: the discriminator of HMR (Kanazawa et al., 2018)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.layers import HIGHEST, uniform

NUM_JOINTS = len(skeleton.SMPL_24) - 1
_JOINT_FEATURES = 32


class Discriminator(nn.Module):
    """Scores each joint's rotation alone, the shape alone, and all joints together."""

    hidden_features: int = 1024
    """Width of the network that scores all joints together."""

    @nn.compact
    def __call__(
        self, body_pose: Float[Array, "*b 23 3 3"], betas: Float[Array, "*b S"]
    ) -> Float[Array, "*b 25"]:
        """Returns scores that are near 1 for real bodies, near 0 for generated ones.

        Args:
          body_pose: rotations relative to the parents.
          betas: shape coefficients.

        Returns:
          The scores of the 23 joints, the score of the shape, and that of all joints.
        """

        def layer(x, features, name):
            return nn.relu(_linear(features, name)(x))

        joints = body_pose.reshape(*body_pose.shape[:-2], 9)
        joints = layer(joints, _JOINT_FEATURES, "joint_fc1")
        joints = layer(joints, _JOINT_FEATURES, "joint_fc2")
        # Each joint has a linear layer of its own with one output.
        limit = (6.0 / (_JOINT_FEATURES + 1)) ** 0.5
        kernel = self.param("joint_out_kernel", uniform(limit), joints.shape[-2:])
        bias = self.param("joint_out_bias", nn.initializers.zeros, joints.shape[-2:-1])
        joint_scores = jnp.sum(joints * kernel, axis=-1) + bias

        shape = layer(betas, betas.shape[-1], "betas_fc1")
        shape = layer(shape, betas.shape[-1] // 2, "betas_fc2")
        shape_score = _linear(1, "betas_out")(shape)

        # The order is feature by feature, as in the official code.
        pose = jnp.swapaxes(joints, -1, -2).reshape(*joints.shape[:-2], -1)
        pose = layer(pose, self.hidden_features, "all_joints_fc1")
        pose = layer(pose, self.hidden_features, "all_joints_fc2")
        pose_score = _linear(1, "all_joints_out")(pose)
        return jnp.concatenate([joint_scores, shape_score, pose_score], axis=-1)


def _linear(features: int, name: str) -> nn.Dense:
    return nn.Dense(
        features,
        kernel_init=nn.initializers.xavier_uniform(),
        precision=HIGHEST,
        name=name,
    )
