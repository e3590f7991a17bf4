"""Times fits and fusions at the paper's size, beside a naive solver.

python -m prohmr_jax.main --config configs/benchmark_fitting.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in the README."""
    config = ConfigDict()
    config.mode = "benchmark_fitting"
    # A body file, or "open"; vertices are repeated until there are as many as in SMPL
    # (6,890).
    config.body = "open"
    config.seed = 0
    # Numbers of people that are fitted at once, a comparison for each.
    config.fits = (1, 32)
    # Number of views of one person that are fused.
    config.views = 4
    config.rounds = 3
    # Largest number of iterations of the naive solver.
    config.naive_iterations = 600
    # Numbers of people for which people per second are measured.
    config.batches = (1, 4, 16, 64, 256, 1024)
    # Markdown file to write; empty for none.
    config.output = ""
    # JSON file of this run's ratios to write; empty for none.
    config.ratios = ""
    # JSON file of the ratios of an earlier run: a run in which one of them is smaller
    # by more than a fifth fails.
    config.gate = ""
    return config
