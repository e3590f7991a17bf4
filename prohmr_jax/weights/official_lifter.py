"""Converts the official model that lifts skeletons into this project's, and back.

`conversion` and `parity` call it. Every entry of a state dict is converted, or only
restates the layout.
"""

import re
from collections.abc import Iterable, Mapping

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.weights.official_layers import (
    State,
    encoder_from_official,
    encoder_to_official,
    flow_from_official,
    flow_to_official,
    is_layout_buffer,
    under,
)
from prohmr_jax.weights.official_models import BACKBONE_PREFIX, FLOW_PREFIX
from prohmr_jax.weights.official_sizes import (
    array_size,
    count,
    flow_sizes,
    require_entries,
    without_memory,
)

# First part of the names of the encoder's layers, which no other model has.
LAYERS_PREFIX = f"{BACKBONE_PREFIX}fc_layers."


def is_lifter(names: Iterable[str]) -> bool:
    """Returns whether official names are those of a model that lifts skeletons."""
    return any(name.startswith(LAYERS_PREFIX) for name in names)


def lifter_from_official(state: State) -> tuple[LifterSpec, dict]:
    """Returns a whole official model as this project's weights.

    Sizes are read off the shapes. Dropout leaves no trace in weights: the spec has the
    official rates.

    Args:
      state: official name -> array, of all entries.

    Returns:
      The description of the model, and its `{params, batch_stats, mean_params}`.

    Raises:
      ValueError: an entry is missing, unknown or of another shape; it is named.
    """
    spec = _spec_of(state)
    require_entries(state, lifter_shapes(spec), is_layout_buffer)
    parts = {
        "encoder": encoder_from_official(under(state, BACKBONE_PREFIX)),
        "flow": flow_from_official(state, spec.context_features, FLOW_PREFIX),
    }
    variables = {
        (collection, part, *path): value
        for part, collections in parts.items()
        for (collection, *path), value in flatten_dict(collections).items()
    }
    return spec, {"batch_stats": {}, "mean_params": {}, **unflatten_dict(variables)}


def lifter_to_official(variables: Mapping) -> dict[str, np.ndarray]:
    """Returns a model as official name -> array, without what restates the layout.

    Args:
      variables: any of `{params, batch_stats}` of a `SkeletonLifter`, or trees of their
        structure, such as gradients.
    """
    parts = (
        ("encoder", BACKBONE_PREFIX, encoder_to_official),
        ("flow", FLOW_PREFIX, flow_to_official),
    )
    return {
        prefix + name: value
        for tree in variables.values()
        for part, prefix, to_official in parts
        if part in tree
        for name, value in to_official(tree[part]).items()
    }


def lifter_shapes(spec: LifterSpec) -> dict[str, tuple[int, ...]]:
    """Returns official name -> shape of all weights of a model, computing none.

    Args:
      spec: describes the model.
    """
    init = lambda key: init_lifter(build_lifter(spec), key)  # noqa: E731
    views = without_memory(jax.eval_shape(init, jax.random.key(0)))
    return {name: view.shape for name, view in lifter_to_official(views).items()}


def _spec_of(state: State) -> LifterSpec:
    """Returns the description of a model, with sizes read off the shapes."""
    layer = re.escape(LAYERS_PREFIX) + r"(\d+)\.fc_block\."
    last = count(state, layer) - 1
    return LifterSpec(
        input_joints=array_size(state, f"{LAYERS_PREFIX}0.fc_block.0.weight", 1) // 2,
        output_joints=array_size(state, _FIRST_SHIFT, 0) // 3,
        encoder_width=array_size(state, f"{LAYERS_PREFIX}0.fc_block.0.weight", 0),
        # A layer of the encoder has a second linear layer if it is a residual block.
        encoder_blocks=count(state, layer + r"4\."),
        context_features=array_size(
            state, f"{LAYERS_PREFIX}{last}.fc_block.0.weight", 0
        ),
        **flow_sizes(state, FLOW_PREFIX),
    )


_FIRST_SHIFT = f"{FLOW_PREFIX}_transform._transforms.0.shift"
