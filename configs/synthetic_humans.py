"""Renders a dataset of people to train and test on; nothing is downloaded.

python -m prohmr_jax.main --config configs/synthetic_humans.py --config.output=DIRECTORY
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of a dataset that trains a small model."""
    config = ConfigDict()
    config.mode = "render_people"
    # Directory of the dataset; one of the same settings is kept.
    config.output = "data/synthetic"
    # Pictures.
    config.num_train = 8_000
    config.num_test = 600
    # Pictures of a person.
    config.views = 4
    config.seed = 0
    # Side of the pictures, pixels.
    config.image_size = 192
    config.body = "open"
    # Files; empty: the mixture that ships, and no bank.
    config.pose_prior = ""
    config.pose_bank = ""
    # Processes that render.
    config.workers = 1
    # PNG of examples and their labels; empty: none.
    config.sheet = ""
    config.sheet_people = 32
    return config
