"""What a dataset serves is counted while it is written."""

import dataclasses

import numpy as np

from prohmr_jax.data.datasets.label_counts import LabelCounts
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from tests.support.datasets_case import make_record


def test_labels_of_each_kind_are_counted():
    records = [make_record(n) for n in range(4)]
    records[0].keypoints_3d[JOINTS_44.index("head_top_lsp"), 3] = 0.0
    records[1].keypoints_3d[JOINTS_44.index("pelvis_mpii"), 3] = 0.0
    records[2].keypoints_2d[list(BODY_25.positions_in(JOINTS_44)), 2] = 0.0
    records[3] = dataclasses.replace(records[3], person="one")
    counts = LabelCounts()
    for record in records:
        counts.add(record)
    assert counts.joints == {"h36m_14": 3, "h36m_17": 3, "mpi_inf_17": 2}
    assert (counts.people, counts.poses, counts.keypoints, counts.views) == (4, 2, 3, 1)
    assert "no evaluation" not in counts.describe()


def test_a_dataset_without_joints_says_that_nobody_can_be_scored():
    counts = LabelCounts()
    counts.add(dataclasses.replace(make_record(0), keypoints_3d=np.zeros((44, 4))))
    assert "no evaluation can score anybody" in counts.describe()
