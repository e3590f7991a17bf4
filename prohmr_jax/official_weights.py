"""Weights of the official PyTorch implementation, renamed into this project's trees.

`flow_from_official` reads a state dict of `ConditionalGlow`; `flow_to_official`
goes back, so that gradients and updated parameters can be compared by official name.

torch keeps linear weights as (out, in) and feeds the first layer of each conditioner
the concatenation [identity half, context]; here kernels are (in, out) and those two
parts are two layers. Buffers that only restate the layout (`dummy_buffer`,
`identity_features`, `transform_features`, `initialized`, `num_batches_tracked`)
carry no weights and are dropped.
"""

import re
from collections.abc import Mapping

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

_DROPPED = (
    "dummy_buffer",
    "identity_features",
    "transform_features",
    "initialized",
    "num_batches_tracked",
)
_LEAVES = {
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
_OFFICIAL_LEAVES = {"kernel": "weight", "mean": "running_mean", "var": "running_var"}


def is_layout_buffer(name: str) -> bool:
    """Returns whether an official entry restates the layout and holds no weights."""
    return name.rpartition(".")[2] in _DROPPED


def flow_from_official(
    state: Mapping[str, np.ndarray], context_features: int, prefix: str = ""
) -> dict:
    """Returns `{params, batch_stats}` of a `ConditionalGlow` from official weights.

    Args:
      state: official name -> array; names that do not start with `prefix` are left.
      context_features: width of the context; 0 for a flow without.
      prefix: for instance "flow.flow." in a whole ProHMR.

    Raises:
      ValueError: an entry under the prefix has no place here.
    """
    found: dict[tuple[str, ...], np.ndarray] = {}
    for name, value in state.items():
        if name.startswith(prefix) and not is_layout_buffer(name):
            local = name.removeprefix(prefix)
            entry = re.fullmatch(r"_transform\._transforms\.(\d+)\.(.+)", local)
            if entry is None:
                raise ValueError(f"unknown entry {name!r}")
            path = (f"layers_{entry[1]}", *_rename(entry[2]))
            found |= _from_torch(path, np.asarray(value), context_features)
    return unflatten_dict(found)


def _rename(name: str) -> tuple[str, ...]:
    """'blocks.0.linear_layers.1.weight' -> ('blocks_0', 'linear_layers_1', ...)."""
    return tuple(re.sub(r"\.(\d+)(?=\.|$)", r"_\1", name).split("."))


def _from_torch(path, value, context_features) -> dict:
    *module, leaf = path
    if leaf in _LEAVES:
        collection, leaf = _LEAVES[leaf]
        return {(collection, *module, leaf): value}
    if leaf == "weight" and value.ndim == 1:
        return {("params", *module, "scale"): value}
    if leaf != "weight":
        return {("params", *module, leaf): value}
    kernel = value.T
    if module[-1] != "initial_layer" or not context_features:
        return {("params", *module, "kernel"): kernel}
    split = kernel.shape[0] - context_features
    return {
        ("params", *module, "kernel"): kernel[:split],
        ("params", *module[:-1], "context_layer", "kernel"): kernel[split:],
    }


def flow_to_official(tree: Mapping, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns official name -> array of `params` or `batch_stats` of a flow.

    Also takes gradients: any tree of that structure.
    """
    flat = {path: np.asarray(value) for path, value in flatten_dict(tree).items()}
    named = {}
    for (layer, *module, leaf), value in flat.items():
        if module and module[-1] == "context_layer":
            continue
        if module and module[-1] == "initial_layer" and leaf == "kernel":
            context = (layer, *module[:-1], "context_layer", "kernel")
            if context in flat:
                value = np.concatenate([value, flat[context]])
        if leaf == "kernel":
            value = value.T
        leaf = "weight" if leaf == "scale" else _OFFICIAL_LEAVES.get(leaf, leaf)
        index = layer.removeprefix("layers_")
        inner = [re.sub(r"_(\d+)$", r".\1", part) for part in module]
        name = ".".join(["_transform", "_transforms", index, *inner, leaf])
        named[prefix + name] = value
    return named
