"""Who of a dataset counts, and that a dataset in which nobody does is refused."""

import jax
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation import image_errors
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.image_report import scores_table
from prohmr_jax.skeleton import JOINTS_44, PELVIS_44
from tests.support.image_training import random_images

PEOPLE = 6


def errors_of_numbers(model, body, baseline, batch, keys, num_samples):
    """The x of each person's first 2D joint, as every error."""
    number = batch.keypoints_2d.xy[:, 0, 0]
    one = Errors(number, number[:, None], number, number[:, None], number, number)
    return image_errors.ImagePersonErrors(one, one, number, number)


def score(monkeypatch, without_joints, without_pose):
    """The scores of people who are numbered, in two batches, the last with padding."""
    monkeypatch.setattr(image_errors, "measure", errors_of_numbers)
    images = random_images(np.random.default_rng(0), 2 * PEOPLE)
    images.keypoints_2d.xy[:, 0, 0] = np.arange(2 * PEOPLE)
    images.keypoints_3d.confidence[:] = 1.0
    images.keypoints_3d.confidence[list(without_joints), PELVIS_44] = 0.0
    images.has_pose[:] = 1.0
    images.has_pose[list(without_pose)] = 0.0
    actions = [f"action {n % 2 + n // 5}" for n in range(PEOPLE + 2)]
    batches = [
        (jax.tree.map(lambda a: a[:PEOPLE], images), actions[:PEOPLE]),
        (jax.tree.map(lambda a: a[PEOPLE:], images), actions[PEOPLE:]),
    ]
    scores = image_errors.score(None, None, None, batches, 1, 0, "people")
    return scores, actions


def mean_over_actions(numbers, actions):
    groups = {}
    for number in numbers:
        groups.setdefault(actions[number], []).append(number)
    return np.mean([np.mean(group) for group in groups.values()])


def test_joints_and_poses_count_where_they_are_labelled(monkeypatch):
    scores, actions = score(monkeypatch, (1, 6), (0, 2, 3))
    with_joints, with_pose = [0, 2, 3, 4, 5, 7], [1, 4, 5, 6, 7]
    of_joints = mean_over_actions(with_joints, actions)
    of_pose = mean_over_actions(with_pose, actions)
    assert scores.means.h36m_14.mode_mpjpe == pytest.approx(of_joints)
    assert scores.means.smpl_24.mode_mpjpe == pytest.approx(of_pose)
    assert scores.means.mode_error_2d == pytest.approx(of_joints)
    assert (scores.num_people, scores.num_posed) == (6, 5)
    pelvis = JOINTS_44.names[PELVIS_44]
    assert scores.left_out == f"2 lack the 3D label of {pelvis}, 3 have no pose"
    table = "\n".join(scores_table(scores, 1))
    assert scores.left_out in table
    assert "SMPL-24 (5 people)" in table


def test_people_without_poses_still_have_joints(monkeypatch):
    scores, _ = score(monkeypatch, (), range(8))
    assert np.isfinite(scores.means.h36m_14.mode_mpjpe)
    table = "\n".join(scores_table(scores, 1))
    assert "SMPL-24" not in table
    assert "nan" not in table


def test_a_dataset_that_nobody_can_be_scored_on_is_refused(monkeypatch):
    cause = "people: none of 8 people can be scored: 8 lack the 3D label of pelvis_mpii"
    with pytest.raises(InputError, match=cause):
        score(monkeypatch, range(8), ())
    with pytest.raises(InputError, match="people: there is nobody"):
        image_errors.score(None, None, None, [], 1, 0, "people")
