"""The conditional Glow flow of ProHMR (Eqs. 1-4): pose <-> latent, given a context.

`forward` maps data (a pose) to noise (z), `inverse` maps noise to data; papers often
name them the other way round. Every layer has just these two methods, both
`(value, context) -> (value, log_det)` with the log-determinant of the map taken.

`context` broadcasts against `value` over the batch axes: give contexts `[B, 1, C]` and
values `[B, K, D]`, and each context is projected once, not once per hypothesis.

In training, `train=True` normalises by batch statistics and drops units, so that
`forward` and `inverse` are then not inverses of each other. For inference use
`prepared_flow`, the same mathematics with everything linear folded.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from prohmr_jax.models.conditioner import ResidualNet
from prohmr_jax.models.layers import HIGHEST

# Keeps the diagonal of U away from zero (the official value).
LU_EPS = 1e-3
# Floor of the standard deviation in data-dependent initialisation.
ACTNORM_MIN_STD = 1e-3
# Bound of the context-dependent log-scales of the affine form.
MAX_LOG_SCALE = 3.0


class ActNorm(nn.Module):
    """y = exp(log_scale) x + shift; log_det = sum(log_scale)."""

    features: int

    def setup(self):
        """Declares scale and shift, both starting at the identity."""
        zeros = nn.initializers.zeros
        self.log_scale = self.param("log_scale", zeros, (self.features,))
        self.shift = self.param("shift", zeros, (self.features,))

    def forward(self, x, context):
        """Returns exp(log_scale) x + shift and its log-determinant."""
        log_det = jnp.broadcast_to(jnp.sum(self.log_scale), x.shape[:-1])
        return jnp.exp(self.log_scale) * x + self.shift, log_det

    def inverse(self, y, context):
        """Returns (y - shift) exp(-log_scale) and its log-determinant."""
        log_det = jnp.broadcast_to(-jnp.sum(self.log_scale), y.shape[:-1])
        return (y - self.shift) * jnp.exp(-self.log_scale), log_det


class LULinear(nn.Module):
    """y = L U x + b, L unit-lower, U upper with diagonal softplus(u) + 1e-3."""

    features: int

    def setup(self):
        """Declares the factors; they start at the identity."""
        zeros = nn.initializers.zeros
        entries = (self.features * (self.features - 1) // 2,)
        # softplus(u) + LU_EPS = 1
        diagonal = nn.initializers.constant(float(np.log(np.expm1(1.0 - LU_EPS))))
        self.lower_entries = self.param("lower_entries", zeros, entries)
        self.upper_entries = self.param("upper_entries", zeros, entries)
        self.unconstrained_upper_diag = self.param(
            "unconstrained_upper_diag", diagonal, (self.features,)
        )
        self.bias = self.param("bias", zeros, (self.features,))

    def factors(self) -> tuple[Float[Array, "D D"], Float[Array, "D D"]]:
        """Returns L and U; off-diagonal entries are stored row by row."""
        eye = jnp.eye(self.features, dtype=self.bias.dtype)
        lower = eye.at[np.tril_indices(self.features, -1)].set(self.lower_entries)
        upper = jnp.diag(nn.softplus(self.unconstrained_upper_diag) + LU_EPS)
        upper = upper.at[np.triu_indices(self.features, 1)].set(self.upper_entries)
        return lower, upper

    def _log_det(self, value):
        diagonal = nn.softplus(self.unconstrained_upper_diag) + LU_EPS
        return jnp.broadcast_to(jnp.sum(jnp.log(diagonal)), value.shape[:-1])

    def forward(self, x, context):
        """Returns L (U x) + b and its log-determinant."""
        lower, upper = self.factors()
        y = jnp.matmul(jnp.matmul(x, upper.T, precision=HIGHEST), lower.T,
                       precision=HIGHEST)  # fmt: skip
        return y + self.bias, self._log_det(x)

    def inverse(self, y, context):
        """Returns U^-1 L^-1 (y - b) and its log-determinant.

        The matrix is inverted once for all rows: solving for each row costs more as
        soon as there are more rows than features.
        """
        lower, upper = self.factors()
        eye = jnp.eye(self.features, dtype=self.bias.dtype)
        matrix = solve_triangular(lower, eye, lower=True, unit_diagonal=True)
        matrix = solve_triangular(upper, matrix, lower=False)
        x = jnp.matmul(y - self.bias, matrix.T, precision=HIGHEST)
        return x, -self._log_det(y)


class Coupling(nn.Module):
    """Half of the features shift the other half, given the context.

    Additive, as in the paper: y_t = x_t + t(x_i, c), log_det 0. With `affine` the
    shifted half is also scaled, by a function of the context alone:
    y_t = exp(s(c)) x_t + t(x_i, c), log_det = sum s(c). The log-determinant then
    depends on the image but never on the sample, so that z = 0 stays the exact mode.
    """

    features: int
    first_identity: int
    hidden_features: int
    context_features: int
    num_blocks: int
    use_batch_norm: bool
    dropout_rate: float
    affine: bool = False
    axis_name: str | None = None

    @property
    def identity_features(self) -> slice:
        """The half that passes through: every second feature."""
        return slice(self.first_identity, None, 2)

    @property
    def transform_features(self) -> slice:
        """The half that is shifted."""
        return slice(1 - self.first_identity, None, 2)

    def setup(self):
        """Declares the conditioner, and the scale's layer if there is one."""
        count = len(range(self.features)[self.identity_features])
        self.transform_net = ResidualNet(
            count,
            self.features - count,
            self.hidden_features,
            self.context_features,
            self.num_blocks,
            self.use_batch_norm,
            self.dropout_rate,
            self.axis_name,
        )
        if self.affine:
            self.scale_net = nn.Dense(
                self.features - count,
                kernel_init=nn.initializers.zeros,
                precision=HIGHEST,
            )

    def _log_scale(self, context):
        if not self.affine:
            return None
        return MAX_LOG_SCALE * jnp.tanh(self.scale_net(context) / MAX_LOG_SCALE)

    def _merge(self, value, transformed):
        return jnp.asarray(value).at[..., self.transform_features].set(transformed)

    def forward(self, x, context, train=False, weights=None):
        """Returns the shifted features and the log-determinant."""
        moved = x[..., self.transform_features]
        log_det = jnp.zeros(x.shape[:-1], x.dtype)
        if (log_scale := self._log_scale(context)) is not None:
            moved = moved * jnp.exp(log_scale)
            log_det += jnp.sum(log_scale, axis=-1)
        kept = x[..., self.identity_features]
        shift = self.transform_net(kept, context, train, weights)
        return self._merge(x, moved + shift), log_det

    def inverse(self, y, context, train=False, weights=None):
        """Returns the features before the shift and the log-determinant."""
        kept = y[..., self.identity_features]
        shift = self.transform_net(kept, context, train, weights)
        moved = y[..., self.transform_features] - shift
        log_det = jnp.zeros(y.shape[:-1], y.dtype)
        if (log_scale := self._log_scale(context)) is not None:
            moved = moved * jnp.exp(-log_scale)
            log_det -= jnp.sum(log_scale, axis=-1)
        return self._merge(y, moved), log_det


class ConditionalGlow(nn.Module):
    """`num_layers` times ActNorm, LULinear, Coupling, from data to noise (Eq. 3)."""

    features: int = 144
    hidden_features: int = 1024
    context_features: int = 2048
    num_layers: int = 4
    num_blocks: int = 2
    use_batch_norm: bool = True
    dropout_rate: float = 0.5
    affine: bool = False
    axis_name: str | None = None

    def setup(self):
        """Lists the layers in the direction from data to noise."""
        layers = []
        for i in range(self.num_layers):
            layers += [
                ActNorm(self.features),
                LULinear(self.features),
                Coupling(
                    features=self.features,
                    # Even features pass the first coupling, odd ones the second.
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
        """Returns z of data and log |det dz/dx|; see the module on `context`."""
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
        """Returns data of noise and log |det dx/dz|."""
        log_det = jnp.zeros(z.shape[:-1], z.dtype)
        for layer in reversed(self.layers):
            extra = (train, weights) if isinstance(layer, Coupling) else ()
            z, layer_log_det = layer.inverse(z, context, *extra)
            log_det += layer_log_det
        return z, log_det

    def log_prob(self, x, context=None, train=False, weights=None):
        """Returns ln p(x | c) (Eq. 2) `[*b]` and z `[*b, D]`."""
        z, log_det = self.forward(x, context, train, weights)
        return standard_normal_log_prob(z) + log_det, z

    def sample(self, z, context=None, train=False):
        """Returns data of given noise `[*b, D]` and its ln p(x | c) `[*b]`."""
        x, log_det = self.inverse(z, context, train)
        return x, standard_normal_log_prob(z) - log_det

    def actnorm_from_data(self, x, context=None, train=True, weights=None):
        """Returns ActNorm parameters that whiten this data, layer by layer, and z.

        The result is `{layer name: {log_scale, shift}}`, to be merged by
        `initialize_actnorm`; nothing is changed here. Batch statistics, if mutable,
        are updated as by one training pass.
        """
        found = {}
        weights = jnp.ones(x.shape[:-1], x.dtype) if weights is None else weights
        for layer in self.layers:
            if isinstance(layer, ActNorm):
                found[layer.name] = _whitening(x, weights)
                x = jnp.exp(found[layer.name]["log_scale"]) * x
                x = x + found[layer.name]["shift"]
            elif isinstance(layer, Coupling):
                x, _ = layer.forward(x, context, train, weights)
            else:
                x, _ = layer.forward(x, context)
        return found, x


def _whitening(x, weights):
    """ActNorm parameters that bring the rows of x to mean 0 and std 1 (ddof 1).

    The identity where fewer than two rows count.
    """
    axes = tuple(range(x.ndim - 1))
    mask = weights[..., None]
    count = jnp.sum(mask)
    mean = jnp.sum(x * mask, axis=axes) / jnp.maximum(count, 1.0)
    squares = jnp.sum(jnp.square(x - mean) * mask, axis=axes)
    std = jnp.sqrt(squares / jnp.maximum(count - 1.0, 1.0))
    std = jnp.maximum(std, ACTNORM_MIN_STD)
    found = {"log_scale": -jnp.log(std), "shift": -mean / std}
    return jax.tree.map(lambda value: jnp.where(count > 1, value, 0.0), found)


def initialize_actnorm(params: dict, found: dict[str, dict[str, jax.Array]]) -> dict:
    """Returns the flow's parameters with the ActNorms of `actnorm_from_data`."""
    return {**params, **found}


def standard_normal_log_prob(z: Float[Array, "*b D"]) -> Float[Array, "*b"]:
    """Returns ln N(z; 0, I)."""
    constant = 0.5 * z.shape[-1] * float(np.log(2.0 * np.pi))
    return -0.5 * jnp.sum(z**2, axis=-1) - constant
