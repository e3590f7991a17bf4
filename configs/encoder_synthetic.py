"""Trains the encoder that `prohmr_synthetic` starts from, on rendered people.

python -m prohmr_jax.main --config configs/encoder_synthetic.py --workdir runs/encoder

The run trains a ResNet-18 by linear readings of its context alone, which are joints and
rotations; flow and head are not trained. The people, their clothes and rooms are other
ones than those of `prohmr_synthetic`, and none has a pose of its test set. The encoder
that ships was trained by this run for 66 minutes on two CPU cores, from an earlier
encoder that was trained from random weights for an hour, mostly on crops of 48 pixels;
`tools/keep_encoder.py` wrote its file. `--config.encoder_weights=""` starts from random
weights.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr_synthetic

_DIRECTORY = "data/datasets/encoder_synthetic"


def get_config() -> ConfigDict:
    """Returns the configuration that trained the encoder that ships."""
    config = prohmr_synthetic.get_config()
    config.synthetic.update(
        {"directory": _DIRECTORY, "num_train": 32_000, "num_test": 0, "views": 1,
         "seed": 1}
    )  # fmt: skip
    config.sources.people.directory = _DIRECTORY
    config.validation.directory = _DIRECTORY
    config.loss_weights = ConfigDict(dict.fromkeys(config.loss_weights, 0.0))
    config.loss_weights.readout = 1.0
    # Four batches of 32 fit the caches of a CPU better than one of 128.
    config.batch_size = 32
    config.num_steps = 7_600
    config.optimizer.update(
        {
            "learning_rate": 1e-3,
            "muon_learning_rate": 3e-3,
            "encoder_rate_ratio": 1.0,
            "warmup_steps": 30,
            "accumulate_steps": 4,
        }
    )
    # An evaluation measures bodies, which are not predicted yet.
    config.evaluation.every = 0
    return config
