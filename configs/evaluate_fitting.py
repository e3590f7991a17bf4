"""Compares fits on motion capture that no network saw with fits under other priors.

python tools/make_pose_bank.py --help          writes the held-out clips
python -m prohmr_jax.main --config configs/evaluate_fitting.py \
    --config.held_out=heldout.npz

A table is written as soon as it is measured. All of them take about three hours on one
CPU core; `--config.splits` chooses among the splits.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/fitting.md`."""
    config = ConfigDict()
    config.mode = "evaluate_fitting"
    config.seed = 0
    # Weights of ProHMR, of the deterministic regression, of the mixture of Gaussians
    # and of the unconditional flow; empty for those in the package.
    config.checkpoint = ""
    config.regression = ""
    config.pose_prior = ""
    config.pose_flow = ""
    config.body = "open"
    config.held_out = "heldout.npz"
    # Names of the splits whose clips count; empty for all.
    config.splits = ()
    config.people_per_split = 100
    # Cameras that look at each person: where views are fitted alone, and together.
    config.views_alone = 1
    config.views = 4
    # Conditions of the keypoints, see `evaluation.keypoint_errors.CONDITIONS`.
    config.conditions = ("exact", "noisy", "half hidden")
    # Weights of the data term of fits to one view, relative to the published ones: the
    # default for models that have seen the keypoints, and the published weight.
    config.data_weights = (0.01, 1.0)
    config.max_steps = 1000
    config.batch_size = 13
    # Markdown file to write; empty for none.
    config.output = ""
    return config
