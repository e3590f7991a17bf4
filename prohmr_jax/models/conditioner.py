"""The conditioner of the flow's couplings: a residual net that sees the context."""

import flax.linen as nn

from prohmr_jax.models.layers import BatchNorm, Dropout, dense


class ResidualBlock(nn.Module):
    """x + Lin1(drop(relu(BN1(Lin0(relu(BN0(x)))))))."""

    features: int
    use_batch_norm: bool
    dropout_rate: float
    axis_name: str | None

    @nn.compact
    def __call__(self, x, train, weights):
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
            # Blocks start close to the identity.
            h = dense(
                self.features,
                self.features,
                limit=1e-3 if i else None,
                name=f"linear_layers_{i}",
            )(h)
        return x + h


class ResidualNet(nn.Module):
    """The conditioner t(x, c): a linear layer, residual blocks, a linear layer.

    The context enters the first layer only. Its weights there are a layer of their
    own, so that a context is projected once for all rows that share it.
    """

    in_features: int
    out_features: int
    hidden_features: int
    context_features: int
    num_blocks: int
    use_batch_norm: bool
    dropout_rate: float
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, context, train: bool = False, weights=None):
        """Returns shifts `[*b, out_features]` of `x [*b, in_features]`."""
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
