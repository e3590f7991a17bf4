"""Measures how many good and how many wrong people are called implausible.

python tools/make_pose_bank.py --help          writes the held-out clips
python -m prohmr_jax.main --config configs/evaluate_plausibility.py \
    --config.held_out=heldout.npz
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import demo, fit, multiview


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/plausibility.md`."""
    config = ConfigDict()
    config.mode = "evaluate_plausibility"
    config.seed = 0
    # Empty for the keypoint model in the package.
    config.checkpoint = ""
    config.body = "open"
    config.held_out = "heldout.npz"
    # How keypoints are detected, see `evaluation.keypoint_errors.CONDITIONS`.
    config.condition = "noisy"
    config.people_per_split = 50
    # Number of people, among those above, in whom each failure is planted.
    config.people_per_fault = 40
    config.views = 3
    config.batch_size = 20
    # Limits that are tried: those of the modes.
    config.plausible = ConfigDict(
        {
            "demo": demo.get_config().plausible,
            "fit": fit.get_config().plausible,
            "multiview": multiview.get_config().plausible,
        }
    )
    # Markdown file to write; empty for none.
    config.output = ""
    return config
