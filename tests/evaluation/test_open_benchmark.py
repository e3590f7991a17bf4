"""The open benchmark: its people, what is deleted of them, and its file."""

import jax
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.open_benchmark import (
    VERSION,
    make_benchmark,
    read_benchmark,
    write_benchmark,
)
from prohmr_jax.files.npz import write_npz
from prohmr_jax.poses.bank import HeldOutClip
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.skeleton import BODY_25

PEOPLE = 40


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    pose = lambda count: 0.2 * rng.normal(size=(count, 24, 3)).astype(np.float32)  # noqa: E731
    return [
        HeldOutClip("walking__2", Split.SEEN_ACTION, pose(30)),
        HeldOutClip("running__1", Split.SEEN_ACTION, pose(30)),
        HeldOutClip("spin", Split.ACROBATICS, pose(PEOPLE)),
    ]


@pytest.fixture(scope="module")
def people(clips, tiny_body):
    return make_benchmark(clips, tiny_body, load_detector_errors(), PEOPLE)


def confidence(people, condition):
    return people.keypoints.confidence[people.conditions.index(condition)]


def test_parts_have_equal_numbers_of_people(people):
    assert people.parts.count("seen-action test") == PEOPLE
    assert people.parts.count("other motion: acrobatics") == PEOPLE
    assert set(people.actions) == {"walking", "running", "subject spin"}
    assert len(set(people.conditions)) == len(people.conditions) == 11
    assert np.all(np.isfinite(people.keypoints.xy))


@pytest.mark.parametrize(
    ("condition", "absent", "present"),
    [
        ("legs deleted", ("left_knee", "right_heel"), ("left_hip", "left_wrist")),
        ("arms deleted", ("left_elbow", "right_wrist"), ("nose", "right_shoulder")),
        ("arms and head deleted", ("right_wrist", "nose", "left_ear"), ("neck",)),
        ("left leg deleted", ("left_hip", "left_big_toe"), ("right_hip", "right_knee")),
        ("left forearm deleted", ("left_elbow",), ("left_shoulder", "right_elbow")),
        ("left upper arm deleted", ("left_shoulder",), ("left_wrist",)),
    ],
)
def test_what_is_deleted(people, condition, absent, present):
    seen = confidence(people, condition)
    assert np.all(seen[:, list(BODY_25.indices(*absent))] == 0)
    assert np.all(seen[:, list(BODY_25.indices(*present))] == 1)


def test_random_joints_and_the_detector(people):
    share = 1.0 - confidence(people, "random joints deleted").mean()
    assert share == pytest.approx(0.3, abs=0.03)
    row = people.conditions.index("detected")
    detected = people.keypoints.confidence[row]
    assert np.all(detected[:, list(BODY_25.indices("left_heel"))] == 0)
    seen = detected > 0
    assert 0.3 < np.mean(detected[seen]) < 0.9
    error = np.linalg.norm(people.keypoints.xy[row] - people.xy, axis=-1)
    side = np.max(np.ptp(people.xy, axis=1), axis=-1, keepdims=True)
    assert 0.005 < np.median((error / side)[seen]) < 0.15


def test_the_same_is_made_again(people, clips, tiny_body):
    again = make_benchmark(clips, tiny_body, load_detector_errors(), PEOPLE)
    assert again.content_hash() == people.content_hash()
    other = people.replace(actions=("walking",) * len(people.actions))
    assert other.content_hash() != people.content_hash()


def test_the_file_holds_everything(people, tmp_path):
    write_benchmark(tmp_path / "a.npz", people)
    read = read_benchmark(tmp_path / "a.npz")
    assert read.content_hash() == people.content_hash()
    assert read.conditions == people.conditions
    jax.tree.map(np.testing.assert_array_equal, read, people)


def test_too_few_frames_and_other_files_are_named(clips, tiny_body, people, tmp_path):
    with pytest.raises(InputError, match="has 40 frames, fewer than 41 people"):
        make_benchmark(clips, tiny_body, load_detector_errors(), PEOPLE + 1)
    path = tmp_path / "b.npz"
    write_benchmark(path, people)
    with np.load(path) as arrays:
        write_npz(path, {**arrays, "version": np.array([VERSION + 1])})
    with pytest.raises(InputError, match="is version 2 of the benchmark"):
        read_benchmark(path)
    path.write_bytes(b"other")
    with pytest.raises(InputError, match=r"is no .npz archive"):
        read_benchmark(path)
