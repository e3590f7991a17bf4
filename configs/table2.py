"""Makes Table 2 of the paper: errors of few hypotheses, and of the best of many.

python -m prohmr_jax.main --config configs/table2.py

See `docs/paper_tables.md` for how the data are made. Rows whose data are missing are
skipped and named in the report.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the table."""
    config = ConfigDict()
    config.mode = "evaluate_table"
    # Number of the table in the paper.
    config.table = 2
    # Seed of the hypotheses, of k-means and of the confidence intervals.
    config.seed = 0
    # Weights of a model of photos, such as a converted official checkpoint, or of a
    # model of keypoints; empty for the keypoint model in the package.
    config.models = {"prohmr": {"checkpoint": ""}}
    config.body = "open"
    # Prior whose mean pose is evaluated beside the model; empty for the one that ships.
    config.pose_prior = ""
    # Datasets by the name of their row: folder and split of the dataset, the joints
    # that count ("h36m_14", "h36m_17" or "mpi_inf_17"), and what errors are averaged
    # over ("people" or "actions"). A row whose folder is missing is skipped.
    config.rows = {
        "pw3d": {
            "directory": "datasets/3dpw_test",
            "split": "test",
            "joints": "h36m_14",
            "average": "people",
        },
        "h36m_p2": {
            "directory": "datasets/h36m_p2",
            "split": "val",
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
    # File of the open benchmark, which models of keypoints are measured on, and the
    # conditions of keypoints that count.
    config.benchmark = "open_benchmark.npz"
    config.conditions = ("exact", "detected")
    # Number of people of each dataset, and of each part of the benchmark, evenly spread
    # over it; 0 for all.
    config.num_people = 0
    config.batch_size = 8
    # Number of hypotheses per person, the mode included; the official code has 4,096.
    config.num_hypotheses = 4096
    # Numbers n to which k-means reduces the hypotheses.
    config.quantised = (5, 10, 25)
    # Folder of `table.md` and `table.json`.
    config.output = "outputs/table2"
    return config
