"""Runs "evaluate_table": Tables 1, 2 and 5 of the paper, which need no fits.

Rows whose data are not there are skipped and named in the report.
"""

import dataclasses
import functools
import logging
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import jax
import ml_collections
from tqdm import tqdm

from prohmr_jax.body import BodyModel
from prohmr_jax.data.dataset_reader import Source as Split
from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import listed_joints, mean_body, mean_pose
from prohmr_jax.evaluation.hypothesis_errors import (
    JointErrors,
    People,
    hypothesis_errors,
)
from prohmr_jax.evaluation.open_benchmark import read_benchmark
from prohmr_jax.evaluation.paper_numbers import DATA_TITLES, MODEL_TITLES, PAPER
from prohmr_jax.evaluation.quantisation import RULE, quantised_errors
from prohmr_jax.evaluation.scored_people import (
    NobodyScored,
    benchmark_people,
    dataset_people,
    score_people,
)
from prohmr_jax.evaluation.table_report import AVERAGES, Average, Table
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_hash import BodyIdentity, read_identified_body
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec, build_model
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.modes.table_settings import table_settings
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.skeleton import JointSet
from prohmr_jax.structs import Body
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)
# As many hypotheses of a person are decoded at a time.
_LARGEST_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class Source:
    """Names people to measure a model on, and by which protocol."""

    data: str
    """Title of the data."""
    joints: str
    """Name of the list of joints, one of `EVALUATED_JOINTS`."""
    average: Average
    """What errors are averaged over."""
    batches: Iterable[tuple[People, Sequence[str]]]
    """The people and their actions; see `scored_people.dataset_people`."""


def run(config: ml_collections.ConfigDict) -> Table:
    """Measures a table; prints, writes and returns it.

    Args:
      config: see `configs/table1.py`, `configs/table2.py` and `configs/table5.py`.

    Raises:
      InputError: weights, body or data cannot be used, or no row can be measured.
    """
    _check(config)
    body, identity = read_identified_body(config.body)
    baseline = mean_body(body, mean_pose(load_pose_prior(config.pose_prior or None)))
    table = Table(config.table, config.seed)
    weights = {}
    for name, part in config.models.items():
        title = MODEL_TITLES[name]
        if not part.checkpoint and name != "prohmr":
            table.skipped[title] = f"config.models.{name}.checkpoint is empty"
            continue
        path = pathlib.Path(part.checkpoint or KEYPOINT_WEIGHTS)
        weights[title] = path
        spec, model = _load(path, identity)
        if model.flow is None and config.num_hypotheses > 1:
            raise InputError(path, "has no distribution, and so no hypotheses")
        measure = functools.partial(
            _measure, title, model, body, baseline, config.num_hypotheses,
            config.quantised, config.seed,
        )  # fmt: skip
        for source in _sources(config, table, title, spec):
            joint_set = EVALUATED_JOINTS[source.joints]
            try:
                scored = score_people(
                    f"{title} on {source.data}",
                    tqdm(source.batches, desc=source.data, unit="batch"),
                    joint_set,
                    functools.partial(measure, joint_set),
                    config.seed,
                )
            except NobodyScored as fault:
                # The other rows are still worth measuring.
                table.skipped[f"{title} on {source.data}"] = fault.what
                continue
            table.add(source.data, source.joints, source.average, scored)
    if not table.rows:
        reasons = "; ".join(f"{row}: {why}" for row, why in table.skipped.items())
        raise InputError("config", f"no row can be measured: {reasons}")
    settings = table_settings(config, weights, identity)
    folder = pathlib.Path(config.output)
    print(table.write(folder, settings, _notes(config)))
    _LOG.info("wrote %s and table.json", folder / "table.md")
    return table


def _check(config: ml_collections.ConfigDict) -> None:
    if config.table not in PAPER:
        known = ", ".join(map(str, PAPER))
        raise InputError("config.table", f"{config.table} is none of {known}")
    require_least(config, {"num_hypotheses": 1, "num_people": 0, "batch_size": 1,
                           "seed": 0, "quantised": 1})  # fmt: skip
    largest = max(config.quantised, default=1)
    if largest > config.num_hypotheses:
        what = f"{largest} is more than the {config.num_hypotheses} hypotheses"
        raise InputError("config.quantised", what)
    for row in config.rows.values():
        words = {"joints": tuple(EVALUATED_JOINTS), "average": AVERAGES}
        require_words(row, words)


def _load(path: pathlib.Path, body: BodyIdentity) -> tuple[ModelSpec, PreparedProHMR]:
    spec, variables = load_weights(path)
    warn_of_other_body(path, body)
    return spec, prepare(build_model(spec), variables)


def _measure(
    title: str,
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    num_hypotheses: int,
    quantised: tuple[int, ...],
    seed: int,
    joint_set: JointSet,
    people: People,
    keys: jax.Array,
    first: int,
) -> dict[str, JointErrors]:
    """Returns the errors of a model's methods and of the mean pose; see `Measure`."""
    divisors = range(1, min(num_hypotheses, _LARGEST_CHUNK) + 1)
    errors = hypothesis_errors(
        model, body, baseline, people, keys,
        joint_set=joint_set,
        num_hypotheses=num_hypotheses,
        chunk=max(d for d in divisors if num_hypotheses % d == 0),
        keep_joints=bool(quantised),
    )  # fmt: skip
    methods = {f"{title}, mode": errors.mode}
    if quantised:
        truth = listed_joints(people.truth.xyz, joint_set)
        of_centres = quantised_errors(errors.joints, truth, quantised, seed, first)
        for column, number in enumerate(quantised):
            methods[f"{title}, n = {number}"] = jax.tree.map(
                lambda a, column=column: a[:, column], of_centres
            )
    if num_hypotheses > 1:
        methods[f"{title}, best of {num_hypotheses}"] = errors.best
    return {**methods, "mean pose": errors.mean_pose}


def _sources(
    config: ml_collections.ConfigDict, table: Table, title: str, spec: ModelSpec
) -> Iterator[Source]:
    """Yields the data that are there; the table gets the names of the others."""
    for name, row in config.rows.items():
        data = DATA_TITLES[name]
        if not os.path.isdir(row.directory):
            table.skipped[data] = f"there is no folder {row.directory}"
            continue
        split = Split(row.directory, row.split, weight=1.0)
        batches = dataset_people(
            split, spec, config.batch_size, config.num_people or None
        )
        yield Source(data, row.joints, row.average, batches)
    if not os.path.exists(config.benchmark):
        table.skipped["open benchmark"] = f"there is no file {config.benchmark}"
    elif spec.encoder != KEYPOINTS:
        skipped = f"{title} on the open benchmark"
        table.skipped[skipped] = "it has keypoints, and the model sees photos"
    else:
        benchmark = read_benchmark(config.benchmark)
        require_words(config, {"conditions": benchmark.conditions})
        for part in dict.fromkeys(benchmark.parts):
            for condition in config.conditions:
                batches = benchmark_people(
                    benchmark, part, condition, config.batch_size,
                    config.num_people or None,
                )  # fmt: skip
                data = f"{part}, {condition} keypoints"
                yield Source(data, "h36m_14", "actions", batches)


def _notes(config: ml_collections.ConfigDict) -> list[str]:
    notes = []
    if config.num_hypotheses > 1:
        notes.append(
            f"Each person has {config.num_hypotheses} hypotheses, with the mode. "
            "Their best is the one of the least error, as in the official code."
        )
    if config.quantised:
        notes.append(f"For a number n, {RULE}.")
    return notes
