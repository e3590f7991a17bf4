"""An encoder that knows people: what `prohmr_synthetic` starts from.

python -m prohmr_jax.main --config configs/encoder_synthetic.py --workdir runs/encoder

Trains a ResNet-18 on rendered people, by linear readings of its context alone (joints
and rotations; neither flow nor head). They are other people, in other clothes and rooms
than those of `prohmr_synthetic`, and none has a pose that its test holds out. About an
hour on two CPU cores; `tools/keep_encoder.py` makes of the result the file that ships.
"""

from ml_collections import ConfigDict

from configs import prohmr_synthetic

_DIRECTORY = "data/datasets/encoder_synthetic"


def get_config() -> ConfigDict:
    """Returns the configuration that trained the encoder that ships."""
    config = prohmr_synthetic.get_config()
    config.encoder_weights = ""
    config.synthetic.update(
        {"directory": _DIRECTORY, "num_train": 16_000, "views": 2, "seed": 1}
    )
    config.sources.people.directory = _DIRECTORY
    config.validation.directory = _DIRECTORY
    config.coarse.update({"input_size": 48, "num_steps": 900})
    # The one that ships had its cosine laid out for 200 steps more until step 956.
    config.loss_weights = ConfigDict(dict.fromkeys(config.loss_weights, 0.0))
    config.loss_weights.readout = 1.0
    config.batch_size = 128
    config.num_steps = 1_150
    config.optimizer.update(
        {"learning_rate": 1e-3, "muon_learning_rate": 4e-3, "warmup_steps": 30}
    )
    config.checkpoint_every = 50
    # Bodies are what an evaluation measures, and there are none yet.
    config.evaluation.every = 0
    return config
