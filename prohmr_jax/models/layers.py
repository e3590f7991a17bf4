"""Provides the layers that differ from those of linen, for all networks.

Linear layers have the initial weights of torch, batch normalisation keeps the
statistics that torch keeps, and dropout does not depend on the number of devices.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.row_keys import row_keys

HIGHEST = jax.lax.Precision.HIGHEST
# Added to the variance in batch normalisation (the default of torch).
BATCH_NORM_EPS = 1e-5


def uniform(limit: float) -> Callable:
    """Returns an initialiser that draws weights uniformly from [-limit, limit]."""

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
    """Returns a float32 linear layer with the default initial weights of torch.

    Args:
      features: number of outputs.
      fan_in: number of inputs; weights and bias start in +-1/sqrt(fan_in).
      limit: if given, weights and bias start in +-limit instead.
      use_bias: False where another layer adds the bias.
      name: name of the submodule in a compact method.
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
    """Normalises features over all axes but the last, and keeps statistics like torch.

    It normalises by the biased variance of the batch, and keeps the unbiased one in the
    running average: running <- 0.9 running + 0.1 batch (linen keeps the biased one).
    """

    use_running_average: bool
    """True in evaluation, where the running averages normalise instead of the batch."""
    axis_name: str | None = None
    """Mapped axis over which the statistics are averaged, if any."""
    momentum: float = 0.1
    """Weight of the batch in the running averages."""
    epsilon: float = BATCH_NORM_EPS
    """Addition to the variance, which keeps the division finite."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*b D"],
        weights: Float[Array, "*b"] | None = None,
    ) -> Float[Array, "*b D"]:
        """Returns normalised features, scaled and shifted by trained weights.

        Args:
          x: features.
          weights: 1 for rows that count in the statistics, 0 for the others; None if
            all of them count.
        """
        features = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        mean_state = self.variable("batch_stats", "mean", jnp.zeros, features)
        var_state = self.variable("batch_stats", "var", jnp.ones, features)
        if self.use_running_average:
            gain = scale * jax.lax.rsqrt(var_state.value + self.epsilon)
            # Centring first avoids the cancellation in x * gain - mean * gain.
            return ((x - mean_state.value) * gain + bias).astype(x.dtype)
        axis_name = None if self.is_initializing() else self.axis_name
        weights = jnp.ones(()) if weights is None else weights
        y, mean, var, count = batch_normalize(
            x, scale, bias, weights, self.epsilon, axis_name
        )
        if not self.is_initializing():
            unbiased = var * count / jnp.maximum(count - 1.0, 1.0)
            # If no row counts, the running averages stay the same.
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

    The gradient is written out (Ioffe and Szegedy, 2015, Sec. 3), which takes one pass
    and one exchange between devices for both of its sums. No gradient flows from the
    returned statistics, nor to the weights.

    Args:
      x: features of any precision; the statistics are float32.
      scale: factor of each normalised feature.
      bias: offset of each normalised feature.
      weights: 1 for rows that count in the statistics, 0 for the others.
      epsilon: number that is added to the variance.
      axis_name: mapped axis over which the rows are spread, if any.
    """
    return _normalize(x, scale, bias, weights, epsilon, axis_name)[0]


def _normalize(x, scale, bias, weights, epsilon, axis_name):
    """Returns the result of `batch_normalize`, and what its gradient needs."""
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
    """Returns the gradients with respect to x, scale, bias and weights."""
    x, scale, weights, mean, rate, divisor = kept
    g = _wide(gradients[0])
    standard = (_wide(x) - mean) * rate
    bias_gradient, scale_gradient = _sum_rows(g), _sum_rows(g * standard)
    # The effect of each row on all rows through mean and variance.
    total, total_standard = _over_devices((bias_gradient, scale_gradient), axis_name)
    shared = (total + standard * total_standard) / divisor
    x_gradient = (rate * scale * (g - weights[..., None] * shared)).astype(x.dtype)
    return x_gradient, scale_gradient, bias_gradient, jnp.zeros_like(weights)


batch_normalize.defvjp(_normalize, _normalize_gradient)


def _wide(value):
    """Returns the value in float32, or in its own precision if that is higher."""
    return value.astype(jnp.promote_types(value.dtype, jnp.float32))


def _sum_rows(value):
    return jnp.sum(value, axis=tuple(range(value.ndim - 1)))


def _over_devices(tree, axis_name):
    return tree if axis_name is None else jax.lax.psum(tree, axis_name)


class Dropout(nn.Module):
    """Sets random entries to zero, with masks that do not depend on the device.

    The random key is the same on every device, and each row derives a key of its own
    from its global number. So a step on many devices drops the same entries as the same
    step on one device.
    """

    rate: float
    """Share of entries that become zero."""
    axis_name: str | None = None
    """Mapped axis over which the rows are spread, if any."""

    @nn.compact
    def __call__(self, x: Float[Array, "*b D"], train: bool) -> Float[Array, "*b D"]:
        """Returns x; in training, some entries are dropped and the others scaled up."""
        if not train or self.rate == 0.0:
            return x
        rows = x.reshape(-1, x.shape[-1])
        axis_name = None if self.is_initializing() else self.axis_name
        keys = row_keys(self.make_rng("dropout"), len(rows), axis_name)
        keep = jax.vmap(
            lambda key: jax.random.bernoulli(key, 1.0 - self.rate, rows.shape[1:])
        )(keys)
        return jnp.where(keep.reshape(x.shape), x / (1.0 - self.rate), 0.0)
