"""Converts parts of the official PyTorch model into this project's trees, and back.

`official_models` and `parity` call it. Each part has `<part>_from_official`, which
takes entries named within the part and returns `{collection: tree}`, and
`<part>_to_official`, which takes one collection, or any tree of its structure, such as
gradients.

PyTorch keeps linear weights as (out, in) and those of convolutions as (out, in, h, w);
here they are (in, out) and (h, w, in, out). The official model feeds the first layer of
each conditioner the concatenation [identity half, context]; here those are two layers.
"""

import re
from collections.abc import Mapping

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.models.discriminator import NUM_JOINTS

# Last parts of the names of official entries that restate the layout of the model.
_LAYOUT_BUFFERS = (
    "dummy_buffer",
    "identity_features",
    "transform_features",
    "initialized",
    "num_batches_tracked",
)
# Our name of a leaf or module -> the official one.
_STATISTICS = {"mean": "running_mean", "var": "running_var"}
_WEIGHTS = {"kernel": "weight", "scale": "weight"}
_MEANS = {"betas": "init_betas", "camera": "init_cam"}
_DISCRIMINATOR_MODULES = {
    "joint_fc1": "D_conv1",
    "joint_fc2": "D_conv2",
    "all_joints_fc1": "D_alljoints_fc1",
    "all_joints_fc2": "D_alljoints_fc2",
    "all_joints_out": "D_alljoints_out",
}

# Official name -> array.
State = Mapping[str, np.ndarray]
# (collection, module, ..., leaf) -> array; some functions leave the collection out.
Leaves = dict[tuple[str, ...], np.ndarray]


def is_layout_buffer(name: str) -> bool:
    """Returns whether an official entry restates the layout and holds no weights."""
    return name.rpartition(".")[2] in _LAYOUT_BUFFERS


def under(state: State, prefix: str) -> dict[str, np.ndarray]:
    """Returns the weights whose names start with a prefix, by the rest of the name.

    Args:
      state: official name -> array.
      prefix: first part of the names; empty for all weights.
    """
    return {
        name.removeprefix(prefix): np.asarray(value)
        for name, value in state.items()
        if name.startswith(prefix) and not is_layout_buffer(name)
    }


def encoder_from_official(state: State) -> dict:
    """Returns `{params, batch_stats}` of a `ResNet` or of a `SkeletonEncoder`.

    Args:
      state: name within the encoder -> array; for a ResNet, torchvision's names without
        the classifier.
    """
    return unflatten_dict(_from_torch(under(state, "")))


def encoder_to_official(tree: Mapping) -> dict[str, np.ndarray]:
    """Returns one collection of an encoder as name within the encoder -> array."""
    return _to_torch(flatten_dict(tree))


def flow_from_official(state: State, context_features: int, prefix: str = "") -> dict:
    """Returns `{params, batch_stats}` of a `ConditionalGlow`.

    Args:
      state: official name -> array; entries whose names do not start with `prefix` are
        ignored.
      context_features: width of the context; 0 for a flow without one.
      prefix: first part of the flow's names, such as "flow.flow." in a whole ProHMR.

    Raises:
      ValueError: an entry under the prefix has no place in the flow.
    """
    layers = {}
    for name, value in under(state, prefix).items():
        layer = re.fullmatch(r"_transform\._transforms(\.\d+\..+)", name)
        if layer is None:
            raise ValueError(f"unknown entry {prefix + name!r}")
        layers["layers" + layer[1]] = value
    leaves = _from_torch(layers)
    own = [path for path in leaves if path[-2:] == ("initial_layer", "kernel")]
    for path in own if context_features else ():
        split = len(leaves[path]) - context_features
        context = (*path[:-2], "context_layer", "kernel")
        leaves[path], leaves[context] = np.split(leaves[path], [split])
    return unflatten_dict(leaves)


def flow_to_official(tree: Mapping, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns one collection of a `ConditionalGlow` as official name -> array.

    Args:
      tree: `params` or `batch_stats` of the flow, or a tree of their structure.
      prefix: first part of the names.
    """
    leaves = flatten_dict(tree)
    for path in [path for path in leaves if path[-2] == "context_layer"]:
        own = (*path[:-2], "initial_layer", "kernel")
        leaves[own] = np.concatenate([leaves[own], leaves.pop(path)])
    return {
        f"{prefix}_transform._transforms.{name.removeprefix('layers.')}": value
        for name, value in _to_torch(leaves).items()
    }


def head_from_official(state: State) -> dict:
    """Returns `{params, mean_params}` of a `ShapeCameraHead`.

    Args:
      state: official name within the head -> array.
    """
    layers = under(state, "")
    means = {leaf: layers.pop(name).reshape(-1) for leaf, name in _MEANS.items()}
    return {**unflatten_dict(_from_torch(layers)), "mean_params": means}


def head_to_official(tree: Mapping) -> dict[str, np.ndarray]:
    """Returns one collection of a `ShapeCameraHead` as official name -> array."""
    means = {name: tree[leaf] for leaf, name in _MEANS.items() if leaf in tree}
    if means:
        return {name: np.reshape(mean, (1, 1, -1)) for name, mean in means.items()}
    return _to_torch(flatten_dict(tree))


def discriminator_from_official(state: State) -> dict:
    """Returns `{params}` of a `Discriminator`.

    Args:
      state: official name within the discriminator -> array.
    """
    layers = under(state, "")
    scores = [
        np.concatenate([layers.pop(f"pose_out.{joint}.{leaf}") for joint in _JOINTS])
        for leaf in ("weight", "bias")
    ]
    params = {("joint_out_kernel",): scores[0], ("joint_out_bias",): scores[1]}
    ours = {official: module for module, official in _DISCRIMINATOR_MODULES.items()}
    for (_, module, leaf), value in _from_torch(layers).items():
        # A convolution of one pixel is a linear layer.
        params[ours.get(module, module), leaf] = value.reshape(value.shape[-2:])
    return {"params": unflatten_dict(params)}


def discriminator_to_official(tree: Mapping) -> dict[str, np.ndarray]:
    """Returns the parameters of a `Discriminator` as official name -> array."""
    layers = dict(tree)
    kernels = np.asarray(layers.pop("joint_out_kernel"))
    biases = np.asarray(layers.pop("joint_out_bias"))
    named = {f"pose_out.{joint}.weight": kernels[joint][None] for joint in _JOINTS}
    named |= {f"pose_out.{joint}.bias": biases[joint][None] for joint in _JOINTS}
    for (module, leaf), value in flatten_dict(layers).items():
        module = _DISCRIMINATOR_MODULES.get(module, module)
        if module.startswith("D_conv") and leaf == "kernel":
            value = np.asarray(value)[None, None]
        named |= _to_torch({(module, leaf): value})
    return named


_JOINTS = range(NUM_JOINTS)


def _from_torch(state: State) -> Leaves:
    """Returns PyTorch's layers as leaves of our trees.

    'a.0.b.weight' becomes ('params', 'a_0', 'b', 'kernel').
    """
    ours = {official: leaf for leaf, official in _STATISTICS.items()}
    leaves = {}
    for name, value in state.items():
        *module, leaf = re.sub(r"\.(\d+)(?=\.|$)", r"_\1", name).split(".")
        collection = "batch_stats" if leaf in ours else "params"
        leaf = ours.get(leaf, leaf)
        if leaf == "weight" and value.ndim == 1:
            leaf = "scale"
        elif leaf == "weight":
            leaf, value = "kernel", value.transpose(*range(2, value.ndim), 1, 0)
        leaves[collection, *module, leaf] = value
    return leaves


def _to_torch(leaves: Leaves) -> dict[str, np.ndarray]:
    """Returns leaves of our trees, without their collection, by PyTorch's names."""
    named = {}
    for (*module, leaf), value in leaves.items():
        value = np.asarray(value)
        if leaf == "kernel":
            value = value.transpose(-1, -2, *range(value.ndim - 2))
        modules = [re.sub(r"_(\d+)$", r".\1", part) for part in module]
        leaf = {**_STATISTICS, **_WEIGHTS}.get(leaf, leaf)
        named[".".join([*modules, leaf])] = value
    return named
