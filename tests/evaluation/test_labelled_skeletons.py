"""Skeletons of a dataset: who is read, who is left out, and when nobody is."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.labelled_skeletons import read_labelled_skeletons
from tests.support.datasets_case import make_record, write_people

SPINE = skeleton.JOINTS_44.index("spine_h36m")


def without_spine(record, field):
    values = getattr(record, field).copy()
    values[SPINE, -1] = 0.0
    return dataclasses.replace(record, **{field: values})


def test_people_with_all_joints_are_read(tmp_path):
    records = [make_record(number, damaged=number == 1) for number in range(4)]
    records[2] = without_spine(records[2], "keypoints_2d")
    directory = write_people(tmp_path / "people", records)
    labelled = read_labelled_skeletons(Source(str(directory), "train", 1.0))
    # Photos are not decoded, so that a damaged one does not matter.
    assert labelled.num_left_out == 1
    kept = {}
    for row in range(3):
        kept[labelled.actions[row], row] = labelled.pairs.joints[row]
    expected = {}
    for number in (0, 1, 3):
        xyz = np.float32(records[number].keypoints_3d[:, :3])
        others = [n for n in skeleton.H36M_17.names if n != "pelvis_mpii"]
        joints = xyz[list(skeleton.JOINTS_44.indices(*others))]
        expected[number] = joints - xyz[skeleton.PELVIS_44]
    for joints in expected.values():
        assert any(np.allclose(joints, one, atol=1e-6) for one in kept.values())
    assert sorted(labelled.actions) == ["action0", "action0", "action1"]
    xy = labelled.pairs.keypoints.xy
    np.testing.assert_allclose(np.max(np.ptp(xy, axis=1), axis=1), 1 / 1.2, rtol=1e-4)


def test_a_dataset_without_anybody_to_measure_is_refused(tmp_path):
    records = [without_spine(make_record(0), "keypoints_3d")]
    directory = write_people(tmp_path / "people", records)
    with pytest.raises(InputError, match="nobody in split 'train' with all joints"):
        read_labelled_skeletons(Source(str(directory), "train", 1.0))
