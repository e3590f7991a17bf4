"""The trained flow made ready for inference: the same map, a third of the work.

`prepare_flow` folds, once per model: ActNorm and LU linear into one affine map (and
its inverse), the couplings' split into even and odd features into these maps, batch
norm into the linear layer before it (or a gain and an offset where a residual branch
leaves between), and the last block's second linear layer into the output layer.
`project_context` then computes, once per image, all that depends on the context.

What remains per hypothesis is matrix products and rectifiers. Results agree with
`ConditionalGlow` to rounding.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.models.flow import (
    MAX_LOG_SCALE,
    ConditionalGlow,
    standard_normal_log_prob,
)
from prohmr_jax.models.layers import HIGHEST

_BATCH_NORM_EPS = 1e-5


@struct.dataclass
class PreparedBlock:
    """A residual block: gain and offset, rectify, linear, rectify, linear."""

    gain: Float[Array, " H"]
    offset: Float[Array, " H"]
    first: Float[Array, "H H"]
    first_bias: Float[Array, " H"]
    second: Float[Array, "H H"] | None
    """None in the last block, where `PreparedStep.out_hidden` holds it."""
    second_bias: Float[Array, " H"] | None


@struct.dataclass
class PreparedStep:
    """ActNorm and LU as one affine map, then a coupling of two contiguous halves."""

    linear: Float[Array, "D D"]
    """Data to noise: rows are inputs, columns outputs, identity half first."""
    linear_bias: Float[Array, " D"]
    linear_inverse: Float[Array, "D D"]
    linear_inverse_bias: Float[Array, " D"]
    initial: Float[Array, "I H"]
    blocks: tuple[PreparedBlock, ...]
    out_residual: Float[Array, "H T"]
    """Output layer on the residual stream before the last block's branch."""
    out_hidden: Float[Array, "H T"]
    """The last block's second layer times the output layer."""
    out_bias: Float[Array, " T"]
    context: Float[Array, "C H"] | None
    context_bias: Float[Array, " H"]
    scale: Float[Array, "C T"] | None
    """None for the additive form."""
    scale_bias: Float[Array, " T"] | None
    log_det: Float[Array, ""]
    """Of the affine map, data to noise."""


@struct.dataclass
class PreparedFlow:
    """A flow ready for inference; steps in the direction from data to noise."""

    steps: tuple[PreparedStep, ...]
    unsplit: tuple[int, ...] = struct.field(pytree_node=False)
    """Brings the last step's halves back into feature order."""

    @property
    def features(self) -> int:
        """Dimension of data and noise."""
        return self.steps[0].linear.shape[0]


@struct.dataclass
class ProjectedContext:
    """All that the flow needs of an image, per step; share it among hypotheses."""

    hidden: tuple[Float[Array, "*b H"], ...]
    log_scale: tuple[Float[Array, "*b T"] | None, ...]
    log_det: Float[Array, "*b"]
    """Data to noise, the same for every sample of the image."""


def prepare_flow(flow: ConditionalGlow, variables: Mapping) -> PreparedFlow:
    """Returns the folded form of trained weights.

    Args:
      flow: the module, for its sizes.
      variables: its `params` and, with batch norm, `batch_stats`.
    """
    # Folding is done in float64 on the host: it must not cost accuracy.
    variables = jax.tree.map(lambda a: np.asarray(a, np.float64), dict(variables))
    params, stats = variables["params"], variables.get("batch_stats", {})
    # The feature order that a step receives: at first the natural one, then the
    # previous step's halves, identity half first.
    order = np.arange(flow.features)
    steps = []
    for i in range(flow.num_layers):
        split = np.concatenate(
            [np.arange(i % 2, flow.features, 2), np.arange(1 - i % 2, flow.features, 2)]
        )
        actnorm, lu, coupling = (f"layers_{3 * i + k}" for k in range(3))
        step = _affine(params[actnorm], params[lu], order, split)
        step |= _coupling(params[coupling], stats.get(coupling, {}), flow)
        steps.append(PreparedStep(**step))
        order = split
    to_float32 = lambda a: jnp.asarray(a, jnp.float32)  # noqa: E731
    unsplit = tuple(int(i) for i in np.argsort(order))
    return PreparedFlow(jax.tree.map(to_float32, tuple(steps)), unsplit)


def _affine(actnorm, lu, order, split) -> dict:
    """One affine map of ActNorm and LU between two feature orders."""
    size = len(order)
    lower, upper = np.eye(size), np.zeros((size, size))
    diagonal = np.logaddexp(0.0, lu["unconstrained_upper_diag"]) + 1e-3
    lower[np.tril_indices(size, -1)] = lu["lower_entries"]
    upper[np.triu_indices(size, 1)] = lu["upper_entries"]
    upper[np.diag_indices(size)] = diagonal
    weight = lower @ upper
    matrix = (weight * np.exp(actnorm["log_scale"])).T
    bias = weight @ actnorm["shift"] + lu["bias"]
    inverse = np.linalg.inv(matrix)
    return {
        "linear": matrix[order][:, split],
        "linear_bias": bias[split],
        "linear_inverse": inverse[split][:, order],
        "linear_inverse_bias": (-bias @ inverse)[order],
        "log_det": np.sum(actnorm["log_scale"]) + np.sum(np.log(diagonal)),
    }


def _coupling(params, stats, flow: ConditionalGlow) -> dict:
    """The conditioner with batch norm and the last two linear layers folded."""
    net, net_stats = params["transform_net"], stats.get("transform_net", {})
    final = net["final_layer"]
    blocks = []
    for i in range(flow.num_blocks):
        block, block_stats = net[f"blocks_{i}"], net_stats.get(f"blocks_{i}", {})
        gain, offset = _batch_norm(block, block_stats, 0, flow.hidden_features)
        gain_1, offset_1 = _batch_norm(block, block_stats, 1, flow.hidden_features)
        first, second = block["linear_layers_0"], block["linear_layers_1"]
        last = i == flow.num_blocks - 1
        blocks.append(
            PreparedBlock(
                gain=gain,
                offset=offset,
                first=first["kernel"] * gain_1,
                first_bias=first["bias"] * gain_1 + offset_1,
                second=None if last else second["kernel"],
                second_bias=None if last else second["bias"],
            )
        )
    scale = params.get("scale_net", {})
    return {
        "initial": net["initial_layer"]["kernel"],
        "blocks": tuple(blocks),
        "out_residual": final["kernel"],
        "out_hidden": second["kernel"] @ final["kernel"],
        "out_bias": final["bias"] + second["bias"] @ final["kernel"],
        "context": net.get("context_layer", {}).get("kernel"),
        "context_bias": net["initial_layer"]["bias"],
        "scale": scale.get("kernel"),
        "scale_bias": scale.get("bias"),
    }


def _batch_norm(block, stats, i: int, features: int):
    """Gain and offset of a batch norm in evaluation; identity where there is none."""
    name = f"batch_norm_layers_{i}"
    if name not in block:
        return np.ones(features), np.zeros(features)
    gain = block[name]["scale"] / np.sqrt(stats[name]["var"] + _BATCH_NORM_EPS)
    return gain, block[name]["bias"] - stats[name]["mean"] * gain


def project_context(
    flow: PreparedFlow, context: Float[Array, "*b C"] | None = None
) -> ProjectedContext:
    """Returns what the flow needs of each image; broadcast it over hypotheses.

    Give `context [*b, 1, C]` to use the result with values `[*b, K, D]`. None is for
    a flow without context.
    """
    hidden, log_scales = [], []
    log_det = jnp.zeros(() if context is None else context.shape[:-1])
    for step in flow.steps:
        projected = step.context_bias
        if step.context is not None:
            projected = projected + _matmul(context, step.context)
        hidden.append(projected)
        log_det = log_det + step.log_det
        log_scale = None
        if step.scale is not None:
            raw = _matmul(context, step.scale) + step.scale_bias
            log_scale = MAX_LOG_SCALE * jnp.tanh(raw / MAX_LOG_SCALE)
            log_det = log_det + jnp.sum(log_scale, axis=-1)
        log_scales.append(log_scale)
    return ProjectedContext(tuple(hidden), tuple(log_scales), log_det)


def forward(
    flow: PreparedFlow, x: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
    """Returns z of data and log |det dz/dx|, as `ConditionalGlow.forward`."""
    for step, hidden, log_scale in _steps(flow, context):
        x = _matmul(x, step.linear) + step.linear_bias
        kept, moved = _halves(step, x)
        if log_scale is not None:
            moved = moved * jnp.exp(log_scale)
        moved = moved + _shift(step, kept, hidden)
        x = jnp.concatenate([kept, moved], axis=-1)
    z = x[..., flow.unsplit]
    return z, jnp.broadcast_to(context.log_det, z.shape[:-1])


def inverse(
    flow: PreparedFlow, z: Float[Array, "*b D"], context: ProjectedContext
) -> tuple[Float[Array, "*b D"], Float[Array, "*b"]]:
    """Returns data of noise and log |det dx/dz|, as `ConditionalGlow.inverse`."""
    x = z[..., np.argsort(flow.unsplit)]
    for step, hidden, log_scale in reversed(_steps(flow, context)):
        kept, moved = _halves(step, x)
        moved = moved - _shift(step, kept, hidden)
        if log_scale is not None:
            moved = moved * jnp.exp(-log_scale)
        x = jnp.concatenate([kept, moved], axis=-1)
        x = _matmul(x, step.linear_inverse) + step.linear_inverse_bias
    return x, jnp.broadcast_to(-context.log_det, x.shape[:-1])


def log_prob(flow: PreparedFlow, x, context: ProjectedContext):
    """Returns ln p(x | c) `[*b]` and z `[*b, D]`."""
    z, log_det = forward(flow, x, context)
    return standard_normal_log_prob(z) + log_det, z


def sample(flow: PreparedFlow, z, context: ProjectedContext):
    """Returns data of given noise `[*b, D]` and its ln p(x | c) `[*b]`."""
    x, log_det = inverse(flow, z, context)
    return x, standard_normal_log_prob(z) - log_det


def _steps(flow: PreparedFlow, context: ProjectedContext):
    return list(zip(flow.steps, context.hidden, context.log_scale, strict=True))


def _halves(step: PreparedStep, x):
    identity = step.initial.shape[0]
    return x[..., :identity], x[..., identity:]


def _matmul(x, matrix):
    return jnp.matmul(x, matrix, precision=HIGHEST)


def _shift(step: PreparedStep, kept, hidden):
    """The conditioner's output, from the kept half and the projected context."""
    h = _matmul(kept, step.initial) + hidden
    for block in step.blocks:
        branch = jax.nn.relu(h * block.gain + block.offset)
        branch = jax.nn.relu(_matmul(branch, block.first) + block.first_bias)
        if block.second is not None:
            h = h + _matmul(branch, block.second) + block.second_bias
    return (
        _matmul(h, step.out_residual) + _matmul(branch, step.out_hidden) + step.out_bias
    )
