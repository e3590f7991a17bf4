"""Whether fits improve bodies, in Markdown tables: the paper's Tables 3 and 4 here.

People of held-out clips are seen by several cameras. Errors are means over a person's
views, then over the people of an action, then over the actions of a split.
"""

import logging
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.fitting_errors import (
    Contestants,
    FitErrors,
    Scenes,
    fit_errors,
    make_scenes,
    mean_pose_errors,
    one_view_fits,
    several_views_fits,
)
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.files import markdown
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS, REGRESSION_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.fitting.smplify import GaussianMixture, GenericFlow
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split, action_of
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.priors.pose_flow import load_pose_flow
from prohmr_jax.solver.minimise import Settings
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)

# (split, action) of each person.
Labels = list[tuple[Split, str]]
Errors = dict[str, FitErrors]


def spread_people(
    clips: tuple[HeldOutClip, ...], per_split: int
) -> tuple[Labels, np.ndarray]:
    """Returns people of every action, and their poses `[P, 24, 3]`.

    A split's people are shared evenly among its actions, and an action's are spread
    evenly over its frames.

    Args:
      clips: held-out clips.
      per_split: people of each split, rounded up to the same for each action.

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
        mine = np.concatenate(frames[key])
        if len(mine) < number:
            raise InputError(
                "config.people_per_split", f"{key[1]} has {len(mine)} frames only"
            )
        middles = (np.arange(number) + 0.5) * len(mine) / number
        poses.append(mine[middles.astype(int)])
        labels += [key] * number
    return labels, np.concatenate(poses)


def measure(
    fits: Callable[[Scenes], dict],
    models: Contestants,
    scenes_of: Callable[[jax.Array, jax.Array], Scenes],
    poses: np.ndarray,
    batch_size: int,
    seed: int,
) -> Errors:
    """Returns the errors of every method, NumPy arrays with an axis of people.

    Args:
      fits: scenes -> bodies by the method's name.
      models: what is compared.
      scenes_of: see `make_scenes`.
      poses: of people.
      batch_size: people at a time; one size, so that nothing is compiled again.
      seed: person p has the key `fold_in(key(seed), p)`.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
        jax.random.key(seed), jnp.arange(len(poses))
    )
    parts = []
    for start in range(0, len(poses), batch_size):
        chosen = np.arange(start, start + batch_size)
        rows = np.minimum(chosen, len(poses) - 1)
        scenes = scenes_of(keys[rows], jnp.asarray(poses[rows]))
        found = {"mean pose": mean_pose_errors(models, scenes)}
        found |= {n: fit_errors(body, scenes) for n, body in fits(scenes).items()}
        real = slice(np.sum(chosen < len(poses)))
        parts.append(jax.tree.map(lambda a, real=real: np.asarray(a)[real], found))
    whole = jax.tree.map(lambda *a: np.concatenate(a), *parts)
    # In the order of the methods, which `jax.tree.map` does not keep.
    return {name: whole[name] for name in found}


def over_actions(errors: FitErrors, labels: Labels, split: Split) -> FitErrors:
    """Returns the mean over a split's actions of the means over their people."""
    actions = sorted({action for of, action in labels if of is split})
    masks = [np.array([label == (split, a) for label in labels]) for a in actions]
    return jax.tree.map(
        lambda values: float(np.mean([values[mask].mean() for mask in masks])), errors
    )


def markdown_rows(
    results: dict[str, Errors], labels: Labels, split: Split
) -> list[str]:
    """Returns a table of one split: methods down, conditions across, PA / MPJPE."""
    conditions = list(results)
    rows = []
    for method in results[conditions[0]]:
        cells = [method]
        for condition in conditions:
            means = over_actions(results[condition][method], labels, split)
            cells.append(f"{means.pa_mpjpe:.1f} / {means.mpjpe:.1f}")
        rows.append(cells)
    return markdown.table(["method", *conditions], rows).splitlines()


def _load(path: str | pathlib.Path) -> PreparedProHMR:
    spec, variables = load_weights(path)
    return prepare(build_model(spec), variables)


def _contestants(config: ml_collections.ConfigDict) -> Contestants:
    twin = _load(config.regression or REGRESSION_WEIGHTS)
    if twin.flow is not None:
        raise InputError("config.regression", "these weights are not deterministic")
    prior = load_pose_prior(config.pose_prior or None)
    return Contestants(
        prohmr=_load(config.checkpoint or KEYPOINT_WEIGHTS),
        twin=twin,
        body=read_body(config.body),
        mixture=GaussianMixture(prior),
        flow=GenericFlow(load_pose_flow(config.pose_flow or None)),
        mean_body_pose=mean_pose(prior),
    )


def run(config: ml_collections.ConfigDict) -> str:
    """Compares fits on held-out clips; writes and returns the report.

    Args:
      config: see `configs/evaluate_fitting.py`.

    Raises:
      InputError: weights, body or clips cannot be used.
    """
    models = _contestants(config)
    clips = read_held_out_clips(config.held_out)
    labels, poses = spread_people(clips, config.people_per_split)

    settings = Settings(max_steps=config.max_steps)
    scenes = {
        name: make_scenes(models.body, CONDITIONS[name], config.views)
        for name in config.conditions
    }

    def compare(title: str, fits: Callable) -> dict[str, Errors]:
        return {
            name: measure(fits, models, of, poses, config.batch_size, config.seed)
            for name, of in tqdm(scenes.items(), desc=title)
        }

    tables = {}
    for weight in config.data_weights:
        title = f"each view alone, data weight x {weight:g}"
        tables[title] = compare(
            title, lambda s, w=weight: one_view_fits(models, s, settings, w)
        )
    title = f"{config.views} views together"
    tables[title] = compare(title, lambda s: several_views_fits(models, s, settings))

    lines = [
        f"PA-MPJPE / MPJPE in millimetres on the 14 joints of Human3.6M, "
        f"{config.views} cameras per person, body `{config.body}`, "
        f"seed {config.seed}; means over actions.",
    ]
    for split in Split:
        people = [label for label in labels if label[0] is split]
        if not people:
            continue
        actions = len(set(people))
        lines += ["", f"## {split.value}: {actions} actions, {len(people)} people"]
        for title, results in tables.items():
            lines += ["", f"### {title}", "", *markdown_rows(results, labels, split)]
    report = "\n".join(lines) + "\n"
    if config.output:
        write_atomically(config.output, lambda s: s.write(report.encode()))
        _LOG.info("wrote %s", config.output)
    print(report)
    return report
