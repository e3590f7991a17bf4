"""How well the model lifts poses that it never saw, in a Markdown table.

Errors are means over the frames of an action, then over actions, so that long clips do
not count more. What is measured of each person is in `lifting_errors`.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.keypoint_errors import (
    CONDITIONS,
    PersonErrors,
    make_evaluation,
)
from prohmr_jax.files import markdown
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split, action_of
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ActionErrors:
    """Means over the people of one action."""

    split: Split
    action: str
    num_people: int
    means: PersonErrors


def evaluate_clips(
    evaluation: Callable,
    clips: Iterable[HeldOutClip],
    frame_step: int,
    views: int,
    batch_size: int,
    seed: int,
) -> list[ActionErrors]:
    """Returns errors per action.

    Args:
      evaluation: of `make_evaluation`.
      clips: held-out clips.
      frame_step: every so many frames of a clip are used (30 a second).
      views: cameras, and shapes, per frame.
      batch_size: people at a time; one size, so that nothing is compiled again.
      seed: of shapes, cameras, detections and samples.
    """
    groups: dict[tuple[Split, str], list[np.ndarray]] = {}
    for clip in clips:
        groups.setdefault((clip.split, action_of(clip.name)), []).append(
            clip.axis_angle[::frame_step]
        )
    key = jax.random.key(seed)
    rows = []
    for number, ((split, action), parts) in enumerate(sorted(
        groups.items(), key=lambda item: (item[0][0].value, item[0][1])
    )):  # fmt: skip
        poses = np.repeat(np.concatenate(parts), views, axis=0)
        batches = []
        for start in range(0, len(poses), batch_size):
            chunk = poses[start : start + batch_size]
            padded = np.resize(chunk, (batch_size, *chunk.shape[1:]))
            batch_key = jax.random.fold_in(jax.random.fold_in(key, number), start)
            errors = jax.device_get(evaluation(jnp.asarray(padded), batch_key))
            real = slice(len(chunk))
            batches.append(jax.tree.map(lambda a, real=real: a[real], errors))
        people = jax.tree.map(lambda *a: np.concatenate(a), *batches)
        means = jax.tree.map(lambda a: float(np.mean(a)), people)
        rows.append(ActionErrors(split, action, len(poses), means))
    return rows


def mean_over_actions(rows: list[ActionErrors], split: Split) -> PersonErrors | None:
    """Returns the mean of the actions' means in one split; None if it has none."""
    means = [row.means for row in rows if row.split is split]
    return jax.tree.map(lambda *a: float(np.mean(a)), *means) if means else None


def markdown_table(
    results: dict[str, list[ActionErrors]], num_samples: int, heading: str
) -> str:
    """Returns the report: one row per split, condition and joint list.

    Args:
      results: condition -> errors per action.
      num_samples: N of best-of-N.
      heading: what was measured, with which command.
    """
    best = f"best of {num_samples}"
    header = [
        *("poses", "keypoints", "joints"),
        *("mode PA-MPJPE", f"{best} PA", "mean pose PA"),
        *("mode MPJPE", f"{best} MPJPE", "mean pose MPJPE"),
    ]
    consistency_header = [
        *("poses", "keypoints", "spread seen (mm)", "spread hidden (mm)"),
        *("2D error of the mode (% of box)", "of samples"),
    ]
    table, consistency = [], []
    for split in (Split.SEEN_ACTION, Split.UNSEEN_ACTION, Split.ORIGINAL_CLIP):
        for condition, rows in results.items():
            means = mean_over_actions(rows, split)
            if means is None:
                continue
            actions = [row for row in rows if row.split is split]
            people = sum(row.num_people for row in actions)
            name = f"{split.value} ({len(actions)} actions, {people} people)"
            for label, errors in (
                ("H36M-14", means.h36m_14), ("SMPL-24", means.smpl_24)
            ):  # fmt: skip
                values = (
                    *(errors.mode_pa_mpjpe, errors.best_pa_mpjpe),
                    *(errors.mean_pose_pa_mpjpe, errors.mode_mpjpe),
                    *(errors.best_mpjpe, errors.mean_pose_mpjpe),
                )
                cells = (f"{value:.1f}" for value in values)
                table.append([name, condition, label, *cells])
            c = means.consistency
            spreads = f"{c.visible_spread:.1f}", f"{c.hidden_spread:.1f}"
            errors_2d = f"{c.mode_error_2d:.2f}", f"{c.samples_error_2d:.2f}"
            consistency.append([split.value, condition, *spreads, *errors_2d])
    tables = (
        markdown.table(header, table),
        markdown.table(consistency_header, consistency),
    )
    return "\n\n".join([heading, *tables]) + "\n"


def run(config: ml_collections.ConfigDict) -> str:
    """Evaluates weights on held-out clips; writes and returns the report.

    Args:
      config: see `configs/evaluate_keypoints.py`.

    Raises:
      InputError: weights, body or clips cannot be used.
    """
    weights = pathlib.Path(config.checkpoint or KEYPOINT_WEIGHTS)
    spec, variables = load_weights(weights)
    body = read_body(config.body)
    model = prepare(build_model(spec), variables)
    clips = read_held_out_clips(config.held_out)
    pose = mean_pose(load_pose_prior(config.pose_prior or None))
    results = {}
    for name, condition in tqdm(CONDITIONS.items(), desc="conditions"):
        evaluation = make_evaluation(
            model, body, pose, condition, 1 + config.num_samples
        )
        results[name] = evaluate_clips(
            evaluation,
            clips,
            config.frame_step,
            config.views,
            config.batch_size,
            config.seed,
        )
    report = markdown_table(
        results,
        config.num_samples,
        f"Weights `{weights.name}`, body `{config.body}`, "
        f"{config.num_samples} samples, seed {config.seed}; errors in millimetres, "
        "means over actions.",
    )
    if config.output:
        write_atomically(config.output, lambda s: s.write(report.encode()))
        _LOG.info("wrote %s", config.output)
    print(report)
    return report
