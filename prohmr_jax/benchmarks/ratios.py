"""Keeps the ratios that a benchmark measured, and refuses a run whose ratios fell.

A ratio says how many times as fast our code is as what ran beside it in the same run.
Seconds of two days or machines cannot be compared; ratios change little.
"""

import json
import math
from collections.abc import Mapping

from prohmr_jax.benchmarks.timing import machine
from prohmr_jax.errors import InputError
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.json_text import read_json

LARGEST_LOSS = 0.2
"""Share of a ratio that a run may lose without being refused."""
# No code is so many times as fast as other code.
_LARGEST = 1e9


def keep_ratios(benchmark: str, ratios: Mapping[str, float], path: str) -> None:
    """Writes the ratios of a run to a JSON file, for later runs to be compared with.

    Args:
      benchmark: name of the benchmark's mode.
      ratios: ratios by the name of what was compared; larger is better.
      path: path of the file; empty for none.

    Raises:
      InputError: the file cannot be written.
    """
    if not path:
        return
    rounded = {name: float(f"{ratio:.4g}") for name, ratio in ratios.items()}
    content = {"benchmark": benchmark, "machine": machine(), "ratios": rounded}
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def read_ratios(benchmark: str, path: str) -> dict[str, float]:
    """Returns the ratios of an earlier run, by the name of what was compared.

    Args:
      benchmark: name of the benchmark's mode.
      path: file of `keep_ratios`; empty for no ratios.

    Raises:
      InputError: the file cannot be read, or belongs to another benchmark.
    """
    if not path:
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("ratios"), dict):
        raise InputError(path, "is not a file of ratios")
    if content.get("benchmark") != benchmark:
        what = f"has ratios of {content.get('benchmark')!r}, and {benchmark!r} ran"
        raise InputError(path, what)
    ratios = content["ratios"]
    for name, ratio in ratios.items():
        if type(ratio) not in (int, float) or not 0.0 < ratio < _LARGEST:
            raise InputError(path, f"has no positive ratio for {name!r}")
    if not ratios:
        raise InputError(path, "has no ratios")
    return ratios


def require_ratios(
    ratios: Mapping[str, float], before: Mapping[str, float], path: str
) -> None:
    """Prints each ratio beside that of an earlier run, and refuses losses.

    Args:
      ratios: ratios by the name of what was compared; larger is better.
      before: ratios of the earlier run; empty to compare with nothing.
      path: file of the earlier run, for the message.

    Raises:
      InputError: this run did not measure one of the earlier ratios, or a ratio fell
        by more than `LARGEST_LOSS`.
    """
    if not before:
        return
    kept = {name: ratios.get(name, math.nan) / old for name, old in before.items()}
    rows = [
        (name, f"{old:.3g}", f"{ratios.get(name, math.nan):.3g}", f"{kept[name]:.2f}")
        for name, old in before.items()
    ]
    print(markdown.table(("ratio", "before", "now", "now / before"), rows))
    absent = [name for name, share in kept.items() if math.isnan(share)]
    if absent:
        raise InputError(path, f"has ratios that were not measured: {_listed(absent)}")
    lost = [name for name, share in kept.items() if share < 1.0 - LARGEST_LOSS]
    if lost:
        what = f"{len(lost)} of {len(kept)} ratios fell by more than {LARGEST_LOSS:.0%}"
        raise InputError(path, f"{what}: {_listed(lost)}")


def _listed(names: list[str]) -> str:
    return "; ".join(names)
