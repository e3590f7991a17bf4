"""Folds a trained flow into the form that inference and fitting evaluate.

Four things are folded: ActNorm and LU linear into one affine map and its inverse; the
couplings' split into even and odd features into these maps; batch normalisation into
the linear layer before it, or into a gain and an offset where a residual branch lies
between; and the second linear layer of the last block into the output layer.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.flow_layers import LU_EPS
from prohmr_jax.models.layers import BATCH_NORM_EPS
from prohmr_jax.models.prepared_flow import PreparedBlock, PreparedFlow, PreparedStep


def prepare_flow(flow: ConditionalGlow, variables: Mapping) -> PreparedFlow:
    """Returns the folded form of a trained flow.

    Args:
      flow: the module, which gives the sizes.
      variables: its `params` and, with batch normalisation, its `batch_stats`.
    """
    # Folding is done in float64 on the host, so that it costs no accuracy.
    variables = jax.tree.map(lambda a: np.asarray(a, np.float64), dict(variables))
    params, stats = variables["params"], variables.get("batch_stats", {})
    # The order of the features that enter a step: the natural one at first, then that
    # of the halves of the previous step.
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
    """Returns ActNorm and LU linear as one affine map between two feature orders."""
    size = len(order)
    lower, upper = np.eye(size), np.zeros((size, size))
    diagonal = np.logaddexp(0.0, lu["unconstrained_upper_diag"]) + LU_EPS
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
    """Returns the conditioner with folded batch normalisation and last two layers."""
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
    """Returns gain and offset of a batch normalisation; the identity without one."""
    name = f"batch_norm_layers_{i}"
    if name not in block:
        return np.ones(features), np.zeros(features)
    gain = block[name]["scale"] / np.sqrt(stats[name]["var"] + BATCH_NORM_EPS)
    return gain, block[name]["bias"] - stats[name]["mean"] * gain
