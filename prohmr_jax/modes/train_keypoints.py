"""Trains a keypoint-conditioned model as a config says."""

import itertools
import pathlib

import jax
import ml_collections

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.lifting_config import (
    lifting_optimizer,
    loop_settings,
    pose_inputs,
)
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthetic.keypoint_pairs import KeypointPairSettings
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.keypoint_model import (
    LiftingInputs,
    PairMaker,
    make_loss_function,
    whitened,
)
from prohmr_jax.training.loop import (
    AXIS,
    people_per_device,
    replicate,
    run_training,
)
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.train_state import create_train_state, make_train_step
from prohmr_jax.weights.starting_weights import load_starting_model


def lifting_inputs(config: ml_collections.ConfigDict) -> LiftingInputs:
    """Returns the body, the poses and the detector that a config asks for.

    Args:
      config: settings, as in `configs/prohmr_keypoints.py`.

    Raises:
      InputError: a file is missing or cannot be used.
    """
    detector = load_detector_errors() if config.synthesis.movenet_rate > 0 else None
    return pose_inputs(config).replace(detector=detector)


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Trains a keypoint-conditioned model until `num_steps`, or resumes it.

    Args:
      config: settings, as in `configs/prohmr_keypoints.py` and
        `configs/regression_keypoints.py`.
      workdir: training directory. States, TensorBoard events and, at the end,
        `weights.npz` are written there.

    Returns:
      The path of the weights file.

    Raises:
      InputError: something that the config names cannot be used, or the weights to
        start from belong to a model of other sizes.
    """
    num_people = people_per_device(config.batch_size)
    spec = ModelSpec(**config.model)
    model = build_model(spec, AXIS)
    maker = PairMaker(
        people_per_device=num_people,
        prior_fraction=config.prior_fraction,
        settings=KeypointPairSettings(**config.synthesis),
        unseen_weight=config.unseen_weight,
    )
    weights = LossTerms(**config.loss_weights)
    if config.num_samples < 2 and (weights.energy_3d or weights.energy_2d):
        raise InputError("config.num_samples", "the energy scores take two or more")
    objective = Objective(
        weights=weights,
        num_hypotheses=1 + config.num_samples,
        label_noise=config.label_noise,
    )
    optimizer = lifting_optimizer(config)
    inputs = lifting_inputs(config)
    _, identity = read_identified_body(config.body)
    checkpoints = StateCheckpoints(workdir, spec, body=identity)

    variables = init_variables(build_model(spec), jax.random.key(config.seed))
    # The saved state of a run that is resumed will replace the variables.
    resumed = checkpoints.latest_step is not None
    if config.weights and not resumed:
        variables = load_starting_model(config.weights, variables, identity)
    elif not spec.deterministic and not resumed:
        first_key = jax.random.key(config.seed + 1)
        variables = whitened(
            build_model(spec), variables, maker, config.batch_size, first_key, inputs
        )
    step_function = make_train_step(
        make_loss_function(model, maker, objective, AXIS),
        optimizer,
        config.seed,
        config.average_decay,
        AXIS,
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
