"""Lifts 2D skeletons to mixtures of Gaussians over 3D skeletons, as Li and Lee do.

Li and Lee, Generating Multiple Hypotheses for 3D Human Pose Estimation with Mixture
Density Network, CVPR 2019. `SkeletonLifter` is compared with it, on the same encoder;
`lifter_spec` builds it.
"""

import math

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.models.layers import dense
from prohmr_jax.models.skeleton_lifter import SkeletonNetwork
from prohmr_jax.structs import SkeletonHypotheses

# Least standard deviation, metres: that of labels is larger, and the density is finite.
MIN_STD = 1e-3


@struct.dataclass
class SkeletonDensity:
    """Holds mixtures of K isotropic Gaussians over skeletons."""

    log_weights: Float[Array, "*b K"]
    """Natural logarithm of the Gaussians' weights, which add up to 1."""
    means: Float[Array, "*b K J 3"]
    """Means, metres, as `SkeletonHypotheses.joints`."""
    std: Float[Array, "*b K"]
    """Standard deviation of every coordinate, metres."""

    def log_prob(self, joints: Float[Array, "*b J 3"]) -> Float[Array, "*b"]:
        """Returns the logarithm of the density (Eqs. 1 and 2 of Li and Lee), nats.

        Args:
          joints: 3D joints, metres; the density is per metre to the power 3 J.
        """
        squares = jnp.sum(jnp.square(joints[..., None, :, :] - self.means), (-2, -1))
        size = joints.shape[-2] * joints.shape[-1]
        log_kernels = (
            -0.5 * squares / jnp.square(self.std)
            - size * jnp.log(self.std)
            - 0.5 * size * math.log(2.0 * math.pi)
        )
        return jax.nn.logsumexp(self.log_weights + log_kernels, axis=-1)

    def heaviest_mean(self) -> Float[Array, "*b J 3"]:
        """Returns the mean of the Gaussian of the largest weight: the single answer."""
        return self._means_at(jnp.argmax(self.log_weights, axis=-1)[..., None])[
            ..., 0, :, :
        ]

    def draw(self, key: jax.Array, count: int) -> Float[Array, "*b N J 3"]:
        """Returns random skeletons.

        Args:
          key: random key.
          count: number N of skeletons of each mixture.
        """
        choice_key, noise_key = jax.random.split(key)
        batch = self.std.shape[:-1]
        kernel = jax.random.categorical(
            choice_key, self.log_weights[..., None, :], shape=(*batch, count)
        )
        std = jnp.take_along_axis(self.std, kernel, axis=-1)[..., None, None]
        means = self._means_at(kernel)
        return means + std * jax.random.normal(noise_key, means.shape)

    def _means_at(self, kernel: Int[Array, "*b N"]) -> Float[Array, "*b N J 3"]:
        return jnp.take_along_axis(self.means, kernel[..., None, None], axis=-3)


class SkeletonMixture(SkeletonNetwork):
    """Predicts a mixture of Gaussians, with the methods of `SkeletonLifter`."""

    output_joints: int
    """Number of 3D joints."""
    num_kernels: int
    """Number of Gaussians."""

    @property
    def latent_features(self) -> int:
        """Returns the number of entries of a latent, which has no influence."""
        return 3 * self.output_joints

    def setup(self):
        """Makes the last linear layers, those of weights, means and deviations."""
        fan_in = self.encoder.context_features
        self.weights = dense(self.num_kernels, fan_in)
        self.means = dense(3 * self.output_joints * self.num_kernels, fan_in)
        self.deviations = dense(self.num_kernels, fan_in)

    def density(self, context: Float[Array, "*b C"]) -> SkeletonDensity:
        """Returns the mixtures of contexts.

        Weights are a softmax, and deviations ELU + 1, as Li and Lee have them.
        """
        means = self.means(context)
        shape = (*means.shape[:-1], self.num_kernels, self.output_joints, 3)
        return SkeletonDensity(
            log_weights=jax.nn.log_softmax(self.weights(context)),
            means=means.reshape(shape),
            std=MIN_STD + jax.nn.elu(self.deviations(context)) + 1.0,
        )

    def hypotheses(
        self,
        context: Float[Array, "*b C"],
        z: Float[Array, "*b K D"],
        train: bool = False,
    ) -> SkeletonHypotheses:
        """Returns the mean of the heaviest Gaussian K times; `draw` gives samples.

        Args:
          context: contexts of the inputs.
          z: latents, of which only the number K is used.
          train: not used; the head is the same in training.
        """
        density = self.density(context)
        answer = density.heaviest_mean()
        joints = jnp.broadcast_to(
            answer[..., None, :, :], (*z.shape[:-1], *answer.shape[-2:])
        )
        log_prob = jnp.broadcast_to(density.log_prob(answer)[..., None], z.shape[:-1])
        return SkeletonHypotheses(z=z, joints=joints, log_prob=log_prob)

    def log_prob(
        self,
        context: Float[Array, "*#b C"],
        joints: Float[Array, "*b J 3"],
        train: bool = False,
    ) -> Float[Array, "*b"]:
        """Returns the logarithm of the density of skeletons, nats.

        Args:
          context: contexts of the inputs, which broadcast against the skeletons.
          joints: 3D joints, as `SkeletonHypotheses.joints`.
          train: not used; the head is the same in training.
        """
        return self.density(context).log_prob(joints)

    def draw(
        self, context: Float[Array, "*b C"], key: jax.Array, count: int
    ) -> Float[Array, "*b K J 3"]:
        """Returns random skeletons of contexts; see `SkeletonDensity.draw`."""
        return self.density(context).draw(key, count)
