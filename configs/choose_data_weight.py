"""Chooses the weight of keypoints in fits, on clips that no other number is taken from.

python -m prohmr_jax.main --config configs/choose_data_weight.py \
    --config.held_out=climbing.npz
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the table in docs/fit.md."""
    config = ConfigDict()
    config.mode = "choose_data_weight"
    config.seed = 0
    config.checkpoint = ""
    config.body = "open"
    config.held_out = "climbing.npz"
    # Splits of the file whose clips count; empty for all.
    config.splits = ()
    config.conditions = ("exact", "noisy", "half hidden")
    # Weights of the data term that are compared, relative to the published one.
    config.data_weights = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    config.num_samples = 500
    config.frame_step = 20
    config.views = 2
    config.batch_size = 32
    # Markdown file to write; empty for none.
    config.output = ""
    return config
