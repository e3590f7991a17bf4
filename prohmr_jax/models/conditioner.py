"""Computes the shifts of the flow's coupling layers by a residual network.

The deterministic pose regressor uses the same network to predict a pose.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from prohmr_jax.models.layers import BatchNorm, Dropout, dense


class ResidualBlock(nn.Module):
    """Computes x + Lin1(drop(relu(BN1(Lin0(relu(BN0(x))))))).

    Attributes: see `ResidualNet`.
    """

    features: int
    use_batch_norm: bool
    dropout_rate: float
    axis_name: str | None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*b H"],
        train: bool,
        weights: Float[Array, "*b"] | None,
    ) -> Float[Array, "*b H"]:
        """Returns the block's output; see `ResidualNet`."""
        h = x
        for i in range(2):
            if self.use_batch_norm:
                norm = BatchNorm(
                    use_running_average=not train,
                    axis_name=self.axis_name,
                    name=f"batch_norm_layers_{i}",
                )
                h = norm(h, weights)
            h = nn.relu(h)
            if i == 1:
                h = Dropout(self.dropout_rate, self.axis_name)(h, train)
            # With small initial weights, a block starts close to the identity.
            h = dense(
                self.features,
                self.features,
                limit=1e-3 if i else None,
                name=f"linear_layers_{i}",
            )(h)
        return x + h


class ResidualNet(nn.Module):
    """Computes t(x, c): a linear layer, residual blocks, and a linear layer.

    The context c enters the first layer only. Its weights there form a layer of their
    own, so that a context is projected once for all rows that share it.
    """

    in_features: int
    """Number of entries of x."""
    out_features: int
    """Number of outputs."""
    hidden_features: int
    """Width of the residual blocks."""
    context_features: int
    """Number of entries of the context; 0 for a network without context."""
    num_blocks: int
    """Number of residual blocks."""
    use_batch_norm: bool
    """Whether blocks normalise their input by batch statistics."""
    dropout_rate: float
    """Share of hidden units that are dropped in training."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*b I"],
        context: Float[Array, "*#b C"] | None,
        train: bool = False,
        weights: Float[Array, "*b"] | None = None,
    ) -> Float[Array, "*b O"]:
        """Returns the outputs of rows x.

        Args:
          x: inputs.
          context: contexts, which broadcast against the rows; None without context.
          train: normalises by batch statistics and drops units.
          weights: 1 for rows that count in the batch statistics, 0 for the others; None
            if all of them count.
        """
        fan_in = self.in_features + self.context_features
        h = dense(self.hidden_features, fan_in, name="initial_layer")(x)
        if self.context_features:
            h = h + dense(
                self.hidden_features, fan_in, use_bias=False, name="context_layer"
            )(context)
        for i in range(self.num_blocks):
            h = ResidualBlock(
                self.hidden_features,
                self.use_batch_norm,
                self.dropout_rate,
                self.axis_name,
                name=f"blocks_{i}",
            )(h, train, weights)
        return dense(
            self.out_features,
            self.hidden_features,
            limit=0.01 * self.hidden_features**-0.5,
            name="final_layer",
        )(h)
