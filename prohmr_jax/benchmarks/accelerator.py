"""Runs the mode "benchmark_accelerator": measures one device in a few minutes.

Rows are written as soon as they are measured, so that a run that is cut short has
measured something. A row that needs more memory than there is, or a precision that the
device does not have, says so.
"""

import itertools
import time
from collections.abc import Iterator

import jax
import ml_collections

from prohmr_jax.benchmarks.accelerator_work import (
    Work,
    body_rows,
    detector_rows,
    fit_rows,
    flow_rows,
    image_rows,
    joint_rows,
    limits,
)
from prohmr_jax.benchmarks.fitting_people import make_subject, with_vertices
from prohmr_jax.benchmarks.timing import machine, timed
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.files.markdown import table
from prohmr_jax.modes.config_checks import require_least, require_some, require_words
from prohmr_jax.parity.recipe import recipe_weights

_SMPL_VERTICES = 6890
_POSE_SIGMA = 0.15
_PRECISIONS = ("default", "high", "highest", *jax.lax.DotAlgorithmPreset.__members__)
# What JAX says of work that cannot be measured, and what the row says then.
_REASONS = {
    "RESOURCE_EXHAUSTED": "not enough memory",
    "is not supported by dot_general": "no such precision here",
}
_HEADER = (
    "work", "precision", "ms", "each second", "TFLOP/s", "GB/s", "of the limit",
    "error", "MB, peak so far", "first call, s",
)  # fmt: skip


def run(config: ml_collections.ConfigDict) -> str:
    """Measures row by row, and prints, writes and returns a Markdown report.

    Args:
      config: see `configs/benchmark_accelerator.py`.

    Raises:
      InputError: the body cannot be read, the report not be written, or a key has no
        valid value.
    """
    require_some(config, "precisions")
    require_words(config, {"precisions": _PRECISIONS})
    least = {"seconds": 1, "rounds": 1, "product": 1, "copied_mb": 1, "views": 1}
    require_least(config, {**least, "image_batch": 1, "detector_batch": 1})
    end = time.monotonic() + config.seconds
    rows, left_out, best = [], [], {}
    for work in _rows(config):
        if time.monotonic() > end:
            left_out.append(f"{work.name} ({work.precision})")
            continue
        rows.append(measure_row(work, config.rounds, best))
        print(" | ".join(rows[-1]), flush=True)
        report = _report(config, rows, left_out)
        if config.output:
            write_atomically(config.output, lambda s, r=report: s.write(r.encode()))
    report = _report(config, rows, left_out)
    if config.output:
        write_atomically(config.output, lambda stream: stream.write(report.encode()))
    print(report)
    return report


def _rows(config: ml_collections.ConfigDict) -> Iterator[Work]:
    yield from limits(config)
    arrays = with_vertices(read_body_arrays(config.body), _SMPL_VERTICES)
    subject = make_subject(*recipe_weights(config.seed, _POSE_SIGMA), arrays)
    yield from itertools.chain(
        flow_rows(config, subject),
        fit_rows(config, subject),
        body_rows(config, subject),
        image_rows(config),
        joint_rows(config, subject),
        detector_rows(config),
    )


def measure_row(work: Work, rounds: int, best: dict[str, float]) -> tuple[str, ...]:
    """Returns the cells of a row.

    Args:
      work: what is measured.
      rounds: number of rounds.
      best: highest rates so far of the plain products by precision, and of the copy;
        rows without a number of things set them.
    """
    try:
        start = time.perf_counter()
        jax.block_until_ready(work.run())
        first = time.perf_counter() - start
        seconds = timed({"": work.run}, rounds, compiled=True)[""]
        error = f"{work.error():.1e}" if work.error else ""
    except (jax.errors.JaxRuntimeError, ValueError) as fault:
        reason = next((why for text, why in _REASONS.items() if text in str(fault)), "")
        if not reason:
            raise
        return (work.name, work.precision, reason, *[""] * (len(_HEADER) - 3))
    rates = {work.precision: work.flops / seconds, "copy": work.moved_bytes / seconds}
    if not work.amount:
        best |= {name: rate for name, rate in rates.items() if rate}
    shares = [
        rate / best[name] for name, rate in rates.items() if rate and name in best
    ]
    each = work.amount / seconds
    each = f"{each:,.0f}" if each >= 100 else f"{each:.3g}"
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return (
        work.name,
        work.precision,
        f"{1e3 * seconds:.2f}",
        f"{each} {work.unit}" if work.amount else "",
        f"{work.flops / seconds / 1e12:.2f}" if work.flops else "",
        f"{work.moved_bytes / seconds / 1e9:.0f}" if work.moved_bytes else "",
        f"{shares[0]:.0%}" if shares else "",
        error,
        f"{peak / 1e6:.0f}" if peak else "",
        f"{first:.1f}",
    )


def _report(config: ml_collections.ConfigDict, rows: list, left_out: list[str]) -> str:
    lines = [
        machine(),
        "",
        time.strftime("%Y-%m-%d"),
        "",
        table(_HEADER, rows),
        "",
        f"Milliseconds are medians of {config.rounds} rounds. Limits are the rates of "
        "the plain products in the same precision, and of the copy, in this run. "
        "Operations are those of linear layers, counted by hand; bytes of meshes are "
        "those of the vertices. Errors are relative to float32, root mean squares. The "
        "first call includes compilation.",
    ]
    if left_out:
        lines += ["", f"Left out for want of time: {'; '.join(left_out)}."]
    return "\n".join(lines) + "\n"
