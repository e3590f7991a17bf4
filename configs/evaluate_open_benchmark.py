"""Measures weights on the open benchmark, which anyone can build.

python tools/make_open_benchmark.py --output open_benchmark.npz
python -m prohmr_jax.main --config configs/evaluate_open_benchmark.py

A run that was stopped goes on with the conditions that are missing.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/open_benchmark.md`."""
    config = ConfigDict()
    config.mode = "evaluate_open_benchmark"
    config.benchmark = "open_benchmark.npz"
    # Empty for the keypoint model in the package.
    config.checkpoint = ""
    config.body = "open"
    config.pose_prior = ""
    config.num_samples = 200
    # Seed of the samples and of the confidence intervals.
    config.seed = 0
    config.batch_size = 64
    # Folder of `report.md`, `report.json` and a file for each condition.
    config.output = "outputs/open_benchmark"
    return config
