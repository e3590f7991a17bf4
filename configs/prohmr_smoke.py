"""Runs every part of `prohmr_synthetic` once, in a minute; the model learns nothing.

python -m prohmr_jax.main --config configs/prohmr_smoke.py --workdir runs/smoke
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr_synthetic


def get_config() -> ConfigDict:
    """Returns the configuration of the smoke test."""
    config = prohmr_synthetic.get_config()
    directory = "data/datasets/synthetic_humans_smoke"
    config.synthetic.update(
        {"directory": directory, "num_train": 16, "num_test": 8, "image_size": 64,
         "workers": 1}
    )  # fmt: skip
    config.sources.people.directory = directory
    config.validation.directory = directory
    config.model.update(
        {"input_size": 32, "flow_layers": 2, "flow_blocks": 1, "flow_hidden": 32,
         "head_hidden": 32}
    )  # fmt: skip
    config.coarse.num_steps = 0
    config.readout_alone_steps = 1
    config.batch_size = 4
    config.num_steps = 4
    config.optimizer.warmup_steps = 1
    config.log_every = 1
    config.checkpoint_every = 2
    config.evaluation.update(
        {"every": 2, "num_people": 8, "batch_size": 4, "num_samples": 3,
         "num_pictures": 1}
    )  # fmt: skip
    return config
