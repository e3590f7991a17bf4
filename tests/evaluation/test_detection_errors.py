"""Similarity, assignment and counts of detections, on people made up for it."""

import numpy as np
import pytest

from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.evaluation.detection_errors import detection_errors, join_errors
from prohmr_jax.files.person_labels import PictureLabels
from prohmr_jax.geometry.keypoint_similarity import COCO_SIGMAS
from prohmr_jax.structs import Keypoints2D


def labels_of(xy, labelled=None, ignored=()):
    count = len(xy)
    return PictureLabels(
        file_name="a.jpg",
        image_id=1,
        xy=np.asarray(xy, float),
        labelled=np.ones((count, 17), bool) if labelled is None else labelled,
        area=np.full(count, 100.0**2),
        ignored_boxes=np.asarray(ignored, float).reshape(-1, 4),
    )


def people_of(xy, score=None):
    xy = np.asarray(xy, float).reshape(-1, 17, 2)
    boxes = np.concatenate([xy.min(1), xy.max(1)], axis=-1)
    score = np.ones(len(xy)) if score is None else np.asarray(score)
    return DetectedPerson(Keypoints2D(xy, np.ones(xy.shape[:2])), boxes, score)


def coco_similarity(truth, guess, labelled, area):
    """COCO's formula as a loop over the joints, in double precision."""
    total, count = 0.0, 0
    for joint in range(17):
        if labelled[joint]:
            square = sum((truth[joint] - guess[joint]) ** 2)
            total += np.exp(-square / (2 * area * (2 * COCO_SIGMAS[joint]) ** 2))
            count += 1
    return total / count


@pytest.fixture
def two(rng):
    one = rng.uniform(0.0, 100.0, (17, 2))
    return np.stack([one, one + [400.0, 0.0]])


def test_similarity_is_that_of_cocos_formula(two, rng):
    labelled = rng.uniform(size=(2, 17)) < 0.6
    guess = two + rng.normal(0.0, 6.0, two.shape)
    errors = detection_errors(labels_of(two, labelled), people_of(guess[::-1]), 0.0)
    wanted = [coco_similarity(*p, 1e4) for p in zip(two, guess, labelled, strict=True)]
    np.testing.assert_allclose(errors.similarity, wanted, rtol=1e-12)
    assert 0.3 < errors.similarity.min() < errors.similarity.max() < 1.0


def test_one_labelled_joint_is_enough(two):
    labelled = np.zeros((2, 17), bool)
    labelled[:, 4] = True
    errors = detection_errors(labels_of(two, labelled), people_of(two), 0.0)
    np.testing.assert_array_equal(errors.similarity, 1.0)


def test_a_detection_is_assigned_once(two):
    errors = detection_errors(labels_of([two[0], two[0]]), people_of(two[:1]), 0.0)
    np.testing.assert_array_equal(np.sort(errors.similarity), [0.0, 1.0])
    assert errors.missed.sum() == 1


def test_the_assignment_is_the_best_of_all(two):
    """The first person is like both detections, the second only like the first."""
    near = two[0] + 3.0
    errors = detection_errors(
        labels_of([two[0], near + 8.0]), people_of([near, two[0] - 4.0]), 0.0
    )
    assert not errors.missed.any()


def test_detections_of_nobody_count_unless_they_lie_in_a_crowd(two):
    people = people_of([two[0], two[0] + 1000.0, two[1]])
    labels = labels_of(two[:1], ignored=[[380, -20, 600, 300]])
    errors = detection_errors(labels, people, 0.0)
    assert errors.num_unlabelled == 1
    assert not errors.missed.any()


def test_doubtful_detections_do_not_count(two):
    errors = detection_errors(labels_of(two), people_of(two, [0.9, 0.2]), 0.35)
    np.testing.assert_array_equal(errors.missed, [False, True])


def test_pictures_without_people_or_detections(two):
    nobody = detection_errors(labels_of(two[:0]), people_of(two), 0.0)
    assert nobody.similarity.shape == (0,)
    assert nobody.num_unlabelled == 2
    nothing = detection_errors(labels_of(two), people_of(two[:0]), 0.0)
    assert nothing.missed.all()
    joined = join_errors([nobody, nothing])
    assert joined.similarity.shape == (2,)
    assert joined.num_unlabelled == 2
