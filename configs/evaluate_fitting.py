"""Compares fits on motion capture that no network saw with those of other priors.

python tools/make_pose_bank.py --help          writes the held-out clips
python -m prohmr_jax.main --config configs/evaluate_fitting.py \
    --config.held_out=heldout.npz

About twenty minutes on one CPU core.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/fitting.md`."""
    config = ConfigDict()
    config.mode = "evaluate_fitting"
    config.seed = 0
    config.checkpoint = ""
    config.regression = ""
    config.body = "open"
    config.pose_prior = ""
    config.pose_flow = ""
    config.held_out = "heldout.npz"
    config.people_per_split = 12
    config.views = 4
    config.conditions = ("exact", "noisy", "half hidden")
    # Of the data term, against the published weights.
    config.data_weights = (0.1, 1.0, 10.0)
    config.max_steps = 1000
    config.batch_size = 13
    config.output = ""
    return config
