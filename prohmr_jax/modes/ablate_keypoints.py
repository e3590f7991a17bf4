"""Runs "ablate_keypoints": trains several recipes with several seeds and measures them.

The modes `train_keypoints` and `evaluate_keypoints` do the work; the table of all
recipes is in `evaluation.ablation_report`.
"""

import logging
import pathlib

import ml_collections

from prohmr_jax import __version__
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.ablation_report import (
    RecipeReports,
    ablation_table,
    read_reports,
)
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.modes import evaluate_keypoints, train_keypoints
from prohmr_jax.modes.config_checks import require_least
from prohmr_jax.poses.bank import read_held_out_clips
from prohmr_jax.weights.weight_files import STATES

_LOG = logging.getLogger(__name__)


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Trains and measures every recipe with every seed, and writes `index.md`.

    A run whose report exists is not repeated, and one that was stopped goes on, so that
    the same command finishes what an earlier one began. The table holds what has been
    measured so far.

    Args:
      config: see `configs/ablation_keypoints.py`.
      workdir: directory of all runs and of the table; a run lies in
        `<workdir>/<recipe>/<seed>`.

    Returns:
      The path of the table.

    Raises:
      InputError: there is no recipe or no seed, something that a recipe names cannot be
        used, or a training was stopped by a signal.
    """
    require_least(config, {"training.num_steps": 1, "seeds": 0})
    if not config.recipes or not config.seeds:
        raise InputError("config.recipes", "is empty, or config.seeds is")
    # What hours of training would otherwise find missing.
    read_held_out_clips(config.evaluation.held_out)
    measured: dict[str, RecipeReports] = {}
    # Seed by seed, so that every recipe is measured once before any is repeated.
    for seed in config.seeds:
        for name in config.recipes:
            reports = _train_and_measure(config, name, seed, workdir / name / str(seed))
            measured.setdefault(name, []).append(reports)
            page = workdir / "index.md"
            text = _page(config, measured)
            write_atomically(page, lambda s, t=text: s.write(t.encode()))
            _LOG.info("wrote %s after %s with seed %d", page, name, seed)
    return page


def _train_and_measure(
    config: ml_collections.ConfigDict, name: str, seed: int, directory: pathlib.Path
):
    report = directory / "report.json"
    if not report.exists():
        training = config.training.copy_and_resolve_references()
        training.update(config.recipes[name].to_dict())
        training.seed = seed
        weights = train_keypoints.run(training, directory)
        if not (directory / STATES / str(training.num_steps)).is_dir():
            what = "holds a training that was stopped; the same command goes on with it"
            raise InputError(directory, what)
        evaluation = config.evaluation.copy_and_resolve_references()
        evaluation.checkpoint = str(weights)
        evaluation.output = str(report.with_suffix(".md"))
        evaluate_keypoints.run(evaluation)
    return read_reports(report)


def _page(config: ml_collections.ConfigDict, measured: dict[str, RecipeReports]) -> str:
    training, evaluation = config.training, config.evaluation
    heading = (
        "# The training recipe, taken apart\n\n"
        "`python -m prohmr_jax.main --config configs/ablation_keypoints.py "
        "--workdir runs/ablation --config.training.pose_bank=poses.npz "
        "--config.evaluation.held_out=heldout.npz "
        f"--config.training.batch_size={training.batch_size}`\n\n"
        f"Each recipe was trained for {training.num_steps} steps of "
        f"{training.batch_size} people, and measured with {evaluation.num_samples} "
        f"samples beside the mode, every {evaluation.frame_step}th frame and "
        f"{evaluation.views} cameras and shapes each; version {__version__}. Numbers "
        "are means over seeds, with the standard deviation over seeds behind ±."
    )
    return f"{heading}\n\n{ablation_table(measured)}\n"
