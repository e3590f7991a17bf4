"""Pose banks and held-out clips survive their files; faulty files are refused."""

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.poses.bank import (
    PoseBank,
    read_held_out_clips,
    read_pose_bank,
    write_held_out_clips,
    write_pose_bank,
)
from prohmr_jax.poses.mocap.splits import Split
from tests.support.poses_cases import random_poses, some_clips


def test_bank_and_held_out_clips_survive_their_files(tmp_path):
    source = np.arange(50, dtype=np.uint8) % 3
    bank = PoseBank(random_poses(50), source, ("stand", "sit", "jump"))
    path = tmp_path / "bank.npz"
    write_pose_bank(path, bank)
    read = read_pose_bank(path)
    np.testing.assert_allclose(read.axis_angle, bank.axis_angle, atol=2e-3)
    np.testing.assert_array_equal(read.source, bank.source)
    assert read.source_names == bank.source_names

    splits = [Split.TRAIN, Split.SEEN_ACTION, Split.UNSEEN_ACTION, Split.TRAIN]
    clips = some_clips()
    write_held_out_clips(path, zip(clips, splits, strict=True))
    held_out = read_held_out_clips(path)
    assert [(c.name, c.split) for c in held_out] == [
        ("walk__1", Split.SEEN_ACTION), ("walk__2", Split.UNSEEN_ACTION),
    ]  # fmt: skip
    np.testing.assert_array_equal(held_out[1].axis_angle, clips[2].axis_angle)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"axis_angle": np.zeros((5, 23, 3))}, "shape"),
        ({"axis_angle": np.full((5, 24, 3), np.inf)}, "not finite"),
        ({"source": np.zeros(4, np.uint8)}, "shape"),
        ({"source": np.full(5, 9, np.uint8)}, "without a name"),
        ({"axis_angle": np.zeros((0, 24, 3)), "source": np.zeros(0, np.uint8)},
         "no pose"),
    ],
)  # fmt: skip
def test_faulty_banks_are_refused(tmp_path, change, says):
    arrays = {
        "axis_angle": np.zeros((5, 24, 3), np.float16),
        "source": np.zeros(5, np.uint8),
        "source_names": np.array(["one"]),
    }
    path = tmp_path / "bank.npz"
    np.savez(path, **(arrays | change))
    with pytest.raises(InputError, match=says):
        read_pose_bank(path)


def test_faulty_held_out_files_are_refused(tmp_path):
    arrays = {
        "names": np.array(["a"]), "group": np.array(["seen-action test"]),
        "num_frames": np.array([5]), "axis_angle": np.zeros((5, 24, 3)),
    }  # fmt: skip
    path = tmp_path / "clips.npz"
    for change, says in (
        ({"num_frames": np.array([4])}, "add up"),
        ({"group": np.array(["other"])}, "unknown split 'other'"),
        ({"names": np.array(["a", "b"])}, "shape"),
    ):
        np.savez(path, **(arrays | change))
        with pytest.raises(InputError, match=says):
            read_held_out_clips(path)


def test_bank_type_counts_its_poses():
    empty = PoseBank(np.zeros((3, 24, 3)), np.zeros(3, np.uint8), ("one",))
    assert len(empty) == 3


def test_a_file_without_clips_is_one_line(tmp_path):
    write_held_out_clips(tmp_path / "none.npz", [])
    with pytest.raises(InputError, match="holds no clip"):
        read_held_out_clips(tmp_path / "none.npz")
