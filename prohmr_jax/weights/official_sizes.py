"""Reads the sizes of official models off their weights, and checks their entries.

`official_models` and `official_lifter` call it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from prohmr_jax.weights.official_layers import State


def without_memory(tree: Any) -> Any:
    """Returns abstract arrays as views of one zero, which have shapes and no memory."""
    return jax.tree.map(lambda s: np.broadcast_to(np.float32(0), s.shape), tree)


def require_entries(
    state: State, shapes: Mapping[str, tuple[int, ...]], dropped: Callable[[str], bool]
) -> None:
    """Raises an error unless a state dict has the entries of a model and no others.

    Args:
      state: official name -> array.
      shapes: official name -> shape of each entry of the model.
      dropped: function of a name that tells whether the conversion drops the entry.

    Raises:
      ValueError: an entry is missing, unknown or of another shape; it is named.
    """
    missing = [name for name in shapes if name not in state]
    unknown = [name for name in state if name not in shapes and not dropped(name)]
    if missing or unknown:
        faults = {"has no entry": missing, "unknown entry": unknown}
        raise ValueError("; ".join(_first_few(f, n) for f, n in faults.items() if n))
    for name, shape in shapes.items():
        actual = array_shape(state, name)
        if actual != shape:
            raise ValueError(f"entry {name!r} has shape {actual}, not {shape}")


def _first_few(fault: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{fault} {', '.join(map(repr, names[:3]))}{more}"


def array_shape(state: State, name: str) -> tuple[int, ...]:
    """Returns the shape of an entry.

    Raises:
      ValueError: there is no such entry.
    """
    if name not in state:
        raise ValueError(f"has no entry {name!r}")
    return np.shape(state[name])


def array_size(state: State, name: str, axis: int) -> int:
    """Returns the length of one axis of an entry.

    Raises:
      ValueError: there is no such entry, or it has fewer axes.
    """
    shape = array_shape(state, name)
    if axis >= len(shape):
        raise ValueError(f"entry {name!r} has shape {shape}")
    return shape[axis]


def count(state: State, pattern: str) -> int:
    """Returns how many different texts the group of a pattern matches in names.

    Args:
      state: official name -> array.
      pattern: regular expression with one group, matched at the start of a name.
    """
    return len({match[1] for name in state if (match := re.match(pattern, name))})


def flow_sizes(state: State, prefix: str) -> dict[str, int | bool]:
    """Returns the sizes of a flow by the names that they have in a model's spec.

    Args:
      state: official name -> array.
      prefix: first part of the flow's names.

    Raises:
      ValueError: the first conditioner is missing.
    """
    transforms = prefix + "_transform._transforms."
    net = transforms + "2.transform_net."
    return {
        "flow_layers": count(state, re.escape(transforms) + r"(\d+)\.transform_net\."),
        "flow_blocks": count(state, re.escape(net) + r"blocks\.(\d+)\."),
        "flow_hidden": array_size(state, net + "initial_layer.weight", 0),
        "flow_batch_norm": any(
            name.startswith(net) and "batch_norm" in name for name in state
        ),
    }
