"""Times sampling and skinning at the paper's size, beside naive implementations.

python -m prohmr_jax.main --config configs/benchmark.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in the README."""
    config = ConfigDict()
    config.mode = "benchmark"
    # Empty: random arrays of SMPL's sizes (6,890 vertices); or any body file.
    config.body = ""
    config.sampling = ((1, 1024), (16, 1024))
    config.bodies = 1024
    config.rounds = 7
    config.output = ""
    return config
