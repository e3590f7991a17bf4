"""Measures models on the data of a table; the modes that make tables call it."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ml_collections import ConfigDict
from tqdm import tqdm

from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.hypothesis_errors import People
from prohmr_jax.evaluation.open_benchmark import read_benchmark
from prohmr_jax.evaluation.paper_numbers import DATA_TITLES
from prohmr_jax.evaluation.scored_people import (
    Measure,
    NobodyScored,
    benchmark_people,
    score_people,
)
from prohmr_jax.evaluation.table_report import Average, Table
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec, build_model
from prohmr_jax.modes.config_checks import require_words
from prohmr_jax.skeleton import JointSet
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights


@dataclasses.dataclass(frozen=True)
class TableSource:
    """Names people to measure a model on, and by which protocol."""

    data: str
    """Title of the data."""
    joints: str
    """Name of the list of joints, one of `EVALUATED_JOINTS`."""
    average: Average
    """What errors are averaged over."""
    batches: Iterable[tuple[People, Sequence[str]]]
    """The people and their actions; see `scored_people.dataset_people`."""


def load_model(
    path: pathlib.Path, body: BodyIdentity
) -> tuple[ModelSpec, PreparedProHMR, str]:
    """Returns what a model is, its weights prepared for inference, and their SHA-256.

    Args:
      path: weights.
      body: body that the model is evaluated with; another one than it was trained with
        is warned of.

    Raises:
      InputError: the weights cannot be read.
    """
    spec, variables = load_weights(path)
    warn_of_other_body(path, body)
    return spec, prepare(build_model(spec), variables), tree_sha256(variables)


def dataset_sources(
    table: Table,
    spec: ModelSpec,
    rows: Mapping[str, ConfigDict],
    read: Callable[..., Iterable[tuple[People, Sequence[str]]]],
    batch_size: int,
    num_people: int,
) -> Iterator[TableSource]:
    """Yields the datasets that are there; the table gets the names of the others.

    Args:
      table: the table.
      spec: what the model is.
      rows: the parts of the config that name datasets, by the name of the row.
      read: `scored_people.dataset_people` or `dataset_views`.
      batch_size: number of people of a batch.
      num_people: number of people of each dataset; 0 for all.
    """
    for name, row in rows.items():
        data = DATA_TITLES[name]
        if not os.path.isdir(row.directory):
            table.skipped[data] = f"there is no folder {row.directory}"
            continue
        source = Source(row.directory, row.split, weight=1.0)
        batches = read(source, spec, batch_size, num_people or None)
        yield TableSource(data, row.joints, row.average, batches)


def benchmark_sources(
    table: Table,
    spec: ModelSpec,
    path: str,
    conditions: Sequence[str],
    batch_size: int,
    num_people: int,
) -> Iterator[TableSource]:
    """Yields the parts of the open benchmark under each condition, if it is there.

    Args:
      table: the table, which gets the reason where there is nothing to yield.
      spec: what the model is; only models of keypoints can be measured.
      path: file of the benchmark.
      conditions: names of the conditions of keypoints.
      batch_size: number of people of a batch.
      num_people: number of people of each part; 0 for all.

    Raises:
      InputError: the file cannot be read, or has no such condition.
    """
    if not os.path.exists(path):
        table.skipped["open benchmark"] = f"there is no file {path}"
        return
    if spec.encoder != KEYPOINTS:
        table.skipped["open benchmark"] = "it has keypoints, and the model sees photos"
        return
    benchmark = read_benchmark(path)
    require_words({"conditions": conditions}, {"conditions": benchmark.conditions})
    for part in dict.fromkeys(benchmark.parts):
        for condition in conditions:
            people = benchmark_people(
                benchmark, part, condition, batch_size, num_people or None
            )
            data = f"{part}, {condition} keypoints"
            yield TableSource(data, "h36m_14", "actions", people)


def measure_sources(
    table: Table,
    title: str,
    sources: Iterable[TableSource],
    measure_of: Callable[[TableSource, JointSet], Measure],
    are_fitted: bool = False,
) -> None:
    """Adds the rows of a model to a table; the table names data with nobody to score.

    Args:
      table: the table.
      title: title of the model.
      sources: the data.
      measure_of: function of data and joints that returns what measures their people.
      are_fitted: whether people without a keypoint to fit to are left out as well.
    """
    for source in sources:
        name = f"{title} on {source.data}"
        joint_set = EVALUATED_JOINTS[source.joints]
        batches = tqdm(source.batches, desc=source.data, unit="batch")
        try:
            measure = measure_of(source, joint_set)
            scored = score_people(
                name, batches, joint_set, measure, table.seed, are_fitted
            )
        except NobodyScored as fault:
            # The other rows are still worth measuring.
            table.skipped[name] = fault.what
            continue
        table.add(source.data, source.joints, source.average, scored)


def require_rows(table: Table) -> None:
    """Refuses a table without rows.

    Args:
      table: the table.

    Raises:
      InputError: no row was measured; the message has the reasons.
    """
    if not table.rows:
        reasons = "; ".join(f"{row}: {why}" for row, why in table.skipped.items())
        raise InputError("config", f"no row can be measured: {reasons}")
