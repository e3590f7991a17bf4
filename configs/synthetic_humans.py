"""Renders a dataset of people to train and test on; nothing is downloaded.

python -m prohmr_jax.main --config configs/synthetic_humans.py --config.output=DIRECTORY
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of a dataset that trains a small model."""
    config = ConfigDict()
    config.mode = "render_people"
    # Directory of the dataset, which is kept if it was made with the same settings.
    config.output = "data/synthetic"
    # Number of pictures of each split.
    config.num_train = 8_000
    config.num_test = 600
    # Number of pictures of each person.
    config.views = 4
    config.seed = 0
    # Side of the pictures, pixels.
    config.image_size = 192
    config.body = "open"
    # Files of a prior and of a bank of poses; empty for the prior that ships and for no
    # bank.
    config.pose_prior = ""
    config.pose_bank = ""
    # Number of processes that render.
    config.workers = 1
    # Picture (PNG) of examples and their labels; empty for none.
    config.sheet = ""
    config.sheet_people = 32
    return config
