"""Makes Table 3 of the paper: fits of bodies to 2D keypoints, by several methods.

python -m prohmr_jax.main --config configs/table3.py

See `docs/paper_tables.md` for how the data are made. Rows whose data are missing are
skipped and named in the report.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the table."""
    config = ConfigDict()
    config.mode = "evaluate_table_fits"
    # Number of the table in the paper.
    config.table = 3
    # Seed of the confidence intervals.
    config.seed = 0
    # Weights of ProHMR and of a deterministic model that sees the same, both of photos
    # or both of keypoints; empty for the models of keypoints in the package. A model
    # of photos has no deterministic twin in the package, and fits start at it alone.
    config.models = {"prohmr": {"checkpoint": ""}, "regression": {"checkpoint": ""}}
    config.body = "open"
    # Mixture of Gaussians and unconditional flow, the priors of SMPLify; empty for
    # those in the package.
    config.pose_prior = ""
    config.pose_flow = ""
    # Datasets by the name of their row, see `configs/table1.py`. Hips that a detector
    # found ("detected") do not count in fits, as in the official code.
    config.rows = {
        "pw3d": {
            "directory": "datasets/3dpw_test",
            "split": "test",
            "joints": "h36m_14",
            "average": "people",
            "keypoints": "detected",
        },
        "h36m_p2_detected": {
            "directory": "datasets/h36m_p2_openpose",
            "split": "val",
            "joints": "h36m_14",
            "average": "people",
            "keypoints": "detected",
        },
        "h36m_p2_true": {
            "directory": "datasets/h36m_p2",
            "split": "val",
            "joints": "h36m_14",
            "average": "people",
            "keypoints": "true",
        },
        "synthetic_humans": {
            "directory": "data/datasets/synthetic_humans",
            "split": "test",
            "joints": "h36m_14",
            "average": "actions",
            "keypoints": "true",
        },
    }
    # File of the open benchmark, and the conditions of keypoints that count.
    config.benchmark = "open_benchmark.npz"
    config.conditions = ("exact", "detected")
    # Weights of the data term, relative to the published one, by what the model sees.
    # Where ProHMR has seen the keypoints, they add little (`docs/fitting.md`).
    config.data_weights = {"photos": (1.0,), "keypoints": (1.0, 0.01)}
    config.max_steps = 1000
    # Number of people of each dataset, and of each part of the benchmark, evenly spread
    # over it; 0 for all.
    config.num_people = 0
    config.batch_size = 16
    # Folder of `table.md` and `table.json`.
    config.output = "outputs/table3"
    return config
