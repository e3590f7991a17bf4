"""Makes Table 2 of the paper: errors of few hypotheses, and of the best of many.

python -m prohmr_jax.main --config configs/table2.py

See `docs/paper_tables.md` for how the data are made. Rows whose data are missing are
skipped and named in the report.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import table1


def get_config() -> ConfigDict:
    """Returns the configuration of the table; `table1` explains the other keys."""
    config = table1.get_config()
    config.table = 2
    # The paper has no such numbers for MPI-INF-3DHP.
    del config.rows.mpi_inf_3dhp
    config.batch_size = 8
    # Number of hypotheses per person, the mode included; the official code has 4,096.
    config.num_hypotheses = 4096
    # Numbers n to which k-means reduces the hypotheses.
    config.quantised = (5, 10, 25)
    config.output = "outputs/table2"
    return config
