"""Runs the mode "benchmark_training": measures what training on photos costs.

The report covers the step and its parts, the input pipeline, several devices, and what
the compiled step costs. Seconds are medians and do not include compilation.
"""

import collections
import contextlib
import dataclasses
import logging
import pathlib
import tempfile

import jax
import jax.numpy as jnp
import ml_collections

from prohmr_jax.benchmarks.devices import (
    StepPlan,
    forced_devices,
    measure_costs,
    prepare_steps,
    stepper,
    take_step,
)
from prohmr_jax.benchmarks.input_pipeline import (
    PHOTO_SIZE,
    batches_of,
    images_per_second,
    write_photos,
)
from prohmr_jax.benchmarks.ratios import keep_ratios, read_ratios, require_ratios
from prohmr_jax.benchmarks.step_costs import resnet_multiply_adds, step_flops
from prohmr_jax.benchmarks.timing import machine, publish, timed
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.files.markdown import table
from prohmr_jax.models.prohmr import encode, prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.loop import AXIS
from prohmr_jax.training.objective import Objective

_LOG = logging.getLogger(__name__)
_CROP_PX = 256
_MATMUL = 2048


@dataclasses.dataclass(frozen=True)
class _Section:
    """Holds a part of the report."""

    text: str
    """Markdown of the part."""
    ratios: dict[str, float]
    """Ratios that a later run is compared with; larger is better."""


def run(config: ml_collections.ConfigDict) -> str:
    """Measures, and prints, writes and returns a Markdown report.

    Args:
      config: see `configs/benchmark_training.py`.

    Raises:
      InputError: the body cannot be read, there is no such encoder, the report
        cannot be written, or a ratio fell by more than `config.gate` allows.
    """
    earlier = read_ratios("benchmark_training", config.gate)
    spec = ModelSpec(**config.model)
    objective = Objective(
        weights=LossTerms(**config.loss_weights),
        num_hypotheses=config.num_hypotheses,
    )
    small = dataclasses.replace(
        spec,
        encoder=config.devices.encoder,
        context_features=config.devices.context_features,
        flow_hidden=config.devices.flow_hidden,
        input_size=config.devices.input_size,
    )
    sections = [_Section(machine(), {})]
    with tempfile.TemporaryDirectory() as folder:
        directory, count = pathlib.Path(folder), config.pipeline.photos
        photos = write_photos(directory / "photos", count)
        crops = write_photos(directory / "crops", count, _CROP_PX)

        def plan(sizes: ModelSpec, batch_size: int) -> StepPlan:
            batches = batches_of(
                photos, batch_size, sizes.input_size, config.num_hypotheses
            )
            model = build_model(sizes, AXIS)
            return StepPlan(model, objective, config.body, next(batches))

        full = plan(spec, config.batch_size)
        shared = plan(small, config.devices.batch_size)
        sizes = config.pipeline.batch_size, spec.input_size, config.pipeline.num_batches
        for section in (
            lambda: _steps(full, spec, config.encoder_batch_size, config.rounds),
            lambda: _pipeline(photos, crops, config.pipeline.workers, *sizes),
            lambda: _devices(shared, small, config.devices.counts, config.rounds),
            lambda: _compiled(full, spec, config.compiled_devices),
        ):
            sections.append(section())
            _LOG.info("%s", sections[-1].text)
    report = "\n\n".join(section.text for section in sections) + "\n"
    publish(report, config.output)
    ratios = dict(collections.ChainMap(*(section.ratios for section in sections)))
    keep_ratios("benchmark_training", ratios, config.ratios)
    require_ratios(ratios, earlier, config.gate)
    return report


def _steps(
    plan: StepPlan, spec: ModelSpec, encoder_batch: int, rounds: int
) -> _Section:
    """Times the step, the encoder and a plain product of matrices, in turn."""
    model, side = build_model(spec), spec.input_size
    prepared = prepare(model, init_variables(model, jax.random.key(0)))
    images = jnp.zeros((encoder_batch, side, side, 3)) + jnp.arange(3.0)
    encoder = jax.jit(encode)
    square = jnp.ones((_MATMUL, _MATMUL))
    product = jax.jit(jnp.matmul)
    seconds = timed(
        {
            "step": stepper(plan),
            "encoder": lambda: encoder(prepared, images),
            "product": lambda: product(square, square),
        },
        rounds,
    )
    people = len(plan.batch.images.image)
    samples = plan.objective.num_hypotheses
    forward = 2 * encoder_batch * resnet_multiply_adds(model.encoder, side)
    rows = [
        (f"training step, {people} photos", seconds["step"],
         step_flops(model, people, side, samples)),
        (f"encoder, {encoder_batch} photos", seconds["encoder"], forward),
        (f"{_MATMUL}^3 product", seconds["product"], 2 * _MATMUL**3),
    ]  # fmt: skip
    rates = [flops / duration / 1e9 for _, duration, flops in rows]
    ratios = {
        "rate of the training step: plain product": rates[0] / rates[-1],
        "rate of the encoder: plain product": rates[1] / rates[-1],
    }
    title = f"{spec.encoder}, {side} px, {spec.encoder_dtype}, in turn:\n\n"
    cells = (
        (work, f"{duration:.3f}", f"{rate:.0f}")
        for (work, duration, _), rate in zip(rows, rates, strict=True)
    )
    return _Section(title + table(("work", "seconds", "GFLOP/s"), cells), ratios)


def _pipeline(
    photos: Source,
    crops: Source,
    workers: tuple[int, ...],
    batch_size: int,
    side_px: int,
    num_batches: int,
) -> _Section:
    """Measures reading, decoding, cropping and augmenting, one source after another."""
    width, height = PHOTO_SIZE
    rows, rates = [], []
    for name, source in ((f"photos {width} x {height}", photos),
                         (f"crops of {_CROP_PX}", crops)):  # fmt: skip
        for number in workers:
            rate, per_core = images_per_second(
                source, batch_size, side_px, number, num_batches
            )
            rates.append(rate)
            worked = "" if number else f"{per_core:.0f}"
            rows.append((name, number, f"{rate:.0f}", worked))
    header = ("read from", "workers", "images/s", "images per second of a core")
    text = f"Input pipeline, to {side_px} px:\n\n" + table(header, rows)
    ratio = rates[len(workers)] / rates[0]
    return _Section(text, {"images/s from crops: from photos": ratio})


def _devices(
    plan: StepPlan, spec: ModelSpec, counts: tuple[int, ...], rounds: int
) -> _Section:
    """Times one global batch on more and more devices of the same cores, in turn."""
    with contextlib.ExitStack() as stack:
        processes = {n: stack.enter_context(forced_devices(n)) for n in counts}
        for process in processes.values():
            process.submit(prepare_steps, plan).result()
        seconds = timed(
            {
                str(n): lambda process=process: process.submit(take_step).result()
                for n, process in processes.items()
            },
            rounds,
        )
    first = seconds[str(counts[0])]
    people = len(plan.batch.images.image)
    title = (
        f"{spec.encoder}, {spec.input_size} px, {people} photos in all, on devices "
        "that share the cores, in turn:\n\n"
    )
    text = title + table(
        ("devices", "seconds per step", f"over {counts[0]}"),
        ((n, f"{s:.3f}", f"{s / first:.2f}") for n, s in seconds.items()),
    )
    ratio = first / seconds[str(counts[-1])]
    return _Section(text, {f"step on {counts[-1]} devices: {counts[0]}": ratio})


def _compiled(plan: StepPlan, spec: ModelSpec, devices: int) -> _Section:
    """Compares the full-size step, compiled for several devices, with the counts."""
    with forced_devices(devices) as process:
        costs, least = process.submit(measure_costs, plan).result()
    people = len(plan.batch.images.image) // devices
    samples = plan.objective.num_hypotheses
    counted = step_flops(build_model(spec), people, spec.input_size, samples)
    mega = lambda value: f"{value / 1e6:.3f}"  # noqa: E731
    rows = [
        ("GFLOP", f"{costs.flops / 1e9:.1f}", f"{counted / 1e9:.1f} (3 x forward)",
         f"{costs.flops / counted:.3f}"),
        ("MB exchanged", mega(costs.exchanged_bytes), f"{mega(least.total)} (gradients "
         f"{mega(least.gradients)}, batch norms {mega(least.statistics)}, scalars "
         f"{mega(least.scalars)})", f"{costs.exchanged_bytes / least.total:.5f}"),
        ("collectives", costs.num_collectives, "", ""),
        ("MB, peak", mega(costs.peak_bytes), f"state and inputs "
         f"{mega(costs.argument_bytes)}, temporaries {mega(costs.temporary_bytes)}",
         ""),
    ]  # fmt: skip
    text = f"Compiled for {devices} devices, each {people} photos:\n\n" + table(
        ("per device", "compiled", "counted", "compiled / counted"), rows
    )
    return _Section(text, {"FLOP counted: compiled": counted / costs.flops})
