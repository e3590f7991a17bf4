"""Reads what the configs of the trainings on poses have in common."""

import jax.numpy as jnp
import ml_collections
import optax

from prohmr_jax.files.body_files import read_body
from prohmr_jax.poses.bank import read_pose_bank
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.training.keypoint_model import LiftingInputs
from prohmr_jax.training.loop import LoopSettings
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer


def lifting_optimizer(
    config: ml_collections.ConfigDict,
) -> optax.GradientTransformation:
    """Returns AdamW with warm-up, cosine decay and clipping by the global norm.

    Args:
      config: settings, as in `configs/prohmr_keypoints.py`.
    """
    settings = OptimizerSettings(
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        schedule="cosine",
        warmup_steps=config.warmup_steps,
        final_learning_rate_ratio=config.final_learning_rate_ratio,
        max_gradient_norm=config.max_gradient_norm,
    )
    return make_optimizer(settings, config.num_steps)


def pose_inputs(config: ml_collections.ConfigDict) -> LiftingInputs:
    """Returns the body and the poses that a config asks for, without a detector.

    Args:
      config: settings, as in `configs/prohmr_keypoints.py`.

    Raises:
      InputError: a file is missing or cannot be used.
    """
    poses = None
    if config.pose_bank:
        bank = read_pose_bank(config.pose_bank)
        # Half precision, exact to 1e-3 rad, halves the memory of a large bank.
        poses = jnp.asarray(bank.axis_angle, jnp.float16)
    needs_prior = poses is None or config.prior_fraction > 0
    prior = load_pose_prior(config.pose_prior or None) if needs_prior else None
    return LiftingInputs(read_body(config.body), poses, prior)


def loop_settings(config: ml_collections.ConfigDict) -> LoopSettings:
    """Returns the length and the intervals of a training.

    Args:
      config: settings, as in `configs/prohmr_keypoints.py`.
    """
    return LoopSettings(
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        log_every=config.log_every,
        checkpoint_every=config.checkpoint_every,
    )
