"""Rates of fits to keypoints and of fusions of views, beside a naive solver.

The naive path is run to the objective that ours ends at, or to its own end where it
does not get there, and to its own end in any case; all run in turn, round after round.
"""

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.benchmarks import naive
from prohmr_jax.benchmarks.fitting_people import (
    People,
    Subject,
    make_subject,
    with_vertices,
)
from prohmr_jax.benchmarks.hypotheses import sampling_multiply_adds
from prohmr_jax.benchmarks.naive import NaiveFit
from prohmr_jax.benchmarks.timing import machine, publish, timed
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.fitting.keypoints import (
    fit_keypoints,
    keypoint_problem,
    without_hips,
)
from prohmr_jax.fitting.multiview_fusion import FUSION_SETTINGS, fuse_views
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointParams,
    bind_keypoints,
)
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.parity.recipe import recipe_weights
from prohmr_jax.solver.minimise import Minimum, Settings, compile_batch, minimise_batch

_LOG = logging.getLogger(__name__)
_SMPL_VERTICES = 6890
_POSE_SIGMA = 0.15
# Seconds of the official implementation: torch 2.13 on 2 cores, for orientation.
_OFFICIAL = {"1 person": 13.4, "32 people": 38.1, "4 views": 10.1}
# As far down as the naive solver goes to its own end, and with as long a memory.
_TO_THE_END = Settings(memory=100, loss_tolerance=1e-7, patience=15)
_TURNS = 8
# So many people say how many evaluations one needs.
_NEEDED_OF = 32


@dataclasses.dataclass(frozen=True)
class Case:
    """Ours and the naive path of one piece of work."""

    name: str
    ours: Callable[[], Minimum]
    naive: Callable[[float], NaiveFit]
    """Takes the objective at which it may stop."""


def fit_case(subject: Subject, people: People, limit: int) -> Case:
    """Returns fits to keypoints, all at once.

    Args:
      subject: weights and body.
      people: to fit.
      limit: iterations of the naive solver.
    """
    number = len(people.betas)
    start = KeypointParams(
        z=jnp.zeros((number, POSE_FEATURES)),
        betas=people.betas,
        translation=people.view.camera.translation,
    )
    keypoints = without_hips(people.view.keypoints)

    def naively(target: float) -> NaiveFit:
        return naive.fit_keypoints(
            subject.flow, subject.variables, subject.dense, people.context, start,
            keypoints, people.view.camera, people.view.image_side,
            jnp.float32(target), limit,
        )  # fmt: skip

    return Case(
        "1 person" if number == 1 else f"{number} people",
        lambda: fit_keypoints(subject.model, *_arguments(people)).minimum,
        naively,
    )


def views_case(
    subject: Subject,
    people: People,
    limit: int,
    settings: Settings = FUSION_SETTINGS,
    name: str = "",
) -> Case:
    """Returns the fusion of views; the people are views of one.

    Args:
      subject: weights and body.
      people: the views.
      limit: iterations of the naive solver.
      settings: of ours.
      name: what to add to the case's.
    """
    start = jnp.zeros((len(people.betas), POSE_FEATURES))
    views = people.context[None], people.betas[None]

    def naively(target: float) -> NaiveFit:
        return naive.fuse_views(
            subject.flow, subject.variables, people.context, start,
            jnp.float32(target), limit,
        )  # fmt: skip

    return Case(
        f"{len(people.betas)} views{name}",
        lambda: fuse_views(subject.model, *views, settings=settings).minimum,
        naively,
    )


def _first_call(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = jax.device_get(run())
    return result, time.perf_counter() - start


def compare(case: Case, rounds: int) -> dict[str, str]:
    """Returns what is to be said of a case, by name."""
    minimum, first = _first_call(case.ours)
    ours = float(np.sum(minimum.loss))
    theirs, naive_first = _first_call(lambda: case.naive(ours))
    last = int(theirs.iterations) - 1
    reached = bool(theirs.losses[last] <= ours)
    ended = jax.device_get(case.naive(-np.inf)) if reached else theirs
    work = {"ours": case.ours, "naive": lambda: case.naive(ours)}
    if reached:
        work["naive to its end"] = lambda: case.naive(-np.inf)
    seconds = timed(work, rounds, compiled=True)
    to_end = seconds.get("naive to its end", seconds["naive"])
    end = int(ended.iterations) - 1
    turns, naive_turns = int(np.max(minimum.evaluations)), int(theirs.evaluations[last])
    cells = {
        "": case.name,
        "seconds": f"{seconds['ours']:.2f}",
        "seconds, naive": f"{seconds['naive']:.2f}",
        "ratio": f"**{seconds['naive'] / seconds['ours']:.1f}**",
        "objective": f"{ours:.6g}",
        "objective, naive": f"{theirs.losses[last]:.6g}"
        + (" (reached)" if reached else " (its end)"),
        "evaluations": f"{np.mean(minimum.evaluations):.0f} (at most {turns})",
        "evaluations, naive": f"{naive_turns}",
        "seconds, naive to its end": f"{to_end:.2f}",
        "ratio to its end": f"**{to_end / seconds['ours']:.1f}**",
        "objective, naive at its end": f"{ended.losses[end]:.6g}",
        "evaluations, naive to its end": f"{int(ended.evaluations[end])}",
        "ms per evaluation": f"{1e3 * seconds['ours'] / turns:.1f}",
        "ms per evaluation, naive": f"{1e3 * seconds['naive'] / naive_turns:.1f}",
        "compilation, seconds": f"{max(first - seconds['ours'], 0.0):.1f}",
        "compilation, naive": f"{max(naive_first - seconds['naive'], 0.0):.1f}",
        "official, seconds": f"{_OFFICIAL.get(case.name.split(',')[0], np.nan):.1f}",
    }
    _LOG.info("; ".join(" ".join(cell) for cell in cells.items()))
    return cells


def comparison(cases: Sequence[Case], rounds: int) -> list[str]:
    """Returns the table of cases, one beside the other, as lines of Markdown."""
    columns = [compare(case, rounds) for case in cases]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    rows.insert(1, ["---"] * len(rows[0]))
    return [
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "The naive solver is stopped where its objective is first not above ours, "
        "which it could not know by itself; to its end it runs as the official one "
        "does, until 20 iterations gain nothing. Evaluations are of objective and "
        "gradient; ms are of one evaluation for everybody. Official: torch 2.13 on 2 "
        "cores, measured elsewhere.",
    ]


def turn_costs(model, people: People, rounds: int) -> tuple[float, float]:
    """Returns seconds and compiled FLOPs of one turn of the loop, for all people."""
    start, data = keypoint_problem(model, people.context, people.betas, people.view)
    settings = Settings(max_steps=_TURNS, patience=10**6, gradient_tolerance=0.0)
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


def run(config: ml_collections.ConfigDict) -> str:
    """Measures, prints and returns a Markdown report.

    Args:
      config: see `configs/benchmark_fitting.py`.

    Raises:
      InputError: the body cannot be read.
    """
    arrays = with_vertices(read_body_arrays(config.body), _SMPL_VERTICES)
    subject = make_subject(*recipe_weights(config.seed, _POSE_SIGMA), arrays)
    people = functools.partial(subject.people, seed=config.seed)
    limit = config.naive_iterations
    cases = [fit_case(subject, people(number), limit) for number in config.fits]
    views = people(config.views)
    cases.append(views_case(subject, views, limit))
    cases.append(views_case(subject, views, limit, _TO_THE_END, ", to the end"))
    largest = people(max(config.batches))
    lines = [
        machine(),
        "",
        *comparison(cases, config.rounds),
        "",
        *by_batch(subject, largest, config.batches, config.rounds),
    ]
    report = "\n".join(lines) + "\n"
    publish(report, config.output)
    return report


def by_batch(
    subject: Subject, people: People, batches: Sequence[int], rounds: int
) -> list[str]:
    """Returns the table of people per second by batch size, lines of Markdown.

    Args:
      subject: weights and body.
      people: as many as the largest batch.
      batches: sizes.
      rounds: of timing.
    """
    first = lambda number: jax.tree.map(lambda a: a[:number], people)  # noqa: E731
    some = min(max(batches), _NEEDED_OF)
    found = fit_keypoints(subject.model, *_arguments(first(some))).minimum
    needed = float(np.mean(found.evaluations))
    analytic = 2e-6 * analytic_multiply_adds(subject.model, subject.flow)
    lines = [
        "| batch | ms per turn | people/s | MFLOP per evaluation | counted by hand |",
        "|---|---|---|---|---|",
    ]
    for number in batches:
        seconds, flops = turn_costs(subject.model, first(number), rounds)
        line = (
            f"| {number} | {1e3 * seconds:.1f} | {number / (seconds * needed):.2f} | "
            f"{1e-6 * flops / number:.1f} | {analytic:.1f} |"
        )
        _LOG.info(line)
        lines.append(line)
    return [
        *lines,
        "",
        f"People/s: at {needed:.0f} evaluations a person (the mean of {some}), and "
        f"slots that are always full; a turn is timed over {_TURNS} steps of the "
        "compiled loop. FLOPs of the loop's body, as compiled, per person.",
    ]


def _arguments(people: People):
    return people.context, people.betas, people.view
