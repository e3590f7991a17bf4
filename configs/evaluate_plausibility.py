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
    config.people_per_split = 34
    # Numbers of people, among those above, who are seen in several views as well, and
    # in whom each failure is planted.
    config.people_in_views = 42
    config.people_per_fault = 21
    config.views = 3
    config.batch_size = 21
    # Limits that are tried: those of the modes, and of both methods of multiview.
    config.plausible = ConfigDict(
        {
            "demo": demo.get_config().plausible,
            "fit": fit.get_config().plausible,
            **multiview.get_config().plausible.to_dict(),
        }
    )
    # Markdown file to write; empty for none.
    config.output = ""
    return config
