"""Compares gradients of a whole model: norms, and the leading entries of tensors."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.parity.rounding import RoundingBounds
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


# Function that measures the bounds of rounding when a norm is off; its argument is the
# name of the tensor or of the module.
Rounding = Callable[[str], RoundingBounds]


def gradient_norms(gradients: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the Euclidean norm of every tensor and of every module, in float64.

    Args:
      gradients: official name -> gradient. The norm of all tensors of a module is under
        the name of the module in `MODULES`.
    """
    norms = {
        name: float(np.linalg.norm(np.asarray(value, np.float64)))
        for name, value in gradients.items()
    }
    return norms | {
        module: float(np.linalg.norm([n for t, n in norms.items() if t.startswith(s)]))
        for module, s in MODULES.items()
    }


def compare_norm(
    case: GoldenFile,
    report: Report,
    what: str,
    name: str,
    norm: float,
    golden: float,
    allowed: Tolerances,
    rounding: Rounding | None = None,
) -> None:
    """Compares the norm of a gradient; one that is off needs a proof that it rounds so.

    Args:
      case: the golden file.
      report: collects the rows.
      what: name of the row.
      name: official name of the tensor, or name of the module.
      norm: norm of our gradient.
      golden: norm of the official gradient.
      allowed: largest relative error of a tensor's norm, without a proof.
      rounding: measures the bounds of rounding. With it, every norm that is off by more
        than `DEEP` needs the proof, whatever is allowed; None asks for none.
    """
    off = abs(norm - golden) / golden if golden else np.inf
    if rounding is None or off <= DEEP:
        report.measure(case, what, norm, golden, allowed.norm, reason=allowed.reason)
        return
    explained, proof = rounding(name).verdict(name, float(norm), float(golden))
    report.excuse(case, what, norm, golden, explained, proof)


def compare_zero_norm(
    case: GoldenFile,
    report: Report,
    what: str,
    name: str,
    norms: Mapping[str, float],
    golden: float,
    rounding: Rounding | None = None,
) -> None:
    """Compares the norm of a bias before a batch norm, which is rounding alone.

    Both norms have to be as small as rounding is, in units of the norm of the same
    layer's weights.

    Args:
      case: the golden file.
      report: collects the rows.
      what: name of the row.
      name: official name of the bias.
      norms: norms of our gradients, by official name.
      golden: norm of the official gradient.
      rounding: see `compare_norm`.
    """
    norm, weight = norms[name], name.removesuffix("bias") + "weight"
    is_zero = max(norm, golden) < ROUNDING * max(1.0, norms[weight])
    if is_zero or rounding is None:
        report.measure(case, what, is_zero, True, reason="zero before a batch norm")
        return
    explained, proof = rounding(name).verdict(name, norm, float(golden), scale=weight)
    report.excuse(case, what, norm, golden, explained, proof)


def compare_module_norms(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    tolerances: Callable[[str], Tolerances],
    *,
    note: str = "",
    rounding: Rounding | None = None,
) -> None:
    """Compares the norm of all gradients of each module.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      ours: official name -> our gradient, for all parameters.
      tolerances: function of the prefix of a module's official names.
      note: text that is appended to the names in the report.
      rounding: see `compare_norm`.
    """
    norms = gradient_norms(ours)
    for module, start in MODULES.items():
        key = f"{prefix}module_norm/{module}"
        if key in case:
            allowed = tolerances(start)
            allowed = dataclasses.replace(allowed, norm=allowed.module)
            compare_norm(case, report, key + note, module, norms[module],
                         case.golden(key), allowed, rounding)  # fmt: skip


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
    rounding: Rounding | None = None,
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
      rounding: see `compare_norm`.
    """
    norms = gradient_norms(ours)

    def tolerances(name: str) -> Tolerances:
        allowed = backbone if name.startswith(BACKBONE_PREFIX) else STRICT
        reasons = "; ".join(filter(None, (allowed.reason, reason)))
        return dataclasses.replace(allowed, reason=reasons)

    compare_module_norms(
        case, report, prefix, ours, tolerances, note=note, rounding=rounding
    )
    if f"{prefix}names" in case:
        names = [str(name) for name in case.golden(f"{prefix}names")]
        same = set(names) == set(ours)
        report.measure(case, f"{prefix}names ({len(names)}){note}", same, True)
        for name, golden in zip(names, case.golden(f"{prefix}norms"), strict=True):
            what = f"{prefix}norms {name}{note}"
            norm = norms.get(name, np.nan)
            if batch_norm and name.endswith(_BIAS_BEFORE_NORM):
                compare_zero_norm(case, report, what, name, norms, golden, rounding)
            else:
                compare_norm(
                    case, report, what, name, norm, golden, tolerances(name), rounding
                )
    for key in case.keys(f"{prefix}first256/"):
        name = key.removeprefix(f"{prefix}first256/")
        leading = ours[name].ravel()[: len(case.golden(key))]
        allowed = tolerances(name)
        report.compare(case, key, leading, allowed.entry, note=note,
                       reason=allowed.reason)  # fmt: skip
