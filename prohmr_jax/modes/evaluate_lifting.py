"""Runs "evaluate_lifting": trains or loads models that lift skeletons, measures them.

The mode `train_lifter` trains; the report is in `evaluation.lifting_report`.
"""

import dataclasses
import functools
import json
import logging
import pathlib
from collections.abc import Iterator

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax import __version__
from prohmr_jax.body import BodyModel
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.labelled_skeletons import read_labelled_skeletons
from prohmr_jax.evaluation.lifting_errors import (
    CONDITIONS,
    COUNTS,
    measure_skeletons,
    num_drawn,
    shown_skeletons,
)
from prohmr_jax.evaluation.lifting_report import (
    LiftingRow,
    lifting_row,
    markdown_report,
)
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.models.lifter_spec import Lifter, LifterSpec, build_lifter
from prohmr_jax.models.skeleton_lifter import INPUT_JOINTS, OUTPUT_JOINTS
from prohmr_jax.modes import train_lifter
from prohmr_jax.modes.config_checks import require_least
from prohmr_jax.modes.evaluate_keypoints import people_of_clips
from prohmr_jax.poses.bank import read_held_out_clips
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.synthetic.skeleton_pairs import SkeletonPair, from_pelvis
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import STATES, load_weights

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ShownPeople:
    """Holds people who are measured together."""

    split: str
    """Name of the group."""
    condition: str
    """How the 2D joints reach the models."""
    units: np.ndarray
    """[P] str, clip or action of each person."""
    pairs: SkeletonPair
    """2D joints and the truth, NumPy, leading axis P."""


@dataclasses.dataclass(frozen=True)
class TrainedLifter:
    """Holds a model that is measured."""

    name: str
    """Name in the config."""
    weights: str
    """Name of its weights."""
    weights_hash: str
    """SHA-256 of all arrays."""
    model: Lifter
    """Flax module."""
    variables: dict
    """Weights."""


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> list[LiftingRow]:
    """Trains what is not trained, measures every model, and writes the report.

    Args:
      config: see `configs/table6.py`.
      workdir: directory of the trainings, `<workdir>/<name of the model>`, and of the
        report, `lifting.md` and `lifting.json`.

    Returns:
      The rows of the report.

    Raises:
      InputError: there is nobody to measure, something that the config names cannot be
        used, or a training was stopped by a signal.
    """
    require_least(config, {"frame_step": 1, "views": 1, "batch_size": 1, "seed": 0})
    if not config.models:
        raise InputError("config.models", "is empty, so that nothing is measured")
    body, identity = read_identified_body(config.training.body)
    # What hours of training would otherwise find missing.
    people = list(_people(config, body))
    lifters = [_lifter(config, name, workdir) for name in config.models]
    baseline = from_pelvis(
        mean_body(body, mean_pose(load_pose_prior(config.training.pose_prior or None)))
        .joints
    )  # fmt: skip
    rows = []
    for shown in people:
        for lifter in lifters:
            errors = measure_people(
                functools.partial(_measure, lifter, baseline),
                shown.pairs,
                config.batch_size,
                config.seed,
                lambda starts, name=lifter.name: tqdm(starts, desc=name, unit="batch"),
            )
            rows.append(
                lifting_row(
                    shown.split, shown.condition, lifter.name, errors, shown.units,
                    COUNTS, num_drawn(), config.seed,
                )
            )  # fmt: skip
    settings = {
        "command": _command(config, workdir),
        "version": __version__,
        "jax": jax.__version__,
        "seed": config.seed,
        "body": config.training.body,
        "body_hash": identity.hash,
        "num_samples": num_drawn(),
        "frame_step": config.frame_step,
        "views": config.views,
        "weights": {one.name: [one.weights, one.weights_hash] for one in lifters},
        "training": config.training.to_dict(),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    text = markdown_report(_heading(config, lifters, settings["command"]), rows)
    content = json.dumps(settings, indent=1) + "\n"
    page = workdir / "lifting.md"
    write_atomically(page, lambda s: s.write(text.encode()))
    write_atomically(page.with_suffix(".json"), lambda s: s.write(content.encode()))
    _LOG.info("wrote %s and %s", page, page.with_suffix(".json"))
    print(text)
    return rows


def _measure(lifter: TrainedLifter, baseline, pairs: SkeletonPair, keys: jax.Array):
    return measure_skeletons(lifter.model, lifter.variables, baseline, pairs, keys)


def _people(
    config: ml_collections.ConfigDict, body: BodyModel
) -> Iterator[ShownPeople]:
    """Yields the people of every split under every condition, then the dataset's."""
    if not config.held_out and not config.dataset:
        raise InputError("config.held_out", "is empty, and so is config.dataset")
    if config.held_out:
        clips = read_held_out_clips(config.held_out)
        people = people_of_clips(clips, config.frame_step, config.views)
        for name, condition in CONDITIONS.items():
            pairs = measure_people(
                lambda poses, keys, c=condition: shown_skeletons(keys, poses, body, c),
                people.axis_angle,
                config.batch_size,
                config.seed,
            )
            for split in np.unique(people.splits):
                mine = people.splits == split
                of_split = jax.tree.map(lambda a, mine=mine: a[mine], pairs)
                yield ShownPeople(str(split), name, people.clips[mine], of_split)
    if config.dataset:
        source = Source(config.dataset, config.split, weight=1.0)
        labelled = read_labelled_skeletons(source)
        if labelled.num_left_out:
            _LOG.warning("%d people lack a joint", labelled.num_left_out)
        name = f"{pathlib.Path(config.dataset).name}, {config.split}"
        yield ShownPeople(name, "labelled", labelled.actions, labelled.pairs)


def _lifter(
    config: ml_collections.ConfigDict, name: str, workdir: pathlib.Path
) -> TrainedLifter:
    """Returns a model with the weights that the config names, or that it trains."""
    path = config.models[name].lifter
    if not path:
        training = config.training.copy_and_resolve_references()
        training.update(config.models[name].training.to_dict())
        path = workdir / name
        train_lifter.run(training, path)
        if not (path / STATES / str(training.num_steps)).is_dir():
            what = "holds a training that was stopped; the same command goes on with it"
            raise InputError(path, what)
    spec, variables = load_weights(path, LifterSpec)
    if (spec.input_joints, spec.output_joints) != (INPUT_JOINTS, OUTPUT_JOINTS):
        raise InputError(path, "lifts other joints than those of Human3.6M")
    _, identity = read_identified_body(config.training.body)
    warn_of_other_body(path, identity)
    return TrainedLifter(
        name=name,
        weights=pathlib.Path(path).name,
        weights_hash=tree_sha256(variables),
        model=build_lifter(spec),
        variables=variables,
    )


def _command(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> str:
    keys = {
        "training.pose_bank": config.training.pose_bank,
        "held_out": config.held_out,
        "dataset": config.dataset,
    }
    files = [f"--config.{k}={pathlib.Path(v).name}" for k, v in keys.items() if v]
    start = "python -m prohmr_jax.main --config configs/table6.py --workdir runs/"
    return " ".join([start + workdir.name, *files])


def _heading(
    config: ml_collections.ConfigDict, lifters: list[TrainedLifter], command: str
) -> str:
    training = config.training
    weights = ", ".join(f"{one.name} {one.weights_hash[:16]}" for one in lifters)
    return (
        f"# Lifting of skeletons\n\n`{command}`\n\n"
        f"Models were trained for {training.num_steps} steps of {training.batch_size} "
        f"pairs, unless weights were given (SHA-256: {weights}). prohmr_jax "
        f"{__version__}, JAX {jax.__version__}, seed {config.seed}, body "
        f"`{training.body}`; every {config.frame_step}th frame, {config.views} cameras "
        f"and shapes each; {num_drawn()} samples, the mode not among them. Errors are "
        "in millimetres on 16 joints of Human3.6M relative to the pelvis, and means "
        "over people; 95 % intervals in brackets are by bootstrap over clips, or over "
        "the actions of a dataset."
    )
