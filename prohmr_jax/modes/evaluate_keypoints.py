"""Runs "evaluate_keypoints": how well weights lift poses that training never saw.

Each person of the held-out clips is met under every condition of
`evaluation.keypoint_errors.CONDITIONS`; the report is in `evaluation.keypoint_report`.
"""

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
from prohmr_jax.evaluation.best_of_n import SAMPLE_COUNTS
from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS, make_evaluation
from prohmr_jax.evaluation.keypoint_report import (
    ConditionReport,
    markdown_report,
    split_report,
)
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.config_checks import require_keypoint_model
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split, action_of
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class HeldOutPeople:
    """Holds the people of one evaluation; a person is a pose seen by one camera."""

    splits: np.ndarray
    """[P] str, values of `Split`."""
    actions: np.ndarray
    """[P] str."""
    clips: np.ndarray
    """[P] str, names of the clips."""
    axis_angle: np.ndarray
    """[P, 24, 3] float32, radians, local; joint 0 in a world with Y up."""


def people_of_clips(
    clips: tuple[HeldOutClip, ...], frame_step: int, views: int
) -> HeldOutPeople:
    """Returns the people of clips, sorted by split, action and clip.

    Args:
      clips: held-out clips, 30 frames a second.
      frame_step: every so many frames of a clip are used.
      views: cameras, and shapes, per frame.

    Raises:
      InputError: there is no clip.
    """
    if not clips:
        raise InputError("config.held_out", "holds no clip to evaluate on")
    order = sorted(clips, key=lambda c: (c.split.value, action_of(c.name)))
    poses = [np.repeat(c.axis_angle[::frame_step], views, axis=0) for c in order]
    lengths = [len(part) for part in poses]
    return HeldOutPeople(
        splits=np.repeat([clip.split.value for clip in order], lengths),
        actions=np.repeat([action_of(clip.name) for clip in order], lengths),
        clips=np.repeat([clip.name for clip in order], lengths),
        axis_angle=np.concatenate(poses),
    )


def run(config: ml_collections.ConfigDict) -> list[ConditionReport]:
    """Evaluates weights on held-out clips, prints the report and returns it.

    With `config.output` the report is also written, as Markdown, and beside it with
    all numbers as JSON.

    Args:
      config: see `configs/evaluate_keypoints.py`.

    Raises:
      InputError: weights, body or clips cannot be used.
    """
    weights = pathlib.Path(config.checkpoint or KEYPOINT_WEIGHTS)
    spec, variables = load_weights(weights)
    require_keypoint_model(weights, spec)
    body, identity = read_identified_body(config.body)
    warn_of_other_body(weights, identity)
    model = prepare(build_model(spec), variables)
    people = people_of_clips(
        read_held_out_clips(config.held_out), config.frame_step, config.views
    )
    pose = mean_pose(load_pose_prior(config.pose_prior or None))
    counts = [n for n in SAMPLE_COUNTS if n <= config.num_samples]
    reports = []
    for name, condition in CONDITIONS.items():
        evaluate = make_evaluation(
            model, body, pose, condition, config.num_samples, counts
        )
        errors = measure_people(
            evaluate,
            people.axis_angle,
            config.batch_size,
            config.seed,
            lambda starts, name=name: tqdm(starts, desc=name, unit="batch"),
        )
        for split in Split:
            rows = people.splits == split.value
            if rows.any():
                of_split = jax.tree.map(lambda a, rows=rows: a[rows], errors)
                reports.append(
                    split_report(
                        split.value, name, people.actions[rows], of_split, counts
                    )
                )
    reports.sort(key=lambda r: [s.value for s in Split].index(r.split))
    heading = (
        "# Errors on held-out motion capture\n\n"
        "`python -m prohmr_jax.main --config configs/evaluate_keypoints.py "
        "--config.held_out=heldout.npz`\n\n"
        f"Weights `{weights.name}`, body `{config.body}`, {config.num_samples} samples "
        f"beside the mode, every {config.frame_step}th frame, {config.views} cameras "
        f"and shapes each, seed {config.seed}. Errors are in millimetres and means "
        "over actions; the table of distributions pools all people of a split, joints "
        "`skeleton.LIMBS_25` relative to the pelvis."
    )
    text = markdown_report(heading, reports)
    if config.output:
        path = pathlib.Path(config.output)
        numbers = {
            "version": __version__,
            "jax": jax.__version__,
            "weights": weights.name,
            "body": config.body,
            "num_samples": config.num_samples,
            "frame_step": config.frame_step,
            "views": config.views,
            "seed": config.seed,
            "reports": [dataclasses.asdict(report) for report in reports],
        }
        content = json.dumps(numbers, indent=1) + "\n"
        write_atomically(path, lambda s: s.write(text.encode()))
        write_atomically(path.with_suffix(".json"), lambda s: s.write(content.encode()))
        _LOG.info("wrote %s and %s", path, path.with_suffix(".json"))
    print(text)
    return reports
