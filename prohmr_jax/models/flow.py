"""Maps poses to latents and back, given a context: the flow of ProHMR (Eqs. 1-4).

`forward` maps data (a pose) to noise (z), and `inverse` maps noise to data; papers
often name them the other way round.

Contexts broadcast against values over the batch axes: with contexts `[B, 1, C]` and
values `[B, K, D]`, each context is projected once and not once per hypothesis.

With `train=True` the conditioners normalise by batch statistics and drop units, so that
`forward` and `inverse` are not inverses of each other. Inference uses `prepared_flow`
instead, which is the same map with everything linear folded.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.models.flow_layers import ActNorm, Coupling, LULinear

# Smallest standard deviation in the data-dependent initialisation of ActNorm.
ACTNORM_MIN_STD = 1e-3


class ConditionalGlow(nn.Module):
    """Stacks `num_layers` times ActNorm, LULinear and Coupling (Eq. 3)."""

    features: int = 144
    """Number of entries of data and noise."""
    hidden_features: int = 1024
    """Width of the conditioners."""
    context_features: int = 2048
    """Number of entries of the context; 0 for a flow without context."""
    num_layers: int = 4
    """Number of times that the three layers are stacked."""
    num_blocks: int = 2
    """Number of residual blocks of each conditioner."""
    use_batch_norm: bool = True
    """Whether the conditioners normalise by batch statistics."""
    dropout_rate: float = 0.5
    """Share of hidden units of the conditioners that are dropped in training."""
    affine: bool = False
    """Whether couplings are affine instead of additive; see `Coupling`."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""

    def setup(self):
        """Lists the layers in the direction from data to noise."""
        layers = []
        for i in range(self.num_layers):
            layers += [
                ActNorm(self.features),
                LULinear(self.features),
                Coupling(
                    features=self.features,
                    # The features that stay the same alternate between the couplings.
                    first_identity=i % 2,
                    hidden_features=self.hidden_features,
                    context_features=self.context_features,
                    num_blocks=self.num_blocks,
                    use_batch_norm=self.use_batch_norm,
                    dropout_rate=self.dropout_rate,
                    affine=self.affine,
                    axis_name=self.axis_name,
                ),
            ]
        self.layers = layers

    def forward(
        self,
        x: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None = None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns the noise z of data x, and log |det dz/dx|.

        Args:
          x: data.
          context: contexts, which broadcast against the rows.
          train: normalises by batch statistics and drops units.
          weights: 1 for rows that count in the batch statistics, 0 for the others; None
            if all of them count.
        """
        log_det = jnp.zeros(x.shape[:-1], x.dtype)
        for layer in self.layers:
            extra = (train, weights) if isinstance(layer, Coupling) else ()
            x, layer_log_det = layer.forward(x, context, *extra)
            log_det += layer_log_det
        return x, log_det

    def inverse(
        self,
        z: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None = None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns the data x of noise z, and log |det dx/dz|.

        Args: see `forward`.
        """
        log_det = jnp.zeros(z.shape[:-1], z.dtype)
        for layer in reversed(self.layers):
            extra = (train, weights) if isinstance(layer, Coupling) else ()
            z, layer_log_det = layer.inverse(z, context, *extra)
            log_det += layer_log_det
        return z, log_det

    def log_prob(
        self,
        x: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None = None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b D"]]:
        """Returns ln p(x | c) (Eq. 2), nats, and the noise z.

        Args: see `forward`.
        """
        z, log_det = self.forward(x, context, train, weights)
        return standard_normal_log_prob(z) + log_det, z

    def sample(
        self,
        z: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None = None,
        train: bool = False,
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns the data x of noise z, and ln p(x | c), nats.

        Args: see `forward`.
        """
        x, log_det = self.inverse(z, context, train)
        return x, standard_normal_log_prob(z) - log_det

    def actnorm_from_data(
        self,
        x: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None = None,
        train: bool = True,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[dict[str, dict[str, jax.Array]], Float[Array, "*b D"]]:
        """Returns the ActNorm parameters that whiten data layer by layer, and z.

        This is the data-dependent initialisation of Glow. Nothing is changed here;
        `initialize_actnorm` puts the parameters into those of the flow. Batch
        statistics, if they are mutable, are updated as by one training pass.

        Args:
          x: data.
          context: contexts, which broadcast against the rows.
          train: normalises by batch statistics and drops units.
          weights: 1 for rows that count, 0 for the others; None if all of them count.

        Returns:
          A dictionary from the names of layers to their `log_scale` [D] and `shift`
          [D], and the noise of the data.
        """
        actnorms = {}
        weights = jnp.ones(x.shape[:-1], x.dtype) if weights is None else weights
        for layer in self.layers:
            if isinstance(layer, ActNorm):
                actnorm = _whitening(x, weights)
                x = jnp.exp(actnorm["log_scale"]) * x + actnorm["shift"]
                actnorms[layer.name] = actnorm
            elif isinstance(layer, Coupling):
                x, _ = layer.forward(x, context, train, weights)
            else:
                x, _ = layer.forward(x, context)
        return actnorms, x


def _whitening(x: Float[Array, "*b D"], weights: Float[Array, "*b"]):
    """Returns the ActNorm parameters that give rows mean 0 and standard deviation 1.

    The standard deviation is that of a sample (n - 1). Where fewer than two rows count,
    the parameters are those of the identity.
    """
    axes = tuple(range(x.ndim - 1))
    mask = weights[..., None]
    count = jnp.sum(mask)
    mean = jnp.sum(x * mask, axis=axes) / jnp.maximum(count, 1.0)
    squares = jnp.sum(jnp.square(x - mean) * mask, axis=axes)
    std = jnp.sqrt(squares / jnp.maximum(count - 1.0, 1.0))
    std = jnp.maximum(std, ACTNORM_MIN_STD)
    actnorm = {"log_scale": -jnp.log(std), "shift": -mean / std}
    return jax.tree.map(lambda value: jnp.where(count > 1, value, 0.0), actnorm)


def initialize_actnorm(params: dict, actnorms: dict[str, dict[str, jax.Array]]) -> dict:
    """Returns the flow's parameters with the result of `actnorm_from_data` in them.

    Args:
      params: parameters of the flow, by layer name.
      actnorms: parameters of its ActNorms, by layer name.
    """
    return {**params, **actnorms}


def standard_normal_log_prob(z: Float[Array, "*b D"]) -> Float[Array, "*b"]:
    """Returns ln N(z; 0, I), nats."""
    constant = 0.5 * z.shape[-1] * float(np.log(2.0 * np.pi))
    return -0.5 * jnp.sum(z**2, axis=-1) - constant
