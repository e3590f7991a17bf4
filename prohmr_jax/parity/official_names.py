"""Compares names and shapes of the official weights with those of our trees."""

import math
import re

import numpy as np

from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.recipe import FULL_SIZE, flow_shapes
from prohmr_jax.parity.report import Report
from prohmr_jax.weights.official_layers import is_layout_buffer
from prohmr_jax.weights.official_lifter import lifter_shapes
from prohmr_jax.weights.official_models import FLOW_PREFIX, is_dropped, official_shapes

_GLOW = re.compile(r"ConditionalGlow_(\d+)_(\d+)_(\d+)_(\d+)(?:_ctx(\d+))?")
_KINDS = {"params": "parameter", "batch_stats": "buffer"}


def check_param_tables(case: GoldenFile, report: Report) -> None:
    """Compares names, shapes and kinds; none may be left over on either side."""
    for table in case.groups():
        if match := _GLOW.fullmatch(table):
            sizes = [int(size or 0) for size in match.groups()]
            features, hidden, layers, blocks, context = sizes
            flow = ConditionalGlow(features, hidden, context, layers, blocks)
            _check_flow(case, report, f"{table}/", flow)
        elif table == "ProHMR":
            _check_flow(case, report, f"{table}/{FLOW_PREFIX}", ConditionalGlow())
            _check_model(case, report, f"{table}/", official_shapes(FULL_SIZE))
        elif table == "ProSkeleton":
            flow = build_lifter(LifterSpec()).flow
            _check_flow(case, report, f"{table}/{FLOW_PREFIX}", flow)
            _check_model(case, report, f"{table}/", lifter_shapes(LifterSpec()))


def _check_flow(
    case: GoldenFile, report: Report, prefix: str, flow: ConditionalGlow
) -> None:
    ours = {
        name: (shape, _KINDS[collection])
        for collection, shapes in flow_shapes(flow).items()
        for name, shape in shapes.items()
    }
    table = {key.removeprefix(prefix): key for key in case.keys(prefix)}
    weights = [name for name in table if not is_layout_buffer(name)]
    same = set(weights) == set(ours)
    report.measure(case, f"{prefix}* ({len(weights)} names)", same, True)
    for name, key in table.items():
        entry = case.golden(key)
        shape = tuple(entry["shape"])
        if entry["n"] != math.prod(shape):
            report.fail(case.name, key, f"{entry['n']} entries in shape {shape}")
        elif is_layout_buffer(name):
            expected = _layout_shape(name, flow)
            report.measure(case, key, shape == expected, True,
                           reason="restates the layout; dropped")  # fmt: skip
        elif name in ours:
            described = (shape, entry["kind"], entry["dtype"])
            report.measure(case, key, described == (*ours[name], "float32"), True,
                           reason="shape and kind")  # fmt: skip


def _check_model(
    case: GoldenFile, report: Report, prefix: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    """Compares all entries but those of the flow, which were compared before."""
    ours = {name for name in shapes if not name.startswith(FLOW_PREFIX)}
    table = {
        key.removeprefix(prefix): case.golden(key)
        for key in case.keys(prefix)
        if key not in case.compared
    }
    weights = {name for name in table if not is_dropped(name)}
    same = weights == ours
    report.measure(case, f"{prefix}* but the flow ({len(weights)} names)", same, True)
    for name, entry in table.items():
        key = prefix + name
        if is_dropped(name):
            dropped = entry["kind"] == "buffer"
            report.measure(case, key, dropped, True, reason="a buffer; dropped")
        elif name in ours:
            is_buffer = re.search(r"\.(running_\w+|init_\w+)$", name) is not None
            kind = "buffer" if is_buffer else "parameter"
            expected = (shapes[name], kind, "float32", math.prod(shapes[name]))
            actual = (
                tuple(entry["shape"]),
                *(entry[k] for k in ("kind", "dtype", "n")),
            )
            report.measure(case, key, actual == expected, True, reason="shape and kind")


def _layout_shape(name: str, flow: ConditionalGlow) -> tuple[int, ...]:
    if not name.endswith("_features"):
        return ()
    layer = int(re.search(r"_transforms\.(\d+)\.", name)[1]) // 3
    first = layer % 2 if name.endswith("identity_features") else 1 - layer % 2
    return np.arange(first, flow.features, 2).shape
