"""Runs the mode "benchmark_fitting": times fits and fusions beside a naive solver.

The naive solver runs twice: to the objective at which ours ends, if it reaches it, and
to its own end. All run in turn, round after round.
"""

import collections
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
from jaxtyping import Array, Float

from prohmr_jax.benchmarks import naive
from prohmr_jax.benchmarks.fitting_costs import (
    TURNS,
    analytic_multiply_adds,
    turn_costs,
)
from prohmr_jax.benchmarks.fitting_people import (
    People,
    Subject,
    make_subject,
    with_vertices,
)
from prohmr_jax.benchmarks.naive import NaiveFit
from prohmr_jax.benchmarks.ratios import keep_ratios, read_ratios, require_ratios
from prohmr_jax.benchmarks.timing import machine, publish, timed
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.files.markdown import table
from prohmr_jax.fitting.keypoints import (
    View,
    fit_keypoints,
    without_hips,
)
from prohmr_jax.fitting.multiview_fusion import FUSION_SETTINGS, fuse_views
from prohmr_jax.fitting.objectives import (
    KeypointParams,
)
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.parity.recipe import recipe_weights
from prohmr_jax.solver.problem import Minimum, Settings

_LOG = logging.getLogger(__name__)
_SMPL_VERTICES = 6890
_POSE_SIGMA = 0.15
# Settings with which ours goes as far down as the naive solver at its own end, with as
# long a memory.
_TO_THE_END = Settings(memory=100, loss_tolerance=1e-7, patience=15)
# Number of people from which the evaluations that one person needs are estimated.
_ESTIMATED_FROM = 32


Target = float | Float[Array, ""]
"""Objective at which the naive solver stops."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Holds one piece of work as ours and the naive solver do it."""

    name: str
    """Name of the work in the report."""
    ours: Callable[[], Minimum]
    """Function that does the work with our solver."""
    naive: Callable[[Target], NaiveFit]
    """Function that does the work with the naive solver; it takes the objective at
    which that stops."""


def fit_case(subject: Subject, people: People, limit: int) -> Case:
    """Returns the work of fitting people to their keypoints, all at once.

    Args:
      subject: weights and body.
      people: the people.
      limit: largest number of iterations of the naive solver.
    """
    number = len(people.betas)
    start = KeypointParams(
        z=jnp.zeros((number, POSE_FEATURES)),
        betas=people.betas,
        translation=people.view.camera.translation,
    )
    keypoints = without_hips(people.view.keypoints)

    def fit_naively(target: Target) -> NaiveFit:
        return naive.fit_keypoints(
            subject.flow, subject.variables, subject.dense, people.context, start,
            keypoints, people.view.camera, people.view.image_side,
            jnp.float32(target), limit,
        )  # fmt: skip

    return Case(
        "1 person" if number == 1 else f"{number} people",
        lambda: fit_keypoints(subject.model, *_arguments(people)).minimum,
        fit_naively,
    )


def views_case(
    subject: Subject,
    people: People,
    limit: int,
    settings: Settings = FUSION_SETTINGS,
    name: str = "",
) -> Case:
    """Returns the work of fusing the views of one person.

    Args:
      subject: weights and body.
      people: the views, each as if it were a person.
      limit: largest number of iterations of the naive solver.
      settings: settings of our solver.
      name: text added to the name of the case.
    """
    start = jnp.zeros((len(people.betas), POSE_FEATURES))
    views = people.context[None], people.betas[None]

    def fuse_naively(target: Target) -> NaiveFit:
        return naive.fuse_views(
            subject.flow, subject.variables, people.context, start,
            jnp.float32(target), limit,
        )  # fmt: skip

    return Case(
        f"{len(people.betas)} views{name}",
        lambda: fuse_views(subject.model, *views, settings=settings).minimum,
        fuse_naively,
    )


def _first_call(run: Callable[[], Any]) -> tuple[Any, float]:
    """Returns the result of a function and the seconds that its call took."""
    start = time.perf_counter()
    result = jax.device_get(run())
    return result, time.perf_counter() - start


def compare(case: Case, rounds: int) -> tuple[dict[str, str], dict[str, float]]:
    """Returns a case's column of the report, by the name of the row, and its ratios.

    Args:
      case: the work.
      rounds: number of rounds of timing.
    """
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
    ratios = {
        f"{case.name}: naive": seconds["naive"] / seconds["ours"],
        f"{case.name}: naive to its end": to_end / seconds["ours"],
    }
    turns, naive_turns = int(np.max(minimum.evaluations)), int(theirs.evaluations[last])
    cells = {
        "": case.name,
        "seconds": f"{seconds['ours']:.2f}",
        "seconds, naive": f"{seconds['naive']:.2f}",
        "ratio": f"**{ratios[f'{case.name}: naive']:.1f}**",
        "objective": f"{ours:.6g}",
        "objective, naive": f"{theirs.losses[last]:.6g}"
        + (" (reached)" if reached else " (its end)"),
        "evaluations": f"{np.mean(minimum.evaluations):.0f} (at most {turns})",
        "evaluations, naive": f"{naive_turns}",
        "seconds, naive to its end": f"{to_end:.2f}",
        "ratio to its end": f"**{ratios[f'{case.name}: naive to its end']:.1f}**",
        "objective, naive at its end": f"{ended.losses[end]:.6g}",
        "evaluations, naive to its end": f"{int(ended.evaluations[end])}",
        "ms per evaluation": f"{1e3 * seconds['ours'] / turns:.1f}",
        "ms per evaluation, naive": f"{1e3 * seconds['naive'] / naive_turns:.1f}",
        "compilation, seconds": f"{max(first - seconds['ours'], 0.0):.1f}",
        "compilation, naive": f"{max(naive_first - seconds['naive'], 0.0):.1f}",
    }
    _LOG.info("; ".join(" ".join(cell) for cell in cells.items()))
    return cells, ratios


def comparison(columns: Sequence[dict[str, str]]) -> list[str]:
    """Returns the table of cases, one column each, as lines of Markdown."""
    header, *rows = (
        [name, *(column[name] for column in columns)] for name in columns[0]
    )
    return [
        table(header, rows),
        "",
        "The naive solver is stopped as soon as its objective is not above ours, which "
        "it could not know by itself. To its end it runs as the official solver does, "
        "until 20 iterations gain nothing. An evaluation computes the objective and "
        "its gradient for everybody, and the milliseconds are those of one evaluation.",
    ]


def run(config: ml_collections.ConfigDict) -> str:
    """Measures, and prints, writes and returns a Markdown report.

    Args:
      config: see `configs/benchmark_fitting.py`.

    Raises:
      InputError: the body cannot be read, the report not be written, or a ratio fell
        by more than `config.gate` allows.
    """
    earlier = read_ratios("benchmark_fitting", config.gate)
    arrays = with_vertices(read_body_arrays(config.body), _SMPL_VERTICES)
    subject = make_subject(*recipe_weights(config.seed, _POSE_SIGMA), arrays)
    people = functools.partial(subject.people, seed=config.seed)
    limit = config.naive_iterations
    cases = [fit_case(subject, people(number), limit) for number in config.fits]
    views = people(config.views)
    cases.append(views_case(subject, views, limit))
    cases.append(views_case(subject, views, limit, _TO_THE_END, ", to the end"))
    columns, ratios = zip(*(compare(c, config.rounds) for c in cases), strict=True)
    largest = people(max(config.batches))
    lines = [
        machine(),
        "",
        *comparison(columns),
        "",
        *by_batch(subject, largest, config.batches, config.rounds),
    ]
    report = "\n".join(lines) + "\n"
    publish(report, config.output)
    ratios = dict(collections.ChainMap(*reversed(ratios)))
    keep_ratios("benchmark_fitting", ratios, config.ratios)
    require_ratios(ratios, earlier, config.gate)
    return report


def by_batch(
    subject: Subject, people: People, batches: Sequence[int], rounds: int
) -> list[str]:
    """Returns the table of people per second by batch size, as lines of Markdown.

    Args:
      subject: weights and body.
      people: as many people as the largest batch has.
      batches: sizes of batches.
      rounds: number of rounds of timing.
    """

    def first(number: int) -> People:
        return jax.tree.map(lambda a: a[:number], people)

    num_fitted = min(max(batches), _ESTIMATED_FROM)
    minimum = fit_keypoints(subject.model, *_arguments(first(num_fitted))).minimum
    evaluations = float(np.mean(minimum.evaluations))
    counted = 2e-6 * analytic_multiply_adds(subject.model, subject.flow)
    rows = []
    for number in batches:
        seconds, flops = turn_costs(subject.model, first(number), rounds)
        rate = number / (seconds * evaluations)
        compiled = 1e-6 * flops / number
        rows.append(
            (
                f"{number}",
                f"{1e3 * seconds:.1f}",
                f"{rate:.2f}",
                f"{compiled:.1f}",
                f"{counted:.1f}",
            )
        )
        _LOG.info("batch %s: %s ms per turn, %s people/s", *rows[-1][:3])
    header = (
        *("batch", "ms per turn", "people/s"),
        *("MFLOP per evaluation", "counted by hand"),
    )
    return [
        table(header, rows),
        "",
        f"People per second assume {evaluations:.0f} evaluations for each person (the "
        f"mean of {num_fitted} people) and slots that are always full. A turn is timed "
        f"over {TURNS} steps of the compiled loop. MFLOP are those of the loop's body "
        "as it is compiled, for one person.",
    ]


def _arguments(people: People) -> tuple[jax.Array, jax.Array, View]:
    """Returns the arguments of `fit_keypoints` after the model."""
    return people.context, people.betas, people.view
