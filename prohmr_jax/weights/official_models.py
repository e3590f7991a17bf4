"""Converts whole models of the official PyTorch implementation, and checks them.

`conversion` and `parity` call it. Every entry of a state dict is either converted or
dropped by a rule. Dropped are buffers that only restate the layout
(`official_layers.is_layout_buffer`), the body (`smpl.*`, which comes from its own file)
and the classifier of an ImageNet network (`fc.*`).
"""

import re
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.models.discriminator import NUM_JOINTS, Discriminator
from prohmr_jax.models.resnet import RESNETS, resnet
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.weights.official_layers import (
    State,
    discriminator_from_official,
    discriminator_to_official,
    encoder_from_official,
    encoder_to_official,
    flow_from_official,
    flow_to_official,
    head_from_official,
    head_to_official,
    is_layout_buffer,
    under,
)
from prohmr_jax.weights.official_sizes import (
    array_shape,
    array_size,
    count,
    flow_sizes,
    require_entries,
    without_memory,
)

BACKBONE_PREFIX = "backbone."
FLOW_PREFIX = "flow.flow."
HEAD_PREFIX = "flow.fc_head."
DISCRIMINATOR_PREFIX = "discriminator."
BODY_PREFIX = "smpl."
CLASSIFIER_PREFIX = "fc."
# Our name of each part, the prefix of its official names, and its conversion to them.
_PARTS = (
    ("encoder", BACKBONE_PREFIX, encoder_to_official),
    ("flow", FLOW_PREFIX, flow_to_official),
    ("head", HEAD_PREFIX, head_to_official),
)


def is_dropped(name: str) -> bool:
    """Returns whether an entry of a whole official model is dropped by a rule."""
    return name.startswith(BODY_PREFIX) or is_layout_buffer(name)


def prohmr_from_official(state: State) -> tuple[ModelSpec, dict, dict]:
    """Returns a whole official model as this project's weights.

    Sizes are read off the shapes. Dropout leaves no trace in weights: the spec has the
    official rate.

    Args:
      state: official name -> array, of all entries.

    Returns:
      The description of the model, its `{params, batch_stats, mean_params}`, and the
      parameters of its discriminator.

    Raises:
      ValueError: an entry is missing, unknown or of another shape; it is named.
    """
    spec = _spec_of(state)
    require_entries(state, official_shapes(spec), is_dropped)
    parts = {
        "encoder": encoder_from_official(under(state, BACKBONE_PREFIX)),
        "flow": flow_from_official(state, spec.context_features, FLOW_PREFIX),
        "head": head_from_official(under(state, HEAD_PREFIX)),
    }
    variables = {
        (collection, part, *path): value
        for part, collections in parts.items()
        for (collection, *path), value in flatten_dict(collections).items()
    }
    discriminator = discriminator_from_official(under(state, DISCRIMINATOR_PREFIX))
    return spec, unflatten_dict(variables), discriminator["params"]


def prohmr_to_official(
    variables: Mapping, discriminator_params: Mapping | None = None
) -> dict[str, np.ndarray]:
    """Returns a whole model as official name -> array, without what is dropped.

    Args:
      variables: any of `{params, batch_stats, mean_params}` of a `ProHMR`, or trees of
        their structure, such as gradients.
      discriminator_params: parameters of a `Discriminator`, or a tree of their
        structure; None leaves them out.
    """
    parts = [
        (prefix, to_official(tree[part]))
        for tree in variables.values()
        for part, prefix, to_official in _PARTS
        if part in tree
    ]
    if discriminator_params is not None:
        discriminator = discriminator_to_official(discriminator_params)
        parts.append((DISCRIMINATOR_PREFIX, discriminator))
    return {prefix + name: a for prefix, named in parts for name, a in named.items()}


def official_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Returns official name -> shape of all weights of a model, computing none.

    Args:
      spec: describes the model.
    """

    def init(key):
        body_pose, betas = jnp.zeros((NUM_JOINTS, 3, 3)), jnp.zeros(spec.num_betas)
        discriminator = Discriminator().init(key, body_pose, betas)
        return init_variables(build_model(spec), key), discriminator["params"]

    views = without_memory(jax.eval_shape(init, jax.random.key(0)))
    return {name: view.shape for name, view in prohmr_to_official(*views).items()}


def resnet_from_torchvision(state: State) -> tuple[str, dict]:
    """Returns the name of a ResNet in `RESNETS`, and its `{params, batch_stats}`.

    Args:
      state: torchvision's name -> array, with the classifier or without.

    Raises:
      ValueError: an entry is missing, unknown or of another shape; it is named.
    """
    name = _resnet_of(state)
    module = resnet(name, "float32")
    init = lambda: module.init(jax.random.key(0), module.example_input())  # noqa: E731
    shapes = {
        entry: view.shape
        for tree in without_memory(jax.eval_shape(init)).values()
        for entry, view in encoder_to_official(tree).items()
    }
    is_classifier = lambda entry: entry.startswith(CLASSIFIER_PREFIX)  # noqa: E731
    kept = {entry: a for entry, a in state.items() if not is_classifier(entry)}
    require_entries(kept, shapes, is_layout_buffer)
    return name, encoder_from_official(kept)


def _resnet_of(state: State) -> str:
    """Returns the name of a ResNet, told by the number and kind of its blocks."""
    bottleneck = any(re.match(r"layer1\.\d+\.conv3\.", name) for name in state)
    stages = tuple(count(state, rf"layer{n}\.(\d+)\.") for n in range(1, 5))
    for name, layout in RESNETS.items():
        if layout == (bottleneck, stages):
            return name
    raise ValueError(f"no known ResNet has {stages} blocks in its stages")


def _spec_of(state: State) -> ModelSpec:
    """Returns the description of a whole model, with sizes read off the shapes."""
    head = HEAD_PREFIX + "layers.0.weight"
    means = {
        name: tuple(float(v) for v in np.ravel(state[HEAD_PREFIX + name]))
        for name in ("init_betas", "init_cam")
        if array_shape(state, HEAD_PREFIX + name)
    }
    return ModelSpec(
        encoder=_resnet_of(under(state, BACKBONE_PREFIX)),
        context_features=array_size(state, head, 1),
        **flow_sizes(state, FLOW_PREFIX),
        head_hidden=array_size(state, head, 0),
        num_betas=len(means["init_betas"]),
        mean_betas=means["init_betas"],
        mean_camera=means["init_cam"],
    )
