"""Measures the keypoint-conditioned model on motion capture that it never saw.

python tools/make_pose_bank.py --help          writes the held-out clips
python -m prohmr_jax.main --config configs/evaluate_keypoints.py \
    --config.held_out=heldout.npz
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in the README."""
    config = ConfigDict()
    config.mode = "evaluate_keypoints"
    config.seed = 0
    config.checkpoint = ""
    config.body = "open"
    config.pose_prior = ""
    config.held_out = "heldout.npz"
    config.num_samples = 200
    config.frame_step = 20
    config.views = 4
    config.batch_size = 64
    config.output = ""
    return config
