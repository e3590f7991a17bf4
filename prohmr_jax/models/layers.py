"""Layers that differ from linen's: torch's initial weights and batch statistics."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.row_keys import row_keys

HIGHEST = jax.lax.Precision.HIGHEST


def uniform(limit: float) -> Callable:
    """Returns an initialiser that draws from [-limit, limit]."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init


def dense(
    features: int,
    fan_in: int,
    *,
    limit: float | None = None,
    use_bias: bool = True,
    name: str | None = None,
) -> nn.Dense:
    """Returns a float32 linear layer with torch's default initial weights.

    Args:
      features: outputs.
      fan_in: inputs; weights and bias start in +-1/sqrt(fan_in).
      limit: starts them in +-limit instead.
      use_bias: False where another layer adds the bias.
      name: of the submodule, in a compact method.
    """
    init = uniform(fan_in**-0.5 if limit is None else limit)
    return nn.Dense(
        features,
        use_bias=use_bias,
        kernel_init=init,
        bias_init=init,
        precision=HIGHEST,
        name=name,
    )


class BatchNorm(nn.Module):
    """Batch normalisation over all but the last axis, as torch keeps its statistics.

    Normalises by the biased variance of the batch, and keeps the unbiased one in the
    running average: running <- 0.9 running + 0.1 batch (linen keeps the biased one).

    Attributes:
      use_running_average: True in evaluation; the batch then does not matter.
      axis_name: mapped axis over which the statistics are averaged, if any.
    """

    use_running_average: bool
    axis_name: str | None = None
    momentum: float = 0.1
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*b D"],
        weights: Float[Array, "*b"] | None = None,
    ) -> Float[Array, "*b D"]:
        """Returns normalised features.

        Args:
          x: features.
          weights: 1 for rows that count in the statistics, 0 for the others.
        """
        features = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        mean_state = self.variable("batch_stats", "mean", jnp.zeros, features)
        var_state = self.variable("batch_stats", "var", jnp.ones, features)
        if self.use_running_average:
            gain = scale * jax.lax.rsqrt(var_state.value + self.epsilon)
            # Centred first: x * gain - mean * gain would cancel.
            return ((x - mean_state.value) * gain + bias).astype(x.dtype)
        axis_name = None if self.is_initializing() else self.axis_name
        weights = jnp.ones(()) if weights is None else weights
        y, mean, var, count = batch_normalize(
            x, scale, bias, weights, self.epsilon, axis_name
        )
        if not self.is_initializing():
            unbiased = var * count / jnp.maximum(count - 1.0, 1.0)
            # A batch in which nothing counts changes nothing.
            step = jnp.where(count > 0, self.momentum, 0.0)
            mean_state.value += step * (mean - mean_state.value)
            var_state.value += step * (unbiased - var_state.value)
        return y


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def batch_normalize(
    x: Float[Array, "*b D"],
    scale: Float[Array, " D"],
    bias: Float[Array, " D"],
    weights: Float[Array, "*#b"],
    epsilon: float,
    axis_name: str | None,
):
    """Returns x normalised over its rows, and their mean, biased variance and count.

    The gradient is written out (Ioffe & Szegedy, 2015, Sec. 3): one pass for both of
    its sums, and one exchange between devices. No gradient flows from the statistics,
    nor to the weights.

    Args:
      x: features, of any precision; the statistics are in float32.
      scale: of each feature.
      bias: of each feature.
      weights: 1 for rows that count in the statistics, 0 for the others.
      epsilon: added to the variance.
      axis_name: mapped axis over which the rows are spread, if any.
    """
    return _normalize(x, scale, bias, weights, epsilon, axis_name)[0]


def _normalize(x, scale, bias, weights, epsilon, axis_name):
    total = lambda value: _over_devices(_sum_rows(value), axis_name)  # noqa: E731
    mask = jnp.broadcast_to(weights[..., None], (*x.shape[:-1], 1))
    count = total(mask)
    divisor = jnp.maximum(count, 1.0)
    mean = total(_wide(x) * mask) / divisor
    var = total(jnp.square(_wide(x) - mean) * mask) / divisor
    rate = jax.lax.rsqrt(var + epsilon)
    y = (_wide(x) - mean) * (rate * scale) + bias
    kept = (x, scale, weights, mean, rate, divisor)
    return (y.astype(x.dtype), mean, var, count), kept


def _normalize_gradient(epsilon, axis_name, kept, gradients):
    x, scale, weights, mean, rate, divisor = kept
    g = _wide(gradients[0])
    standard = (_wide(x) - mean) * rate
    of_bias, of_scale = _sum_rows(g), _sum_rows(g * standard)
    # What every row gets for having moved mean and variance.
    total, total_standard = _over_devices((of_bias, of_scale), axis_name)
    shared = (total + standard * total_standard) / divisor
    of_x = rate * scale * (g - weights[..., None] * shared)
    return of_x.astype(x.dtype), of_scale, of_bias, jnp.zeros_like(weights)


batch_normalize.defvjp(_normalize, _normalize_gradient)


def _wide(value):
    return value.astype(jnp.promote_types(value.dtype, jnp.float32))


def _sum_rows(value):
    return jnp.sum(value, axis=tuple(range(value.ndim - 1)))


def _over_devices(tree, axis_name):
    return tree if axis_name is None else jax.lax.psum(tree, axis_name)


class Dropout(nn.Module):
    """Dropout whose masks depend on a row's global number, not on its device.

    One rng, the same on every device, gives each row a key of its own: so a step on
    many devices drops what the same step on one device would drop.

    Attributes:
      rate: share of entries that become zero.
      axis_name: mapped axis over which the rows are spread, if any.
    """

    rate: float
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*b D"], train: bool) -> Float[Array, "*b D"]:
        """Returns x, in training with entries dropped and the others scaled up."""
        if not train or self.rate == 0.0:
            return x
        rows = x.reshape(-1, x.shape[-1])
        axis_name = None if self.is_initializing() else self.axis_name
        keys = row_keys(self.make_rng("dropout"), len(rows), axis_name)
        keep = jax.vmap(
            lambda key: jax.random.bernoulli(key, 1.0 - self.rate, rows.shape[1:])
        )(keys)
        return jnp.where(keep.reshape(x.shape), x / (1.0 - self.rate), 0.0)
