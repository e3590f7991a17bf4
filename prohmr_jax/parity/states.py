"""Converts single layers from and to official state dicts, and compares the results.

`layers` and `flows` call it.
"""

import re

import numpy as np

from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import GRADIENTS, VALUES, Report
from prohmr_jax.weights.official_layers import (
    flow_from_official,
    flow_to_official,
    is_layout_buffer,
)

# With this prefix the names of a single layer are those of a flow.
_AS_FLOW = "_transform._transforms.0."

# Largest rounding error of a gradient that is zero in exact arithmetic, in units of the
# gradient of the same layer's weights where that is above one.
ROUNDING = 1e-5


def layer_variables(
    state: dict[str, np.ndarray], context_features: int = 0, inner: str = ""
) -> dict:
    """Returns `{params, batch_stats}` of one layer from its official state.

    Args:
      state: official name within the layer -> array.
      context_features: width of the context; 0 for a layer without one.
      inner: our name of the submodule that the state belongs to, followed by a dot;
        empty for the layer itself.
    """
    named = {_AS_FLOW + inner + name: value for name, value in state.items()}
    tree = flow_from_official(named, context_features)
    layers = {collection: values["layers_0"] for collection, values in tree.items()}
    if inner:
        module = inner.removesuffix(".")
        return {collection: values[module] for collection, values in layers.items()}
    return layers


def layer_to_official(tree: dict) -> dict[str, np.ndarray]:
    """Returns the `params` or `batch_stats` of one layer as official name -> array."""
    named = flow_to_official({"layers_0": tree})
    return {name.removeprefix(_AS_FLOW): value for name, value in named.items()}


def count_blocks(state: dict[str, np.ndarray]) -> int:
    """Returns how many residual blocks the conditioner of a state has."""
    matches = (re.search(r"blocks\.\d+", name) for name in state)
    return len({match[0] for match in matches if match})


def has_batch_norm(state: dict[str, np.ndarray]) -> bool:
    """Returns whether the conditioner of a state normalises batches."""
    return any("batch_norm_layers" in name for name in state)


def check_flags(case: GoldenFile, report: Report, prefix: str) -> None:
    """Checks the official buffers that restate the layout, which our trees leave out.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
    """
    for key in case.keys(prefix):
        leaf = key.removeprefix(prefix).rpartition(".")[2]
        if not is_layout_buffer(leaf):
            continue
        value = case.golden(key)
        if leaf == "dummy_buffer":
            report.confirm(case, key, value == 1.0, "is 1")
        elif leaf == "initialized":
            report.confirm(case, key, bool(value), "is true")
        elif leaf == "num_batches_tracked":
            if key not in case.compared:
                report.confirm(case, key, value >= 0, "is a count")
        else:
            holds = _is_alternating(case, key)
            report.confirm(case, key, holds, "every second feature")


def _is_alternating(case: GoldenFile, key: str) -> bool:
    """Returns whether a half has every second feature, and its twin the others."""
    swap = {"identity": "transform", "transform": "identity"}
    twin = re.sub("identity|transform(?=_features)", lambda m: swap[m[0]], key)
    half, other = case.golden(key), case.golden(twin)
    expected = np.arange(half[0], len(half) + len(other), 2)
    return np.array_equal(half, expected) and half[0] + other[0] == 1


def compare_state(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    *,
    before: str,
    note: str = "",
    special: dict[str, tuple[float, str]] | None = None,
) -> None:
    """Compares parameters and buffers after a training pass, by official name.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the names of the entries after the pass.
      ours: official name -> our array.
      before: first part of the names of the state before the pass; counts of batches
        must be one more than there.
      note: text that is appended to the names in the report.
      special: end of a name -> looser tolerance, and the reason for it.
    """
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name.endswith("num_batches_tracked"):
            counted = case.golden(key) == case.golden(before + name) + 1
            report.confirm(case, key, counted, "one batch more")
        elif name in ours:
            tolerance, reason = VALUES, ""
            for end, looser in (special or {}).items():
                if name.endswith(end):
                    tolerance, reason = looser
            report.compare(case, key, ours[name], tolerance, note=note, reason=reason)
    check_flags(case, report, prefix)


def compare_gradients(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    *,
    zero: str | tuple[str, ...] | None = None,
) -> None:
    """Compares gradients by official name.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      ours: official name -> our gradient.
      zero: end or ends of the names whose gradient is zero in exact arithmetic, if any.
        The official ones are rounding noise there, and ours must be as small.
    """
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name not in ours:
            continue
        if zero is not None and name.endswith(zero):
            noise = max(np.max(np.abs(ours[name])), np.max(np.abs(case.golden(key))))
            weight = ours[name.removesuffix("bias") + "weight"]
            limit = ROUNDING * max(1.0, np.max(np.abs(weight)))
            report.confirm(
                case, key, noise < limit, f"zero before a batch norm, but {noise:.0e}"
            )
        else:
            report.compare(case, key, ours[name], GRADIENTS)
