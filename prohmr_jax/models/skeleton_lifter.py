"""Lifts 2D skeletons to 3D: ProHMR's flow on the residual network of Martinez et al.

The paper's Section 3.6 describes the model. `lifter_spec` builds it, and the two models
that it is compared with, which share the encoder.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.layers import BatchNorm, Dropout, dense
from prohmr_jax.structs import Keypoints2D, SkeletonHypotheses

# Human3.6M's joints are the input; all of them but the pelvis, which is the origin of
# the lifted ones, are the output.
INPUT_JOINTS = len(skeleton.H36M_17)
OUTPUT_JOINTS = INPUT_JOINTS - 1


class FullyConnected(nn.Module):
    """Computes h = drop(relu(BN(Linear(h)))) once or several times, starting from x.

    The submodules have the numbers that the official layers have in their sequence, in
    which rectifier and dropout count too.
    """

    features: int
    """Number of outputs of every linear layer."""
    num_layers: int
    """Number of linear layers."""
    residual: bool
    """Whether x is added to the output."""
    dropout_rate: float
    """Share of units that are dropped in training."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""

    @nn.compact
    def __call__(self, x: Float[Array, "*b I"], train: bool) -> Float[Array, "*b O"]:
        """Returns the output of the last layer, or its sum with x.

        Args:
          x: inputs.
          train: normalises by batch statistics and drops units.
        """
        h = x
        for i in range(self.num_layers):
            h = dense(self.features, h.shape[-1], name=f"fc_block_{4 * i}")(h)
            h = BatchNorm(
                use_running_average=not train,
                axis_name=self.axis_name,
                name=f"fc_block_{4 * i + 1}",
            )(h)
            h = Dropout(self.dropout_rate, self.axis_name)(nn.relu(h), train)
        return x + h if self.residual else h


class SkeletonEncoder(nn.Module):
    """Maps 2D joints to the context, as Martinez et al. (ICCV 2017, Fig. 1) do."""

    input_joints: int = INPUT_JOINTS
    """Number of 2D joints."""
    width: int = 1024
    """Width of the hidden layers."""
    num_blocks: int = 2
    """Number of residual blocks, of two linear layers each."""
    context_features: int = 1024
    """Number of entries of the context. A last layer changes the width to it, where
    they differ."""
    dropout_rate: float = 0.5
    """Share of hidden units that are dropped in training."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""

    def example_input(self) -> Keypoints2D:
        """Returns an input of the right shape, with which weights are initialised."""
        joints = self.input_joints
        return Keypoints2D(jnp.zeros((1, joints, 2)), jnp.ones((1, joints)))

    @nn.compact
    def __call__(
        self, keypoints: Keypoints2D, train: bool = False
    ) -> Float[Array, "*b C"]:
        """Returns the context of 2D joints.

        Args:
          keypoints: joints in the frame of the training; confidences are not read.
          train: normalises by batch statistics and drops units.
        """
        # Width, number of linear layers, and whether the input is added.
        layers = [(self.width, 1, False)] + [(self.width, 2, True)] * self.num_blocks
        if self.context_features != self.width:
            layers.append((self.context_features, 1, False))
        h = keypoints.xy.reshape(*keypoints.xy.shape[:-2], -1)
        for i, layer in enumerate(layers):
            h = FullyConnected(
                *layer, self.dropout_rate, self.axis_name, name=f"fc_layers_{i}"
            )(h, train)
        return h


class SkeletonNetwork(nn.Module):
    """Predicts skeletons from 2D joints: what the models with different heads share."""

    encoder: SkeletonEncoder
    """Network from 2D joints to the context."""

    def encode(
        self, keypoints: Keypoints2D, train: bool = False
    ) -> Float[Array, "*b C"]:
        """Returns the context of 2D joints; see `SkeletonEncoder`."""
        return self.encoder(keypoints, train)

    def __call__(
        self, keypoints: Keypoints2D, z: Float[Array, "*b K D"]
    ) -> SkeletonHypotheses:
        """Returns the skeletons of inputs; touches every weight, for initialisation."""
        return self.hypotheses(self.encode(keypoints), z)


class SkeletonLifter(SkeletonNetwork):
    """Predicts a distribution of 3D skeletons, given 2D joints."""

    flow: ConditionalGlow
    """Flow between the flattened 3D joints and latents."""

    @property
    def latent_features(self) -> int:
        """Returns the number of entries of a latent."""
        return self.flow.features

    def hypotheses(
        self,
        context: Float[Array, "*b C"],
        z: Float[Array, "*b K D"],
        train: bool = False,
    ) -> SkeletonHypotheses:
        """Returns the skeletons of latents.

        If training normalises by batch statistics, the samples pass through the flow
        first and the modes after them, each normalised by their own rows, as in the
        official code.

        Args:
          context: contexts of the inputs.
          z: latents; the first of each input is 0, for the mode.
          train: normalises by batch statistics and drops units.
        """
        apart = train and self.flow.use_batch_norm and z.shape[-2] > 1
        passes = [z[..., 1:, :], z[..., :1, :]] if apart else [z]
        samples = [
            self.flow.sample(part, context[..., None, :], train) for part in passes
        ]
        flat, log_prob = (
            jnp.concatenate(parts[::-1], axis=z.ndim - 2)
            for parts in zip(*samples, strict=True)
        )
        joints = flat.reshape(*flat.shape[:-1], -1, 3)
        return SkeletonHypotheses(z=z, joints=joints, log_prob=log_prob)

    def log_prob(
        self,
        context: Float[Array, "*#b C"],
        joints: Float[Array, "*b J 3"],
        train: bool = False,
    ) -> Float[Array, "*b"]:
        """Returns ln p(joints | context) (Eq. 2), nats.

        Args:
          context: contexts of the inputs, which broadcast against the skeletons.
          joints: 3D joints, as `SkeletonHypotheses.joints`.
          train: normalises by batch statistics and drops units.
        """
        flat = joints.reshape(*joints.shape[:-2], -1)
        return self.flow.log_prob(flat, context, train)[0]

    def draw(
        self, context: Float[Array, "*b C"], key: jax.Array, count: int
    ) -> Float[Array, "*b K J 3"]:
        """Returns random skeletons of contexts, with trained weights.

        Args:
          context: contexts of the inputs.
          key: random key.
          count: number K of skeletons of each context.
        """
        shape = (*context.shape[:-1], count, self.latent_features)
        return self.hypotheses(context, jax.random.normal(key, shape)).joints
