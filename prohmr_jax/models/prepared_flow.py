"""Evaluates the trained flow in folded form, with a third of the work.

Inference and fitting use this form. `fold_flow.prepare_flow` folds a trained flow once
per model, and `project_context` computes once per image all that depends on the
context. Only matrix products and rectifiers remain for each hypothesis. Results agree
with those of `ConditionalGlow` to rounding.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.models.flow import standard_normal_log_prob
from prohmr_jax.models.flow_layers import MAX_LOG_SCALE


@struct.dataclass
class PreparedBlock:
    """Holds the weights of a residual block.

    The block applies gain and offset, a rectifier, a linear layer, a rectifier and a
    second linear layer.
    """

    gain: Float[Array, " H"]
    """Factor of each hidden unit at the start of the branch."""
    offset: Float[Array, " H"]
    """Addition to each hidden unit at the start of the branch."""
    first: Float[Array, "H H"]
    """Weights of the first linear layer."""
    first_bias: Float[Array, " H"]
    """Bias of the first linear layer."""
    second: Float[Array, "H H"] | None
    """Weights of the second linear layer; None in the last block, whose second layer is
    part of `PreparedStep.out_hidden`."""
    second_bias: Float[Array, " H"] | None
    """Bias of the second linear layer, or None likewise."""


@struct.dataclass
class PreparedStep:
    """Holds an affine map (ActNorm and LU linear), then a coupling of two halves.

    The I features that the coupling keeps come first, the T features that it shifts
    come after them.
    """

    linear: Float[Array, "D D"]
    """Affine map from data to noise; rows are inputs, columns outputs."""
    linear_bias: Float[Array, " D"]
    """Bias of the affine map."""
    linear_inverse: Float[Array, "D D"]
    """Inverse of the affine map, from noise to data."""
    linear_inverse_bias: Float[Array, " D"]
    """Bias of the inverse."""
    initial: Float[Array, "I H"]
    """First layer of the conditioner, on the kept features."""
    blocks: tuple[PreparedBlock, ...]
    """Residual blocks of the conditioner."""
    out_residual: Float[Array, "H T"]
    """Output layer of the conditioner, on the input of the last block."""
    out_hidden: Float[Array, "H T"]
    """Second layer of the last block times the output layer."""
    out_bias: Float[Array, " T"]
    """Bias of the two together."""
    context: Float[Array, "C H"] | None
    """First layer of the conditioner, on the context; None without context."""
    context_bias: Float[Array, " H"]
    """Bias of the first layer."""
    scale: Float[Array, "C T"] | None
    """Layer of the log-scales, on the context; None in the additive form."""
    scale_bias: Float[Array, " T"] | None
    """Bias of that layer, or None likewise."""
    log_det: Float[Array, ""]
    """Log-determinant of the affine map from data to noise."""


@struct.dataclass
class PreparedFlow:
    """Holds a flow that is ready for inference."""

    steps: tuple[PreparedStep, ...]
    """Steps in the direction from data to noise."""
    unsplit: tuple[int, ...] = struct.field(pytree_node=False)
    """Permutation that brings the halves of the last step into the order of z."""
    precision: str = struct.field(pytree_node=False, default="highest")
    """Precision of all products, as `jax.numpy.matmul` names it. "highest" is float32;
    "TF32_TF32_F32" and "BF16_BF16_F32" are faster on GPUs that have them, and less
    exact."""

    @property
    def features(self) -> int:
        """Returns the number of entries of data and noise."""
        return self.steps[0].linear.shape[0]


@struct.dataclass
class ProjectedContext:
    """Holds all that the flow needs of an image; the image's hypotheses share it."""

    hidden: tuple[Float[Array, "*b H"], ...]
    """Contribution of the context to the first layer of each step's conditioner."""
    log_scale: tuple[Float[Array, "*b T"] | None, ...]
    """Log-scales of each step's coupling; None in the additive form."""
    log_det: Float[Array, "*b"]
    """Log-determinant of the map from data to noise, which is the same for every sample
    of the image."""


def project_context(
    flow: PreparedFlow, context: Float[Array, "*b C"] | None = None
) -> ProjectedContext:
    """Returns all that the flow needs of each image.

    Args:
      flow: the folded flow.
      context: contexts; `[*b, 1, C]` for values `[*b, K, D]`, so that hypotheses share
        them. None for a flow without context.
    """
    matmul = _product(flow)
    hidden, log_scales = [], []
    log_det = jnp.zeros(() if context is None else context.shape[:-1])
    for step in flow.steps:
        projected = step.context_bias
        if step.context is not None:
            projected = projected + matmul(context, step.context)
        hidden.append(projected)
        log_det = log_det + step.log_det
        log_scale = None
        if step.scale is not None:
            raw = matmul(context, step.scale) + step.scale_bias
            log_scale = MAX_LOG_SCALE * jnp.tanh(raw / MAX_LOG_SCALE)
            log_det = log_det + jnp.sum(log_scale, axis=-1)
        log_scales.append(log_scale)
    return ProjectedContext(tuple(hidden), tuple(log_scales), log_det)


def forward(
    flow: PreparedFlow, x: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
    """Returns the noise z of data x and log |det dz/dx|, as `ConditionalGlow.forward`.

    Args:
      flow: the folded flow.
      x: data.
      context: projected contexts, which broadcast against the rows.
    """
    matmul = _product(flow)
    for step, hidden, log_scale in _steps(flow, context):
        x = matmul(x, step.linear) + step.linear_bias
        kept, moved = _halves(step, x)
        if log_scale is not None:
            moved = moved * jnp.exp(log_scale)
        moved = moved + _shift(matmul, step, kept, hidden)
        x = jnp.concatenate([kept, moved], axis=-1)
    z = x[..., flow.unsplit]
    return z, jnp.broadcast_to(context.log_det, z.shape[:-1])


def inverse(
    flow: PreparedFlow, z: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
    """Returns the data x of noise z and log |det dx/dz|, as `ConditionalGlow.inverse`.

    Args:
      flow: the folded flow.
      z: noise.
      context: projected contexts, which broadcast against the rows.
    """
    matmul = _product(flow)
    x = z[..., np.argsort(flow.unsplit)]
    for step, hidden, log_scale in reversed(_steps(flow, context)):
        kept, moved = _halves(step, x)
        moved = moved - _shift(matmul, step, kept, hidden)
        if log_scale is not None:
            moved = moved * jnp.exp(-log_scale)
        x = jnp.concatenate([kept, moved], axis=-1)
        x = matmul(x, step.linear_inverse) + step.linear_inverse_bias
    return x, jnp.broadcast_to(-context.log_det, x.shape[:-1])


def log_prob(
    flow: PreparedFlow, x: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b"], Float[Array, "*b D"]]:
    """Returns ln p(x | c), nats, and the noise z; see `forward`."""
    z, log_det = forward(flow, x, context)
    return standard_normal_log_prob(z) + log_det, z


def sample(
    flow: PreparedFlow, z: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
    """Returns the data x of noise z and ln p(x | c), nats; see `inverse`."""
    x, log_det = inverse(flow, z, context)
    return x, standard_normal_log_prob(z) - log_det


def _steps(flow: PreparedFlow, context: ProjectedContext):
    return list(zip(flow.steps, context.hidden, context.log_scale, strict=True))


def _halves(step: PreparedStep, x):
    identity = step.initial.shape[0]
    return x[..., :identity], x[..., identity:]


def _product(flow: PreparedFlow) -> Callable[[Array, Array], Array]:
    return functools.partial(jnp.matmul, precision=flow.precision)


def _shift(matmul, step: PreparedStep, kept, hidden):
    """Returns the shift from the kept features and the projected context."""
    h = matmul(kept, step.initial) + hidden
    for block in step.blocks:
        branch = jax.nn.relu(h * block.gain + block.offset)
        branch = jax.nn.relu(matmul(branch, block.first) + block.first_bias)
        if block.second is not None:
            h = h + matmul(branch, block.second) + block.second_bias
    return (
        matmul(h, step.out_residual) + matmul(branch, step.out_hidden) + step.out_bias
    )
