"""Runs "evaluate_open_benchmark": measures weights on the open benchmark."""

import dataclasses
import json
import logging
import pathlib

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax import __version__
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.ablation_report import read_reports
from prohmr_jax.evaluation.best_of_n import SAMPLE_COUNTS
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.keypoint_errors import person_errors
from prohmr_jax.evaluation.keypoint_report import (
    ConditionReport,
    markdown_report,
    split_report,
)
from prohmr_jax.evaluation.open_benchmark import (
    VERSION,
    BenchmarkPeople,
    read_benchmark,
)
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.files.json_text import read_json
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.config_checks import require_keypoint_model, require_least
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Holds all that the numbers of a report depend on."""

    benchmark_version: int
    """Version of the benchmark."""
    benchmark_hash: str
    """SHA-256 of what the file of the benchmark holds."""
    weights_hash: str
    """SHA-256 of the file of weights, or of all files of their folder."""
    weights: str
    """Name of the weights."""
    body: str
    """The body."""
    body_hash: str
    """Hash of the arrays of the body."""
    pose_prior: str
    """File of the prior whose mean pose is measured; empty for the one that ships."""
    num_samples: int
    """Number of samples beside the mode."""
    seed: int
    """Seed of the samples."""
    package_version: str
    """Version of this package."""
    jax_version: str
    """Version of JAX."""


def run(config: ml_collections.ConfigDict) -> list[ConditionReport]:
    """Measures weights under every condition of the benchmark, and writes a report.

    Args:
      config: see `configs/evaluate_open_benchmark.py`.

    Returns:
      The reports of all parts and conditions.

    Raises:
      InputError: weights, body or benchmark cannot be used, or the output folder holds
        an evaluation with other settings.
    """
    require_least(config, {"num_samples": 2, "batch_size": 1, "seed": 0})
    people = read_benchmark(config.benchmark)
    path = pathlib.Path(config.checkpoint or KEYPOINT_WEIGHTS)
    spec, variables = load_weights(path)
    require_keypoint_model(path, spec)
    body, identity = read_identified_body(config.body)
    warn_of_other_body(path, identity)
    settings = Settings(
        VERSION, people.content_hash(), tree_sha256(variables), path.name, config.body,
        identity.hash, config.pose_prior, config.num_samples, config.seed, __version__,
        jax.__version__,
    )  # fmt: skip
    folder = pathlib.Path(config.output)
    _require_same_settings(folder, settings)
    model = prepare(build_model(spec), variables)
    pose = mean_pose(load_pose_prior(config.pose_prior or None))
    counts = tuple(n for n in SAMPLE_COUNTS if n <= config.num_samples)
    baseline = mean_body(body, pose)

    def measure(batch, keys):
        truth, xy, keypoints = batch
        return person_errors(
            model, body, baseline, truth, xy, keypoints, keys,
            num_samples=config.num_samples, counts=counts,
        )  # fmt: skip

    reports = []
    for number, name in enumerate(people.conditions):
        report = folder / "conditions" / f"{name.replace(' ', '_')}.json"
        if not report.exists():
            keypoints = jax.tree.map(lambda a, n=number: a[n], people.keypoints)
            errors = measure_people(
                measure,
                (people.body, people.xy, keypoints),
                config.batch_size,
                config.seed,
                lambda starts, name=name: tqdm(starts, desc=name, unit="batch"),
            )
            _write_json(report, settings, _reports_of(people, name, errors, counts))
        reports += read_reports(report)
    reports.sort(key=lambda r: r.split)
    text = markdown_report(_heading(config, settings), reports)
    write_atomically(folder / "report.md", lambda s: s.write(text.encode()))
    _write_json(folder / "report.json", settings, reports)
    _LOG.info("wrote %s and report.json", folder / "report.md")
    print(text)
    return reports


def _reports_of(people: BenchmarkPeople, condition: str, errors, counts):
    parts, actions = np.array(people.parts), np.array(people.actions)
    return [
        split_report(
            part,
            condition,
            actions[parts == part],
            jax.tree.map(lambda a, rows=parts == part: a[rows], errors),
            counts,
        )
        for part in np.unique(parts).tolist()
    ]


def _heading(config: ml_collections.ConfigDict, settings: Settings) -> str:
    return (
        f"# The open benchmark, version {settings.benchmark_version}\n\n"
        "`python -m prohmr_jax.main --config configs/evaluate_open_benchmark.py "
        f"--config.benchmark={config.benchmark}`\n\n"
        f"Content {settings.benchmark_hash[:16]}, weights `{settings.weights}` "
        f"({settings.weights_hash[:16]}), body `{settings.body}`, "
        f"{settings.num_samples} samples beside the mode, seed {settings.seed}, "
        f"prohmr_jax {settings.package_version}, JAX {settings.jax_version}. Errors "
        "are in millimetres and means over actions; the table of distributions pools "
        "all people of a part, joints `skeleton.LIMBS_25` relative to the pelvis."
    )


def _write_json(
    path: pathlib.Path, settings: Settings, reports: list[ConditionReport]
) -> None:
    content = {
        "settings": dataclasses.asdict(settings),
        "reports": [dataclasses.asdict(report) for report in reports],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _require_same_settings(folder: pathlib.Path, settings: Settings) -> None:
    """Refuses a folder in which another evaluation was begun."""
    for path in sorted((folder / "conditions").glob("*.json")):
        content = read_json(path)
        before = content.get("settings") if isinstance(content, dict) else None
        if not isinstance(before, dict):
            raise InputError(path, "is not a file of this evaluation")
        for name, value in dataclasses.asdict(settings).items():
            if before.get(name) != value:
                what = f"was measured with {name} {before.get(name)!r}, now {value!r}"
                raise InputError(path, f"{what}; choose another config.output")
