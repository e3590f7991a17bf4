"""Makes Table 5 of the paper: a model that was trained without losses of its mode.

python -m prohmr_jax.main --config configs/table5.py

See `docs/paper_tables.md` for how the data are made. Rows whose data are missing are
skipped and named in the report.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import table1


def get_config() -> ConfigDict:
    """Returns the configuration of the table; `table1` explains the other keys."""
    config = table1.get_config()
    config.table = 5
    # Weights of models of photos or of keypoints: trained as usual (empty for the model
    # of keypoints in the package), and trained without losses of the mode.
    config.models = ConfigDict(
        {"prohmr": {"checkpoint": ""}, "without_mode": {"checkpoint": ""}}
    )
    config.output = "outputs/table5"
    return config
