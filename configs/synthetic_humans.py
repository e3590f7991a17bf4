"""A dataset of rendered people to train and test on; nothing is downloaded.

python -m prohmr_jax.main --config configs/synthetic_humans.py --config.output=data
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of a dataset that trains a small model."""
    config = ConfigDict()
    config.mode = "make_dataset"
    # Gets the folder synthetic_humans/1.0.0.
    config.output = "data"
    # Pictures.
    config.num_train = 8_000
    config.num_test = 600
    # Pictures of a person.
    config.views = 4
    config.seed = 0
    # Side of the pictures, pixels.
    config.image_size = 192
    config.body = "open"
    config.pose_prior = ""
    # Processes that render.
    config.workers = 1
    # Pictures on the contact sheet that is written beside the dataset; 0: none.
    config.sheet = 64
    return config
