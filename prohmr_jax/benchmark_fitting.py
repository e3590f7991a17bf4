"""Rates of fits to keypoints and of fusions of views, beside a naive solver.

The naive path is run to the objective that ours ends at, or to its own end where it
does not get there; both then run in turn, round after round.
"""

import dataclasses
import logging
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import cameras, naive, skeleton
from prohmr_jax.benchmark import machine, publish, sampling_multiply_adds, timed
from prohmr_jax.body import make_body_model
from prohmr_jax.files.body_files import BodyArrays, read_body_arrays
from prohmr_jax.fitting.keypoints import (
    View,
    crop_view,
    fit_keypoints,
    keypoint_problem,
    without_hips,
)
from prohmr_jax.fitting.multiview import fuse_views
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointParams,
    bind_keypoints,
    decode_body,
)
from prohmr_jax.minimise import Minimum, Settings, compile_batch, minimise_batch
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prepared_flow import prepare_flow, project_context
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.naive import NaiveFit
from prohmr_jax.parity.recipe import recipe_weights
from prohmr_jax.structs import Keypoints2D, WeakCamera

_LOG = logging.getLogger(__name__)
_SMPL_VERTICES = 6890
_POSE_SIGMA = 0.15
# Of detections, pixels of the crop.
_NOISE_PX = 2.0
# Seconds of the official implementation: torch 2.13 on 2 cores, for orientation.
_OFFICIAL = {"1 people": 13.4, "32 people": 38.1, "4 views": 10.1}
_TURNS = 8


def with_vertices(arrays: BodyArrays, number: int) -> BodyArrays:
    """Returns the same body with vertices repeated: the same joints, more work."""
    have = len(arrays.v_template)
    rows = np.arange(number) % have
    # Regressors read the first copies.
    wide = lambda a: np.pad(a, ((0, 0), (0, max(number - have, 0))))[:, :number]  # noqa: E731
    return dataclasses.replace(
        arrays,
        v_template=arrays.v_template[rows],
        shapedirs=arrays.shapedirs[rows],
        posedirs=arrays.posedirs[rows],
        weights=arrays.weights[rows],
        joint_regressor=wide(arrays.joint_regressor),
        extra_regressor=wide(arrays.extra_regressor),
    )


@struct.dataclass
class People:
    """What a network says of people, and their detections."""

    context: Float[Array, "P C"]
    betas: Float[Array, "P S"]
    view: View


def random_people(model: FittingModel, people: int, context: int, seed: int) -> People:
    """Returns detections of poses drawn from the flow, in crops, with noise."""
    keys = iter(jax.random.split(jax.random.key(seed), 8))
    normal = lambda *shape: jax.random.normal(next(keys), shape)  # noqa: E731
    # As a ResNet's features: none is negative.
    features = jnp.abs(normal(people, context))
    true_betas = normal(people, model.body.num_betas)
    z = normal(people, POSE_FEATURES)
    body = jax.jit(
        lambda: decode_body(
            model, z, true_betas, project_context(model.flow, features)
        )[1]
    )()
    scale = 0.9 + 0.05 * normal(people)
    weak = WeakCamera(scale, 0.05 * normal(people, 2))
    xy = cameras.project(body.joints, cameras.crop_camera(weak))
    xy = xy + _NOISE_PX / cameras.CROP_SIZE_PX * normal(*xy.shape)
    detected = np.arange(len(skeleton.JOINTS_44)) < len(skeleton.BODY_25)
    keypoints = Keypoints2D(xy, jnp.broadcast_to(detected, xy.shape[:2]) * 1.0)
    guessed = WeakCamera(jnp.full(people, 0.9), jnp.zeros((people, 2)))
    betas = 0.1 * normal(people, model.body.num_betas)
    return People(features, betas, crop_view(keypoints, guessed))


@dataclasses.dataclass(frozen=True)
class Case:
    """Ours and the naive path of one piece of work."""

    name: str
    ours: Callable[[], Minimum]
    naive: Callable[[float], NaiveFit]
    """Takes the objective at which it may stop."""


def fit_case(model, dense, flow, variables, people: People, slots, limit) -> Case:
    """Returns fits to keypoints, all at once or in slots."""
    number = len(people.betas)
    arguments = people.context, people.betas, people.view
    start = KeypointParams(
        z=jnp.zeros((number, POSE_FEATURES)),
        betas=people.betas,
        translation=people.view.camera.translation,
    )
    keypoints = without_hips(people.view.keypoints)
    some = None if slots >= number else slots

    def naively(target: float) -> NaiveFit:
        return naive.fit_keypoints(
            flow, variables, dense, people.context, start, keypoints,
            people.view.camera, people.view.image_side, jnp.float32(target), limit,
        )  # fmt: skip

    return Case(
        f"{number} people",
        lambda: fit_keypoints(model, *arguments, slots=some).minimum,
        naively,
    )


def views_case(model, flow, variables, people: People, limit) -> Case:
    """Returns the fusion of views; the people are views of one."""
    start = jnp.zeros((len(people.betas), POSE_FEATURES))

    def naively(target: float) -> NaiveFit:
        target = jnp.float32(target)
        return naive.fuse_views(flow, variables, people.context, start, target, limit)

    return Case(
        f"{len(people.betas)} views",
        lambda: fuse_views(model, people.context[None], people.betas[None]).minimum,
        naively,
    )


def compare(case: Case, rounds: int) -> list[str]:
    """Returns the cells of a case's row; it also compiles, and says how long."""
    start = time.perf_counter()
    minimum = jax.block_until_ready(case.ours())
    first_call = time.perf_counter() - start
    ours = float(np.sum(minimum.loss))
    evaluations = np.asarray(minimum.evaluations)
    theirs = jax.device_get(case.naive(ours))
    last = int(theirs.iterations) - 1
    reached = bool(theirs.losses[last] <= ours)
    seconds = timed({"ours": case.ours, "naive": lambda: case.naive(ours)}, rounds)
    turns, naive_turns = int(np.max(evaluations)), int(theirs.evaluations[last])
    cells = [
        case.name,
        f"{seconds['ours']:.2f}",
        f"{seconds['naive']:.2f}",
        f"**{seconds['naive'] / seconds['ours']:.1f}**",
        f"{ours:.6g}",
        f"{theirs.losses[last]:.6g}" + ("" if reached else " (its end)"),
        f"{np.mean(evaluations):.0f} (at most {turns})",
        f"{naive_turns}",
        f"{1e3 * seconds['ours'] / turns:.1f}",
        f"{1e3 * seconds['naive'] / naive_turns:.1f}",
        f"{_OFFICIAL.get(case.name, float('nan')):.1f}",
        f"{first_call:.1f}",
    ]
    _LOG.info(" | ".join(cells))
    return cells


_HEADER = [
    "work", "seconds", "naive, seconds", "ratio", "objective", "naive, objective",
    "evaluations", "naive, evaluations", "ms per evaluation",
    "naive, ms per evaluation", "official, seconds", "first call, seconds",
]  # fmt: skip


def turn_costs(model, people: People, rounds: int) -> tuple[float, float]:
    """Returns seconds and compiled FLOPs of one turn of the loop, for all people."""
    start, data = keypoint_problem(model, people.context, people.betas, people.view)
    settings = Settings(
        max_steps=_TURNS, patience=10**6, gradient_tolerance=0.0
    )  # fmt: skip
    arguments = bind_keypoints(model), start, data, settings
    turns = int(np.max(minimise_batch(*arguments).evaluations))
    seconds = timed({"loop": lambda: minimise_batch(*arguments)}, rounds)["loop"]
    return seconds / turns, float(compile_batch(*arguments).cost_analysis()["flops"])


def analytic_multiply_adds(model: FittingModel, flow: ConditionalGlow) -> int:
    """Returns the multiply-adds of one person's turn.

    Forwards and back (the gradient of the inputs only) through the folded flow and the
    vertices that landmarks read, and two passes over the solver's two matrices.
    """
    joints, support = len(skeleton.SMPL_24), model.body.landmarks.template.shape[-1]
    pose = 9 * (joints - 1)
    surface = 3 * support * (model.body.num_betas + pose) + 12 * joints * support
    regressed = 3 * model.body.landmark_regressor.size
    unknowns = POSE_FEATURES + model.body.num_betas + 3
    solver = 2 * (2 + 2) * unknowns**2
    return 2 * (sampling_multiply_adds(flow) + surface + regressed) + solver


def run_benchmark_fitting(config: ml_collections.ConfigDict) -> str:
    """Measures, prints and returns a Markdown report.

    Args:
      config: see `configs/benchmark_fitting.py`.

    Raises:
      InputError: the body cannot be read.
    """
    arrays = with_vertices(read_body_arrays(config.body), _SMPL_VERTICES)
    flow, variables = recipe_weights(config.seed, _POSE_SIGMA)
    variables = jax.device_put(variables)
    body = jax.device_put(make_body_model(**vars(arrays)))
    model = FittingModel(prepare_flow(flow, variables), body)
    dense = naive.dense_body(arrays)
    draw = lambda number: random_people(  # noqa: E731
        model, number, flow.context_features, config.seed
    )
    lines = [machine(), "", f"| {' | '.join(_HEADER)} |", "|---" * len(_HEADER) + "|"]
    rest = config.naive_iterations
    cases = [
        *(fit_case(model, dense, flow, variables, draw(number), slots, rest)
          for number, slots in config.fits),
        views_case(model, flow, variables, draw(config.views), rest),
    ]  # fmt: skip
    for case in cases:
        lines.append(f"| {' | '.join(compare(case, config.rounds))} |")
    lines += ["", *_by_batch(model, flow, draw, config.batches, config.rounds)]
    report = "\n".join(lines) + "\n"
    publish(report, config.output)
    return report


def _by_batch(model, flow, draw, batches, rounds: int) -> list[str]:
    """The table of people per second by batch size."""
    largest = draw(max(batches))
    rows = lambda n: jax.tree.map(lambda a: a[:n], largest)  # noqa: E731
    found = fit_keypoints(model, *_arguments(rows(min(batches[-1], 32)))).minimum
    needed = float(np.mean(found.evaluations))
    analytic = 2e-6 * analytic_multiply_adds(model, flow)
    lines = [
        "| batch | ms per turn | people/s | MFLOP per evaluation | counted by hand |",
        "|---|---|---|---|---|",
    ]
    for number in batches:
        seconds, flops = turn_costs(model, rows(number), rounds)
        rate = number / (seconds * needed)
        line = (
            f"| {number} | {1e3 * seconds:.1f} | {rate:.2f} | "
            f"{1e-6 * flops / number:.1f} | {analytic:.1f} |"
        )
        _LOG.info(line)
        lines.append(line)
    return [
        *lines,
        "",
        f"People/s: at {needed:.0f} evaluations a person (the mean of 32), and slots "
        f"that are always full; a turn is timed over {_TURNS} steps of the compiled "
        "loop. FLOPs of the loop's body, as compiled, per person.",
    ]


def _arguments(people: People):
    return people.context, people.betas, people.view
