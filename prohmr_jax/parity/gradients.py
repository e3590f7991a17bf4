"""Compares gradients of a whole model: norms, and the leading entries of tensors."""

import dataclasses
from collections.abc import Callable

import numpy as np

from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.parity.states import ROUNDING
from prohmr_jax.weights.official_models import (
    BACKBONE_PREFIX,
    DISCRIMINATOR_PREFIX,
    FLOW_PREFIX,
    HEAD_PREFIX,
)

# Tolerance of gradients through fifty layers in float32, official and ours.
DEEP = 1e-3


@dataclasses.dataclass(frozen=True)
class Tolerances:
    """Holds the largest relative errors of gradients, and the reason for them."""

    module: float = DEEP
    """Largest error of the norm of a whole module."""
    norm: float = DEEP
    """Largest error of the norm of a tensor."""
    entry: float = DEEP
    """Largest error of an entry, relative to the largest entry of the tensor."""
    reason: str = ""
    """Reason of a looser tolerance."""


STRICT = Tolerances()
BATCHED = Tolerances(
    5e-3, 5e-3, 3e-2, "float32 batch statistics differ as much from float64"
)
# On another machine an input that is zero within rounding may lie on the other side of
# zero. That changes entries most, norms of tensors less, and norms of modules least.
RECTIFIED = Tolerances(
    DEEP, 5e-3, 3e-2, "float32: a rectifier may lie on the other side of zero"
)
# End of the names of biases before a batch norm, which takes them out again.
_BIAS_BEFORE_NORM = "linear_layers.0.bias"
MODULES = {
    "backbone": BACKBONE_PREFIX,
    "flow": FLOW_PREFIX,
    "fc_head": HEAD_PREFIX,
    "discriminator": DISCRIMINATOR_PREFIX,
}


def compare_module_norms(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    tolerances: Callable[[str], Tolerances],
    *,
    note: str = "",
) -> None:
    """Compares the norm of all gradients of each module.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      ours: official name -> our gradient, for all parameters.
      tolerances: function of the prefix of a module's official names.
      note: text that is appended to the names in the report.
    """
    for module, start in MODULES.items():
        key = f"{prefix}module_norm/{module}"
        if key in case:
            parts = [ours[name] for name in ours if name.startswith(start)]
            squares = [np.sum(np.square(part, dtype=np.float64)) for part in parts]
            allowed = tolerances(start)
            report.compare(case, key, np.sqrt(sum(squares)), allowed.module,
                           note=note, reason=allowed.reason)  # fmt: skip


def compare_gradients(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    *,
    backbone: Tolerances = STRICT,
    batch_norm: bool = False,
    note: str = "",
    reason: str = "",
) -> None:
    """Compares norms and leading entries of gradients by official name.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      ours: official name -> our gradient, for all parameters.
      backbone: tolerances of the encoder's gradients; all others have `STRICT`.
      batch_norm: whether batches were normalised by their own statistics.
      note: text that is appended to the names in the report.
      reason: remark that is added to the reason of every row.
    """
    ours = {name: np.asarray(value, np.float64) for name, value in ours.items()}
    norms = {name: float(np.linalg.norm(value)) for name, value in ours.items()}

    def tolerances(name: str) -> Tolerances:
        allowed = backbone if name.startswith(BACKBONE_PREFIX) else STRICT
        reasons = "; ".join(filter(None, (allowed.reason, reason)))
        return dataclasses.replace(allowed, reason=reasons)

    compare_module_norms(case, report, prefix, ours, tolerances, note=note)
    if f"{prefix}names" in case:
        names = [str(name) for name in case.golden(f"{prefix}names")]
        same = set(names) == set(ours)
        report.measure(case, f"{prefix}names ({len(names)}){note}", same, True)
        for name, golden in zip(names, case.golden(f"{prefix}norms"), strict=True):
            what = f"{prefix}norms {name}{note}"
            norm = norms.get(name, np.nan)
            if batch_norm and name.endswith(_BIAS_BEFORE_NORM):
                weight = norms[name.removesuffix("bias") + "weight"]
                limit = ROUNDING * max(1.0, weight)
                zero = max(norm, golden) < limit
                report.measure(case, what, zero, True,
                               reason="zero before a batch norm")  # fmt: skip
            else:
                allowed = tolerances(name)
                report.measure(case, what, norm, golden, allowed.norm,
                               reason=allowed.reason)  # fmt: skip
    for key in case.keys(f"{prefix}first256/"):
        name = key.removeprefix(f"{prefix}first256/")
        leading = ours[name].ravel()[: len(case.golden(key))]
        allowed = tolerances(name)
        report.compare(case, key, leading, allowed.entry, note=note,
                       reason=allowed.reason)  # fmt: skip
