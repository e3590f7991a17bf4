"""Runs the mode "benchmark_training": measures what training on photos costs.

The report covers the step and its parts, the input pipeline, several devices, and what
the compiled step costs. Seconds are medians and do not include compilation.
"""

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
# Seconds of the official implementation at the default sizes, for orientation: torch
# 2.13 on two cores of such a machine, measured separately from ours.
_OFFICIAL_STEP, _OFFICIAL_ENCODER = "2.94", "2.14"
_MATMUL = 2048


def run(config: ml_collections.ConfigDict) -> str:
    """Measures, and prints, writes and returns a Markdown report.

    Args:
      config: see `configs/benchmark_training.py`.

    Raises:
      InputError: the body cannot be read, there is no such encoder, or the report
        cannot be written.
    """
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
    sections = [machine()]
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
            _LOG.info("%s", sections[-1])
    report = "\n\n".join(sections) + "\n"
    publish(report, config.output)
    return report


def _steps(plan: StepPlan, spec: ModelSpec, encoder_batch: int, rounds: int) -> str:
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
         step_flops(model, people, side, samples), _OFFICIAL_STEP),
        (f"encoder, {encoder_batch} photos", seconds["encoder"], forward,
         _OFFICIAL_ENCODER),
        (f"{_MATMUL}^3 product", seconds["product"], 2 * _MATMUL**3, ""),
    ]  # fmt: skip
    title = f"{spec.encoder}, {side} px, {spec.encoder_dtype}, in turn:\n\n"
    return title + table(
        ("work", "seconds", "GFLOP/s", "official, another day"),
        (
            (work, f"{duration:.3f}", f"{flops / duration / 1e9:.0f}", official)
            for work, duration, flops, official in rows
        ),
    )


def _pipeline(
    photos: Source,
    crops: Source,
    workers: tuple[int, ...],
    batch_size: int,
    side_px: int,
    num_batches: int,
) -> str:
    """Measures reading, decoding, cropping and augmenting, one source after another."""
    width, height = PHOTO_SIZE
    rows = []
    for name, source in ((f"photos {width} x {height}", photos),
                         (f"crops of {_CROP_PX}", crops)):  # fmt: skip
        for number in workers:
            rate, per_core = images_per_second(
                source, batch_size, side_px, number, num_batches
            )
            worked = "" if number else f"{per_core:.0f}"
            rows.append((name, number, f"{rate:.0f}", worked))
    header = ("read from", "workers", "images/s", "images per second of a core")
    return f"Input pipeline, to {side_px} px:\n\n" + table(header, rows)


def _devices(
    plan: StepPlan, spec: ModelSpec, counts: tuple[int, ...], rounds: int
) -> str:
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
    return title + table(
        ("devices", "seconds per step", f"over {counts[0]}"),
        ((n, f"{s:.3f}", f"{s / first:.2f}") for n, s in seconds.items()),
    )


def _compiled(plan: StepPlan, spec: ModelSpec, devices: int) -> str:
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
    return f"Compiled for {devices} devices, each {people} photos:\n\n" + table(
        ("per device", "compiled", "counted", "compiled / counted"), rows
    )
