"""Trains ProHMR on 2D keypoints with the paper's couplings and objective (Eqs. 5-9).

python -m prohmr_jax.main --config configs/prohmr_keypoints_paper.py \
    --workdir runs/paper

The couplings are additive, so that every person gets the same entropy, and the samples
are held to the seen keypoints by their expected distance. Data and sizes are those of
`configs/prohmr_keypoints.py`, for comparison.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr_keypoints


def get_config() -> ConfigDict:
    """Returns the configuration of the paper's form, at the size that ships."""
    config = prohmr_keypoints.get_config()
    config.model.flow_affine = False
    config.loss_weights.update(
        {
            "nll": 5e-3,
            "keypoints_2d_exp": 0.1,
            "energy_3d": 0.0,
            "energy_2d": 0.0,
        }
    )
    config.num_samples = 1
    return config
