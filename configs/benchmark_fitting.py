"""Times fits and fusions at the paper's size, beside a naive solver.

python -m prohmr_jax.main --config configs/benchmark_fitting.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in the README."""
    config = ConfigDict()
    config.mode = "benchmark_fitting"
    # Whose vertices are repeated until there are as many as SMPL's (6,890).
    config.body = "open"
    config.seed = 0
    # People fitted at once, in two comparisons.
    config.fits = (1, 32)
    # Views fused, of one person.
    config.views = 4
    config.rounds = 3
    # Iterations after which the naive solver is stopped at the latest.
    config.naive_iterations = 600
    config.batches = (1, 4, 16, 64, 256, 1024)
    config.output = ""
    return config
