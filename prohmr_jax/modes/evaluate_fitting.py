"""Runs the mode "evaluate_fitting": compares fits, as Tables 3 and 4 of the paper do.

The people are those of held-out motion capture, seen by several cameras. Errors are
means over the views of a person, then over the people of an action, then over the
actions of a split. The report consists of Markdown tables (docs/fitting.md).
"""

import logging
import pathlib
from collections.abc import Callable

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.bootstrap import MeanInterval, bootstrap_mean
from prohmr_jax.evaluation.fit_methods import FittedModels
from prohmr_jax.evaluation.fitting_errors import (
    FitErrors,
    fit_errors,
    mean_pose_errors,
    one_view_fits,
    several_views_fits,
)
from prohmr_jax.evaluation.fitting_scenes import Scenes, make_scenes
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.files import markdown
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS, REGRESSION_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import BodyIdentity, read_identified_body
from prohmr_jax.fitting.smplify import GaussianMixture, GenericFlow
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.config_checks import (
    require_keypoint_model,
    require_some,
    require_words,
)
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split, action_of
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.priors.pose_flow import load_pose_flow
from prohmr_jax.solver.problem import Settings
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)

Labels = list[tuple[Split, str]]
"""Split and action of each person."""
Errors = dict[str, FitErrors]
"""Errors of the people by the name of the method."""


def spread_people(
    clips: tuple[HeldOutClip, ...], per_split: int
) -> tuple[Labels, np.ndarray]:
    """Returns split and action of people, and their poses `[P, 24, 3]`, axis-angle.

    All actions of a split have the same number of people, whose frames are evenly
    spaced over the frames of the action.

    Args:
      clips: held-out clips.
      per_split: number of people of each split, which is rounded up to a multiple of
        its number of actions.

    Raises:
      InputError: an action has too few frames.
    """
    frames: dict[tuple[Split, str], list[np.ndarray]] = {}
    for clip in clips:
        frames.setdefault((clip.split, action_of(clip.name)), []).append(
            clip.axis_angle
        )
    labels: Labels = []
    poses = []
    for key in sorted(frames, key=lambda key: (key[0].value, key[1])):
        number = -(-per_split // sum(split is key[0] for split, _ in frames))
        of_action = np.concatenate(frames[key])
        if len(of_action) < number:
            raise InputError(
                "config.people_per_split",
                f"asks for {number} people of each action, but {key[1]} has "
                f"{len(of_action)} frames only",
            )
        middles = (np.arange(number) + 0.5) * len(of_action) / number
        poses.append(of_action[middles.astype(int)])
        labels += [key] * number
    return labels, np.concatenate(poses)


def measure(
    fits: Callable[[Scenes], dict],
    models: FittedModels,
    scenes_of: Callable[[jax.Array, jax.Array], Scenes],
    poses: np.ndarray,
    batch_size: int,
    seed: int,
) -> Errors:
    """Returns the errors of every method, NumPy arrays with an axis of people.

    Args:
      fits: function that takes scenes and returns bodies by the name of the method.
      models: trained models and priors.
      scenes_of: function that `make_scenes` returned.
      poses: poses of the people [P, 24, 3], axis-angle, radians.
      batch_size: number of people that are fitted at a time; the last batch is padded,
        so that only one size is compiled.
      seed: seed of shapes and cameras; person p has the key `fold_in(key(seed), p)`.
    """
    methods: list[str] = []

    def errors_of(poses: jax.Array, keys: jax.Array) -> Errors:
        scenes = scenes_of(keys, poses)
        errors = {"mean pose": mean_pose_errors(models, scenes)}
        errors |= {n: fit_errors(body, scenes) for n, body in fits(scenes).items()}
        methods[:] = errors
        return errors

    errors = measure_people(errors_of, poses, batch_size, seed)
    # In the order of the methods, which a pytree of names does not keep.
    return {name: errors[name] for name in methods}


def mean_of_split(
    errors: np.ndarray, labels: Labels, split: Split, seed: int
) -> MeanInterval:
    """Returns the mean over a split's actions of the means over their people.

    The 95 % interval is by bootstrap over the people of each action.

    Args:
      errors: errors of all people [P], millimetres.
      labels: split and action of each person.
      split: the split.
      seed: seed of the bootstrap.
    """
    in_split = np.array([label_split is split for label_split, _ in labels])
    actions = np.array([action for _, action in labels])[in_split]
    return bootstrap_mean(np.asarray(errors)[in_split], seed=seed, groups=actions)


def markdown_rows(
    results: dict[str, Errors], labels: Labels, split: Split, seed: int = 0
) -> list[str]:
    """Returns the table of one split as lines of Markdown.

    A row is a method, a column a condition of the keypoints, and a cell holds PA-MPJPE
    with its 95 % interval and MPJPE, millimetres.

    Args:
      results: errors by the name of the condition.
      labels: split and action of each person.
      split: the split.
      seed: seed of the bootstrap.
    """
    conditions = list(results)
    rows = []
    for method in results[conditions[0]]:
        cells = [method]
        for condition in conditions:
            errors = results[condition][method]
            pa = mean_of_split(errors.pa_mpjpe, labels, split, seed)
            mpjpe = mean_of_split(errors.mpjpe, labels, split, seed).mean
            cells.append(f"{pa.mean:.1f} ({pa.low:.1f}-{pa.high:.1f}) / {mpjpe:.1f}")
        rows.append(cells)
    return markdown.table(["method", *conditions], rows).splitlines()


def _load(path: str | pathlib.Path, body: BodyIdentity) -> PreparedProHMR:
    spec, variables = load_weights(path)
    require_keypoint_model(path, spec)
    warn_of_other_body(path, body)
    return prepare(build_model(spec), variables)


def _fitted_models(config: ml_collections.ConfigDict) -> FittedModels:
    body, identity = read_identified_body(config.body)
    regression = _load(config.regression or REGRESSION_WEIGHTS, identity)
    if regression.flow is not None:
        raise InputError("config.regression", "the weights are not deterministic")
    prior = load_pose_prior(config.pose_prior or None)
    return FittedModels(
        prohmr=_load(config.checkpoint or KEYPOINT_WEIGHTS, identity),
        regression=regression,
        body=body,
        mixture=GaussianMixture(prior),
        flow=GenericFlow(load_pose_flow(config.pose_flow or None)),
        mean_body_pose=mean_pose(prior),
    )


def run(config: ml_collections.ConfigDict) -> str:
    """Compares fits on held-out clips; prints, writes and returns the report.

    Args:
      config: see `configs/evaluate_fitting.py`.

    Raises:
      InputError: weights, body or clips cannot be used, or the report not be written.
    """
    splits = tuple(split.value for split in Split)
    require_words(config, {"conditions": tuple(CONDITIONS), "splits": splits})
    require_some(config, "conditions", "data_weights")
    models = _fitted_models(config)
    clips = read_held_out_clips(config.held_out, config.splits)
    labels, poses = spread_people(clips, config.people_per_split)

    settings = Settings(max_steps=config.max_steps)

    def compare(title: str, views: int, fits: Callable) -> dict[str, Errors]:
        return {
            name: measure(
                fits,
                models,
                make_scenes(models.body, CONDITIONS[name], views),
                poses,
                config.batch_size,
                config.seed,
            )
            for name in tqdm(config.conditions, desc=title)
        }

    tables: dict[str, dict[str, Errors]] = {}
    report = ""
    for several, views in ((True, config.views), (False, config.views_alone)):
        fits = several_views_fits if several else one_view_fits
        for weight in config.data_weights:
            where = f"{views} views together" if several else "one view alone"
            title = f"{where}, data weight x {weight:g}"
            tables[title] = compare(
                title, views, lambda s, f=fits, w=weight: f(models, s, settings, w)
            )
            report = _write(config, tables, labels)
    print(report)
    return report


def _write(
    config: ml_collections.ConfigDict,
    tables: dict[str, dict[str, Errors]],
    labels: Labels,
) -> str:
    """Writes and returns the report of the tables that have been measured."""
    lines = [
        f"PA-MPJPE / MPJPE in millimetres on the 14 joints of Human3.6M, body "
        f"`{config.body}`, seed {config.seed}; means over actions. Brackets hold the "
        "95 % interval of PA-MPJPE, by bootstrap over people. Where a view is fitted "
        f"alone, each person has {config.views_alone}.",
    ]
    for split in Split:
        people = [label for label in labels if label[0] is split]
        if not people:
            continue
        actions = len(set(people))
        lines += ["", f"## {split.value}: {actions} actions, {len(people)} people"]
        for title, results in tables.items():
            table = markdown_rows(results, labels, split, config.seed)
            lines += ["", f"### {title}", "", *table]
    report = "\n".join(lines) + "\n"
    if config.output:
        write_atomically(config.output, lambda s: s.write(report.encode()))
        _LOG.info("wrote %s", config.output)
    return report
