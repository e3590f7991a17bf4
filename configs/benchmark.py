"""Times sampling and skinning at the paper's size, beside naive implementations.

python -m prohmr_jax.main --config configs/benchmark.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in the README."""
    config = ConfigDict()
    config.mode = "benchmark"
    # A body file; empty for random arrays of SMPL's sizes (6,890 vertices).
    config.body = ""
    # Pairs of a number of images and a number of samples of each.
    config.sampling = ((1, 1024), (16, 1024))
    # Number of bodies that are skinned.
    config.bodies = 1024
    config.rounds = 7
    # Markdown file to write; empty for none.
    config.output = ""
    # JSON file of this run's ratios to write; empty for none.
    config.ratios = ""
    # JSON file of the ratios of an earlier run: a run in which one of them is smaller
    # by more than a fifth fails. `prohmr_jax/benchmarks/benchmark_ratios.json` ships.
    config.gate = ""
    return config
