"""Defines the invertible layers of the flow: ActNorm, LU linear and coupling.

Each layer has two methods, `forward` (from data to noise) and `inverse` (from noise to
data), which return the value and the log-determinant of the map that was applied.
`flow.ConditionalGlow` stacks the layers.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from prohmr_jax.models.conditioner import ResidualNet
from prohmr_jax.models.layers import HIGHEST

# Keeps the diagonal of U away from zero (the official value).
LU_EPS = 1e-3
# Bound of the context-dependent log-scales of the affine coupling.
MAX_LOG_SCALE = 3.0


class ActNorm(nn.Module):
    """Computes y = exp(log_scale) x + shift; the log-determinant is sum(log_scale)."""

    features: int
    """Number of entries of x."""

    def setup(self):
        """Declares scale and shift, which start as the identity."""
        zeros = nn.initializers.zeros
        self.log_scale = self.param("log_scale", zeros, (self.features,))
        self.shift = self.param("shift", zeros, (self.features,))

    def forward(
        self, x: Float[Array, "*b D"], context: Float[Array, "*#b C"] | None
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns exp(log_scale) x + shift, and the log-determinant of this map."""
        log_det = jnp.broadcast_to(jnp.sum(self.log_scale), x.shape[:-1])
        return jnp.exp(self.log_scale) * x + self.shift, log_det

    def inverse(
        self, y: Float[Array, "*b D"], context: Float[Array, "*#b C"] | None
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns (y - shift) exp(-log_scale), and the log-determinant of this map."""
        log_det = jnp.broadcast_to(-jnp.sum(self.log_scale), y.shape[:-1])
        return (y - self.shift) * jnp.exp(-self.log_scale), log_det


class LULinear(nn.Module):
    """Computes y = L U x + b with triangular factors.

    L has a unit diagonal, U the diagonal softplus(u) + 1e-3.
    """

    features: int
    """Number of entries of x."""

    def setup(self):
        """Declares the factors, which start as the identity."""
        zeros = nn.initializers.zeros
        entries = (self.features * (self.features - 1) // 2,)
        # This makes softplus(u) + LU_EPS = 1.
        diagonal = nn.initializers.constant(float(np.log(np.expm1(1.0 - LU_EPS))))
        self.lower_entries = self.param("lower_entries", zeros, entries)
        self.upper_entries = self.param("upper_entries", zeros, entries)
        self.unconstrained_upper_diag = self.param(
            "unconstrained_upper_diag", diagonal, (self.features,)
        )
        self.bias = self.param("bias", zeros, (self.features,))

    def factors(self) -> tuple[Float[Array, "D D"], Float[Array, "D D"]]:
        """Returns L and U, whose off-diagonal entries are stored row by row."""
        eye = jnp.eye(self.features, dtype=self.bias.dtype)
        lower = eye.at[np.tril_indices(self.features, -1)].set(self.lower_entries)
        upper = jnp.diag(nn.softplus(self.unconstrained_upper_diag) + LU_EPS)
        upper = upper.at[np.triu_indices(self.features, 1)].set(self.upper_entries)
        return lower, upper

    def _log_det(self, value):
        diagonal = nn.softplus(self.unconstrained_upper_diag) + LU_EPS
        return jnp.broadcast_to(jnp.sum(jnp.log(diagonal)), value.shape[:-1])

    def forward(
        self, x: Float[Array, "*b D"], context: Float[Array, "*#b C"] | None
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns L (U x) + b, and the log-determinant of this map."""
        lower, upper = self.factors()
        y = jnp.matmul(x, upper.T, precision=HIGHEST)
        y = jnp.matmul(y, lower.T, precision=HIGHEST)
        return y + self.bias, self._log_det(x)

    def inverse(
        self, y: Float[Array, "*b D"], context: Float[Array, "*#b C"] | None
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns U^-1 L^-1 (y - b), and the log-determinant of this map.

        The matrix is inverted once for all rows, because solving for each row costs
        more as soon as there are more rows than features.
        """
        lower, upper = self.factors()
        eye = jnp.eye(self.features, dtype=self.bias.dtype)
        matrix = solve_triangular(lower, eye, lower=True, unit_diagonal=True)
        matrix = solve_triangular(upper, matrix, lower=False)
        x = jnp.matmul(y - self.bias, matrix.T, precision=HIGHEST)
        return x, -self._log_det(y)


class Coupling(nn.Module):
    """Shifts half of the features by a function of the other half and the context.

    The additive form is the paper's: y_t = x_t + t(x_i, c), with log-determinant 0. The
    affine form also scales the shifted half by a function of the context alone:
    y_t = exp(s(c)) x_t + t(x_i, c), with log-determinant sum(s(c)). It depends on the
    image but never on the sample, so that z = 0 is the exact mode in both forms.
    """

    features: int
    """Number of entries of x."""
    first_identity: int
    """0 if the features with even numbers stay the same, 1 if those with odd ones."""
    hidden_features: int
    """Width of the conditioner."""
    context_features: int
    """Number of entries of the context; 0 for a flow without context."""
    num_blocks: int
    """Number of residual blocks of the conditioner."""
    use_batch_norm: bool
    """Whether the conditioner normalises by batch statistics."""
    dropout_rate: float
    """Share of hidden units of the conditioner that are dropped in training."""
    affine: bool = False
    """Whether the coupling is affine instead of additive."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""

    @property
    def identity_features(self) -> slice:
        """Returns the features that stay the same: every second one."""
        return slice(self.first_identity, None, 2)

    @property
    def transform_features(self) -> slice:
        """Returns the features that are shifted."""
        return slice(1 - self.first_identity, None, 2)

    def setup(self):
        """Declares the conditioner and, in the affine form, the layer of the scales."""
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

    def forward(
        self,
        x: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns the features after the shift, and the log-determinant of this map.

        Args:
          x: features.
          context: contexts, which broadcast against the rows.
          train: see `ResidualNet`.
          weights: see `ResidualNet`.
        """
        moved = x[..., self.transform_features]
        log_det = jnp.zeros(x.shape[:-1], x.dtype)
        if (log_scale := self._log_scale(context)) is not None:
            moved = moved * jnp.exp(log_scale)
            log_det += jnp.sum(log_scale, axis=-1)
        kept = x[..., self.identity_features]
        shift = self.transform_net(kept, context, train, weights)
        return self._merge(x, moved + shift), log_det

    def inverse(
        self,
        y: Float[Array, "*b D"],
        context: Float[Array, "*#b C"] | None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
        """Returns the features before the shift, and the log-determinant of this map.

        Args: see `forward`.
        """
        kept = y[..., self.identity_features]
        shift = self.transform_net(kept, context, train, weights)
        moved = y[..., self.transform_features] - shift
        log_det = jnp.zeros(y.shape[:-1], y.dtype)
        if (log_scale := self._log_scale(context)) is not None:
            moved = moved * jnp.exp(-log_scale)
            log_det -= jnp.sum(log_scale, axis=-1)
        return self._merge(y, moved), log_det
