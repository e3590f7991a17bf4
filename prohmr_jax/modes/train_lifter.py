"""Trains a model that lifts 2D skeletons to 3D (Section 3.6) as a config says."""

import itertools
import pathlib

import jax
import ml_collections

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.lifter_spec import (
    FLOW,
    POINT,
    LifterSpec,
    build_lifter,
    init_lifter,
)
from prohmr_jax.modes.config_checks import require_least
from prohmr_jax.modes.lifting_config import (
    lifting_optimizer,
    loop_settings,
    pose_inputs,
)
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthetic.pair_settings import KeypointPairSettings
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.keypoint_model import PairMaker
from prohmr_jax.training.lifter_model import make_loss_function, whitened
from prohmr_jax.training.loop import AXIS, people_per_device, replicate, run_training
from prohmr_jax.training.train_state import create_train_state, make_train_step


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Trains a model that lifts skeletons until `num_steps`, or resumes it.

    Args:
      config: settings, as in `configs/lift_skeletons.py`.
      workdir: training directory. States, TensorBoard events and, at the end,
        `weights.npz` are written there.

    Returns:
      The path of the weights file.

    Raises:
      InputError: something that the config names cannot be used.
    """
    require_least(config, {"num_steps": 1, "batch_size": 2})
    spec = LifterSpec(**config.model)
    model = build_lifter(spec)
    weights = LossTerms(**config.loss_weights)
    if spec.head == POINT and weights.nll:
        raise InputError("config.loss_weights.nll", "has to be 0: one answer has none")
    maker = PairMaker(
        people_per_device=people_per_device(config.batch_size),
        prior_fraction=config.prior_fraction,
        settings=KeypointPairSettings(**config.synthesis),
    )
    optimizer = lifting_optimizer(config)
    inputs = pose_inputs(config)
    _, identity = read_identified_body(config.body)
    checkpoints = StateCheckpoints(workdir, spec, body=identity)
    variables = init_lifter(model, jax.random.key(config.seed))
    # The saved state of a run that is resumed will replace the variables.
    if spec.head == FLOW and checkpoints.latest_step is None:
        first_key = jax.random.key(config.seed + 1)
        variables = whitened(
            model, variables, maker, config.batch_size, first_key, inputs
        )
    loss_function = make_loss_function(build_lifter(spec, AXIS), maker, weights, AXIS)
    step_function = make_train_step(
        loss_function, optimizer, config.seed, config.average_decay, AXIS
    )
    return run_training(
        spec,
        create_train_state(variables, optimizer),
        step_function,
        # The pairs are made inside the step: its inputs stay the same.
        itertools.repeat(replicate(inputs)),
        loop_settings(config),
        checkpoints,
    )
