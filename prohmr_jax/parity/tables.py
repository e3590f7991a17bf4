"""Names and shapes of the official weights against our trees."""

import math
import re

import numpy as np

from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.official_parts import is_layout_buffer
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.recipe import FLOW_PREFIX, official_shapes
from prohmr_jax.parity.report import Report

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
            rest = [k for k in case.keys(f"{table}/") if k not in case.compared]
            report.postpone(case, rest, "images")
        elif table == "ProSkeleton":
            report.postpone(case, case.keys(f"{table}/"), "skeleton lifting")


def _check_flow(
    case: GoldenFile, report: Report, prefix: str, flow: ConditionalGlow
) -> None:
    ours = {
        name: (shape, _KINDS[collection])
        for collection, shapes in official_shapes(flow).items()
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


def _layout_shape(name: str, flow: ConditionalGlow) -> tuple[int, ...]:
    if not name.endswith("_features"):
        return ()
    layer = int(re.search(r"_transforms\.(\d+)\.", name)[1]) // 3
    first = layer % 2 if name.endswith("identity_features") else 1 - layer % 2
    return np.arange(first, flow.features, 2).shape
