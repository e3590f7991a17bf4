"""Defines the work that is measured on an accelerator, in order of worth."""

import dataclasses
import math
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from prohmr_jax.benchmarks.devices import StepPlan, stepper
from prohmr_jax.benchmarks.fitting_people import Subject
from prohmr_jax.benchmarks.hypotheses import random_people, sampling_multiply_adds
from prohmr_jax.benchmarks.input_pipeline import batches_of, write_photos
from prohmr_jax.benchmarks.step_costs import resnet_multiply_adds, step_flops
from prohmr_jax.body import body_joints, body_mesh
from prohmr_jax.detection.detector import read_keypoints
from prohmr_jax.fitting.keypoints import fit_keypoints
from prohmr_jax.fitting.multiview_joint import fit_uncalibrated
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.prohmr import encode, prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.loop import AXIS
from prohmr_jax.training.objective import Objective
from prohmr_jax.weights.movenet_files import load_thunder

FLOAT32 = "highest"
_MOST_IMAGES = 16
_CROP = 256
_PHOTOS = 256


@dataclasses.dataclass(frozen=True)
class Work:
    """Holds one row of the benchmark."""

    name: str
    """Name of the row."""
    run: Callable[[], Any]
    """Function that does the work and returns arrays of the device."""
    amount: int = 0
    """Number of things that one call makes; 0 where the row counts nothing."""
    unit: str = ""
    """Name of these things in the plural."""
    flops: float = 0.0
    """Operations of linear layers in one call, counted by hand; 0 where not counted."""
    moved_bytes: float = 0.0
    """Bytes that one call must read and write; 0 where not counted."""
    precision: str = FLOAT32
    """Precision whose limit the operations are compared with."""
    error: Callable[[], float] | None = None
    """Function that returns the relative error against float32; None for no error."""


def limits(config: ml_collections.ConfigDict) -> Iterator[Work]:
    """Yields plain products in each precision, and a copy: the limits of the card."""
    square = jax.random.normal(jax.random.key(0), (config.product,) * 2)
    for precision in config.precisions:
        product = jax.jit(lambda a, p=precision: jnp.matmul(a, a, precision=p))
        yield Work(
            f"product of {config.product}^2 matrices",
            lambda product=product: product(square),
            flops=2.0 * config.product**3,
            precision=precision,
        )
    numbers = jnp.zeros((config.copied_mb, 2**18))
    shifted = jax.jit(lambda a: a + 1.0)
    yield Work(
        f"copy of {config.copied_mb} MiB",
        lambda: shifted(numbers),
        moved_bytes=2.0 * numbers.nbytes,
    )


def flow_rows(config: ml_collections.ConfigDict, subject: Subject) -> Iterator[Work]:
    """Yields sampling of hypotheses with their densities, in each precision."""

    @jax.jit
    def sample(flow, z, context):
        projected = prepared_flow.project_context(flow, context[:, None])
        return prepared_flow.sample(flow, z, projected)

    counted = 2.0 * sampling_multiply_adds(subject.flow)
    for rows in config.hypotheses:
        images = math.gcd(rows, _MOST_IMAGES)
        keys = jax.random.split(jax.random.key(config.seed))
        shape = images, rows // images, subject.flow.features
        z = jax.random.normal(keys[0], shape)
        context = jax.random.normal(keys[1], (images, subject.flow.context_features))
        for precision in config.precisions:
            flow = subject.model.flow.replace(precision=precision)

            def run(flow=flow, z=z, context=context):
                return sample(flow, z, context)

            def error(run=run, z=z, context=context):
                exact = np.asarray(sample(subject.model.flow, z, context)[0])
                difference = np.asarray(run()[0]) - exact
                return float(np.sqrt(np.mean(difference**2) / np.mean(exact**2)))

            yield Work(
                f"{images} x {rows // images} hypotheses",
                run,
                rows,
                "samples",
                flops=counted * rows,
                precision=precision,
                error=None if precision == FLOAT32 else error,
            )


def fit_rows(config: ml_collections.ConfigDict, subject: Subject) -> Iterator[Work]:
    """Yields fits to keypoints at the paper's sizes, to their own ends."""
    for number in config.fits:
        people = subject.people(number, config.seed)

        def run(people=people):
            arguments = people.context, people.betas, people.view
            return fit_keypoints(subject.model, *arguments).minimum

        yield Work(f"fits of {number} people", run, number, "fits")


def joint_rows(config: ml_collections.ConfigDict, subject: Subject) -> Iterator[Work]:
    """Yields joint fits of several views with unknown cameras."""
    for number in config.joint_fits:
        views = subject.people(number * config.views, config.seed)
        grouped = jax.tree.map(
            lambda a, n=number: a.reshape(n, config.views, *a.shape[1:]), views
        )

        def run(grouped=grouped):
            arguments = grouped.context, grouped.betas, grouped.view
            return fit_uncalibrated(subject.model, *arguments).minimum

        name = f"joint fits of {number} people in {config.views} views"
        yield Work(name, run, number, "people")


def body_rows(config: ml_collections.ConfigDict, subject: Subject) -> Iterator[Work]:
    """Yields meshes, and joints without the mesh."""
    body = subject.model.body
    meshes = jax.jit(lambda body, people: body_mesh(body, people).vertices)
    joints = jax.jit(lambda body, people: body_joints(body, people).joints)
    for number in config.bodies:
        people = random_people(number)
        size = 4.0 * number * body.num_vertices * 3
        yield Work(
            f"meshes of {body.num_vertices} vertices",
            lambda people=people: meshes(body, people),
            number,
            "meshes",
            moved_bytes=size,
        )
        yield Work(
            "44 joints", lambda people=people: joints(body, people), number, "bodies"
        )


def image_rows(config: ml_collections.ConfigDict) -> Iterator[Work]:
    """Yields the encoder and the training step of the model of images."""
    spec, batch = ModelSpec(**config.model), config.image_batch
    model, side = build_model(spec), spec.input_size
    prepared = prepare(model, init_variables(model, jax.random.key(config.seed)))
    images = jnp.zeros((batch, side, side, 3)) + jnp.arange(3.0)
    forward = jax.jit(encode)
    cost = 2.0 * batch * resnet_multiply_adds(model.encoder, side)
    name = f"{spec.encoder}, {side} px, {spec.encoder_dtype}"
    fastest = config.precisions[-1]
    yield Work(
        f"{name}, forward", lambda: forward(prepared, images), batch, "images",
        flops=cost, precision=fastest,
    )  # fmt: skip
    objective = Objective(
        weights=LossTerms(**config.loss_weights), num_hypotheses=config.num_hypotheses
    )
    with tempfile.TemporaryDirectory() as folder:
        source = write_photos(pathlib.Path(folder) / "photos", min(batch, _PHOTOS))
        batches = batches_of(source, batch, side, config.num_hypotheses)
        plan = StepPlan(build_model(spec, AXIS), objective, config.body, next(batches))
    samples = objective.num_hypotheses
    yield Work(
        f"{name}, training step", stepper(plan), batch, "images",
        flops=step_flops(model, batch, side, samples), precision=fastest,
    )  # fmt: skip


def detector_rows(config: ml_collections.ConfigDict) -> Iterator[Work]:
    """Yields the detector of one person on crops."""
    network, variables = load_thunder()
    variables = jax.device_put(variables)
    crops = np.random.default_rng(config.seed).integers(
        0, 256, (config.detector_batch, _CROP, _CROP, 3), np.uint8
    )
    crops = jax.device_put(crops)
    yield Work(
        f"MoveNet thunder, {config.detector_batch} crops",
        lambda: read_keypoints(network, variables, crops),
        config.detector_batch,
        "crops",
    )
