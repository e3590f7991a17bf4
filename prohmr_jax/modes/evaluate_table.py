"""Runs "evaluate_table": Tables 1, 2 and 5 of the paper, which need no fits.

Rows whose data are not there are skipped and named in the report.
"""

import functools
import logging
import pathlib
from collections.abc import Iterator

import jax
import ml_collections

from prohmr_jax.body import BodyModel
from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import listed_joints, mean_body, mean_pose
from prohmr_jax.evaluation.hypothesis_errors import (
    JointErrors,
    People,
    hypothesis_errors,
)
from prohmr_jax.evaluation.paper_numbers import MODEL_TITLES
from prohmr_jax.evaluation.quantisation import RULE, quantised_errors
from prohmr_jax.evaluation.scored_people import dataset_people
from prohmr_jax.evaluation.table_report import AVERAGES, Table
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.modes.table_settings import table_settings
from prohmr_jax.modes.table_sources import (
    TableSource,
    benchmark_sources,
    dataset_sources,
    load_model,
    measure_sources,
    require_rows,
)
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.skeleton import JointSet
from prohmr_jax.structs import Body

_LOG = logging.getLogger(__name__)
_TABLES = (1, 2, 5)
# As many hypotheses of a person are decoded at a time.
_LARGEST_CHUNK = 256


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
        spec, model, sha256 = load_model(path, identity)
        weights[title] = path.name, sha256
        if model.flow is None and config.num_hypotheses > 1:
            raise InputError(path, "has no distribution, and so no hypotheses")
        measure = functools.partial(
            _measure, title, model, body, baseline, config.num_hypotheses,
            config.quantised, config.seed,
        )  # fmt: skip
        measure_sources(
            table,
            title,
            _sources(config, table, spec),
            lambda _, joints, measure=measure: functools.partial(measure, joints),
        )
    require_rows(table)
    settings = table_settings(config, weights, identity)
    folder = pathlib.Path(config.output)
    print(table.write(folder, settings, _notes(config)))
    _LOG.info("wrote %s and table.json", folder / "table.md")
    return table


def _check(config: ml_collections.ConfigDict) -> None:
    if config.table not in _TABLES:
        known = ", ".join(map(str, _TABLES))
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
    config: ml_collections.ConfigDict, table: Table, spec: ModelSpec
) -> Iterator[TableSource]:
    sizes = config.batch_size, config.num_people
    yield from dataset_sources(table, spec, config.rows, dataset_people, *sizes)
    yield from benchmark_sources(
        table, spec, config.benchmark, config.conditions, *sizes
    )


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
