"""Times pieces of work side by side, and describes the machine; all benchmarks use it.

What is compared runs in turn, round after round, so that a slow minute of the machine
affects everything alike. Reports give medians, and ratios of medians.
`timeit` is not used because it finishes one piece of work before the next one starts.
"""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable

import jax
import numpy as np

from prohmr_jax.files.atomic import write_atomically


def timed(
    work: dict[str, Callable[[], jax.Array]], rounds: int, compiled: bool = False
) -> dict[str, float]:
    """Returns the median seconds of each piece of work; all run in every round.

    Args:
      work: functions by name; what they return is waited for.
      rounds: number of rounds.
      compiled: whether all functions have run before; otherwise each runs once before
        the clock starts, so that compilation does not count.
    """
    for run in () if compiled else work.values():
        jax.block_until_ready(run())
    seconds = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def machine() -> str:
    """Returns one line that names the device, the machine and the package versions."""
    packages = ("jax", "jaxlib", "flax", "numpy")
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "?"
    return (
        f"{jax.devices()[0].device_kind} x {jax.device_count()} ({cpus} cores), "
        f"{platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, {versions}"
    )


def publish(report: str, output: str) -> None:
    """Prints a report, and writes it to a file as well if one is named.

    Args:
      report: text of the report.
      output: path of the file; empty for none.

    Raises:
      InputError: the file cannot be written.
    """
    if output:
        write_atomically(output, lambda stream: stream.write(report.encode()))
    print(report)
