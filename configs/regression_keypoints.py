"""Trains the deterministic twin of `prohmr_keypoints`, from which baselines start.

python -m prohmr_jax.main --config configs/regression_keypoints.py \
    --workdir runs/twin --config.pose_bank=poses.npz

Data, encoder and losses of the mode are the same; likelihood and samples are left out.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr_keypoints


def get_config() -> ConfigDict:
    """Returns the configuration of the weights that ship beside ProHMR's."""
    config = prohmr_keypoints.get_config()
    config.model.deterministic = True
    config.loss_weights.nll = 0.0
    config.loss_weights.energy_3d = 0.0
    config.loss_weights.energy_2d = 0.0
    config.loss_weights.orthogonal = 0.1
    config.num_samples = 0
    return config
