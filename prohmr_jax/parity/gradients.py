"""Gradients of a whole model: norms by module and tensor, and leading entries."""

import numpy as np

from prohmr_jax.official_weights import (
    BACKBONE_PREFIX,
    DISCRIMINATOR_PREFIX,
    FLOW_PREFIX,
    HEAD_PREFIX,
)
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.parity.states import ROUNDING

# Float32 through fifty layers, on both sides.
DEEP = 1e-3
# Through batch statistics as well, in the backbone: of norms, of single entries.
BATCH_NORMS, BATCH_ENTRIES = 5e-3, 3e-2
_BATCHED = "float32 batch statistics differ as much from float64"
_AS_IS = "float32: a rectifier may lie on the other side of zero"
# A linear layer before a batch norm: the norm takes its bias out again.
_BIAS_BEFORE_NORM = "linear_layers.0.bias"
MODULES = {
    "backbone": BACKBONE_PREFIX,
    "flow": FLOW_PREFIX,
    "fc_head": HEAD_PREFIX,
    "discriminator": DISCRIMINATOR_PREFIX,
}


def compare_as_is(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    tolerance: float = DEEP,
) -> None:
    """Compares the modules' norms of the gradients that training makes, in float32.

    Where a rectifier's input lies within rounding of zero, two machines may take it
    to be on different sides. That moves single entries by more than `DEEP`, and the
    norm of all by less.

    Args:
      case: the file.
      report: takes the rows, marked "as is".
      prefix: of the entries.
      ours: official name -> our gradient; all that there are.
      tolerance: relative.
    """
    for module, start in MODULES.items():
        key = f"{prefix}module_norm/{module}"
        if key in case:
            report.compare(case, key, _module_norm(ours, start), tolerance,
                           note=" (as is)", reason=_AS_IS)  # fmt: skip


def compare_gradients(
    case: GoldenFile,
    report: Report,
    prefix: str,
    ours: dict[str, np.ndarray],
    *,
    train: bool = False,
    reason: str = "",
) -> None:
    """Compares norms and leading entries of gradients by official name.

    Args:
      case: the file.
      report: takes the rows.
      prefix: of the entries.
      ours: official name -> our gradient; all that there are.
      train: whether batches were normalised by their own statistics.
      reason: what else there is to say of all of them.
    """
    ours = {name: np.asarray(value, np.float64) for name, value in ours.items()}
    norms = {name: float(np.linalg.norm(value)) for name, value in ours.items()}

    def options(name: str, looser: float) -> dict:
        if train and name.startswith(BACKBONE_PREFIX):
            return {"tolerance": looser, "reason": f"{_BATCHED}; {reason}"}
        return {"tolerance": DEEP, "reason": reason}

    for module, start in MODULES.items():
        key = f"{prefix}module_norm/{module}"
        if key in case:
            total = _module_norm(ours, start)
            report.compare(case, key, total, **options(start, BATCH_NORMS))
    if f"{prefix}names" in case:
        names = [str(name) for name in case.golden(f"{prefix}names")]
        same = set(names) == set(ours)
        report.measure(case, f"{prefix}names ({len(names)})", same, True)
        for name, golden in zip(names, case.golden(f"{prefix}norms"), strict=True):
            what = f"{prefix}norms {name}"
            found = norms.get(name, np.nan)
            if train and name.endswith(_BIAS_BEFORE_NORM):
                weight = norms[name.removesuffix("bias") + "weight"]
                limit = ROUNDING * max(1.0, weight)
                zero = max(found, golden) < limit
                report.measure(case, what, zero, True,
                               reason="zero before a batch norm")  # fmt: skip
            else:
                report.measure(
                    case, what, found, golden, **options(name, BATCH_NORMS)
                )  # fmt: skip
    for key in case.keys(f"{prefix}first256/"):
        name = key.removeprefix(f"{prefix}first256/")
        leading = ours[name].ravel()[: len(case.golden(key))]
        report.compare(case, key, leading, **options(name, BATCH_ENTRIES))


def _module_norm(gradients: dict[str, np.ndarray], start: str) -> np.float64:
    """The norm of all that lies under a prefix of official names."""
    parts = [g for name, g in gradients.items() if name.startswith(start)]
    return np.sqrt(sum(np.sum(np.square(part, dtype=np.float64)) for part in parts))
