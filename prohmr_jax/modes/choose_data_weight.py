"""Runs "choose_data_weight": finds how much fits should trust keypoints.

See `evaluation.data_weight` for what is measured. The default of `configs/fit.py` was
chosen by it.
"""

import logging

import jax.numpy as jnp
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.bootstrap import bootstrap_mean
from prohmr_jax.evaluation.data_weight import make_gain
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.files import markdown
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.config_checks import require_keypoint_model, require_words
from prohmr_jax.modes.evaluate_keypoints import people_of_clips
from prohmr_jax.poses.bank import read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)


def run(config: ml_collections.ConfigDict) -> float:
    """Prints the likelihood of the truth for every weight, and returns the best weight.

    Args:
      config: see `configs/choose_data_weight.py`.

    Raises:
      InputError: weights, body or clips cannot be used, or a key has no valid value.
    """
    require_words(config, {"conditions": tuple(CONDITIONS)})
    require_words(config, {"splits": tuple(split.value for split in Split)})
    weights_path = config.checkpoint or KEYPOINT_WEIGHTS
    spec, variables = load_weights(weights_path)
    require_keypoint_model(weights_path, spec)
    model, body = prepare(build_model(spec), variables), read_body(config.body)
    if model.flow is None:
        raise InputError("config.checkpoint", "has no distribution to weigh against")
    clips = read_held_out_clips(config.held_out, config.splits)
    people = people_of_clips(clips, config.frame_step, config.views)
    weights = np.asarray(config.data_weights, np.float32)

    gains = {}
    for name in config.conditions:
        gain = make_gain(
            model, body, CONDITIONS[name], jnp.asarray(weights), config.num_samples
        )
        progress = lambda starts, n=name: tqdm(starts, desc=n, unit="batch")  # noqa: E731
        gains[name] = measure_people(
            gain, people.axis_angle, config.batch_size, config.seed, progress
        )
    gains["all"] = np.mean(list(gains.values()), axis=0)

    intervals = {
        name: bootstrap_mean(values, seed=config.seed, groups=people.actions)
        for name, values in gains.items()
    }
    rows = [
        [f"{weight:g}"]
        + [
            f"{i.mean[n]:.2f} ({i.low[n]:.2f}-{i.high[n]:.2f})"
            for i in intervals.values()
        ]
        for n, weight in enumerate(weights)
    ]
    best = float(weights[np.argmax(intervals["all"].mean)])
    report = (
        f"Gain in the log-likelihood of the true pose (nats; 95 % interval) by the "
        f"data term, {len(people.actions)} people, {config.num_samples} samples each, "
        f"seed {config.seed}. The best weight is {best:g} times the published one.\n\n"
        f"{markdown.table(['data weight', *gains], rows)}\n"
    )
    if config.output:
        write_atomically(config.output, lambda s: s.write(report.encode()))
        _LOG.info("wrote %s", config.output)
    print(report)
    return best
