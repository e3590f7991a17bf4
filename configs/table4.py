"""Makes Table 4 of the paper: poses that several uncalibrated views refine.

python -m prohmr_jax.main --config configs/table4.py

See `docs/paper_tables.md` for how the data are made. Rows whose data are missing are
skipped and named in the report.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the table."""
    config = ConfigDict()
    config.mode = "evaluate_table_views"
    # Number of the table in the paper.
    config.table = 4
    # Seed of cameras and confidence intervals.
    config.seed = 0
    # Weights of a model of photos or of keypoints; empty for the model of keypoints in
    # the package.
    config.models = {"prohmr": {"checkpoint": ""}}
    config.body = "open"
    # Prior whose mean pose is evaluated beside the model; empty for the one that ships.
    config.pose_prior = ""
    # Datasets by the name of their row, see `configs/table1.py`. Their records have to
    # say which views show the same person.
    config.rows = {
        "h36m_multiview": {
            "directory": "datasets/h36m_multiview",
            "split": "val",
            "joints": "h36m_14",
            "average": "people",
        },
        "mannequin": {
            "directory": "datasets/mannequin",
            "split": "test",
            "joints": "h36m_14",
            "average": "people",
        },
        "synthetic_humans": {
            "directory": "data/datasets/synthetic_humans",
            "split": "test",
            "joints": "h36m_14",
            "average": "actions",
        },
    }
    # Held-out clips, whose people random cameras see: for models of keypoints. People
    # of each split, cameras, and conditions of keypoints.
    config.held_out = "heldout.npz"
    config.people_per_split = 100
    config.views = 4
    config.conditions = ("exact", "noisy")
    # Number of people of each dataset, evenly spread over it; 0 for all.
    config.num_people = 0
    config.batch_size = 16
    # Folder of `table.md` and `table.json`.
    config.output = "outputs/table4"
    return config
