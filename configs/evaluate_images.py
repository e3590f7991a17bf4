"""Measures errors of an image model on a dataset, with the mean pose beside it.

python -m prohmr_jax.main --config configs/evaluate_images.py \
    --config.checkpoint=runs/synthetic --config.dataset=data/datasets/synthetic_humans
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of an evaluation."""
    config = ConfigDict()
    config.mode = "evaluate_images"
    config.seed = 0
    # Weights file, weights directory or training directory.
    config.checkpoint = "runs/synthetic"
    # Body that the weights were trained with.
    config.body = "open"
    config.dataset = "data/datasets/synthetic_humans"
    config.split = "test"
    # Number of people, evenly spread over the split; 0 for all.
    config.num_people = 0
    config.batch_size = 32
    # Number of samples of which the best is taken, without the mode.
    config.num_samples = 100
    # Prior whose mean pose is evaluated beside the model; empty for the one that ships.
    config.pose_prior = ""
    config.num_pictures = 8
    config.output = "outputs/evaluate_images"
    return config
