"""Keypoint similarity against COCO's formula in loops, and who is kept."""

import numpy as np

from prohmr_jax.detection.duplicates import (
    keypoint_similarity,
    take,
    without_duplicates,
)
from prohmr_jax.detection.types import DetectedPerson, joints_seen, tight_box
from prohmr_jax.geometry.keypoint_similarity import COCO_SIGMAS, box_overlap
from prohmr_jax.skeleton import COCO_17
from prohmr_jax.structs import Keypoints2D


def person(xy, confidence=None, score=0.5):
    confidence = np.full(17, 0.8) if confidence is None else np.asarray(confidence)
    keypoints = Keypoints2D(np.asarray(xy, float), confidence)
    return DetectedPerson(keypoints, tight_box(keypoints), np.asarray(score))


def stack(*people):
    def rows(get):
        return np.stack([get(one) for one in people])

    return DetectedPerson(
        Keypoints2D(
            rows(lambda p: p.keypoints.xy), rows(lambda p: p.keypoints.confidence)
        ),
        rows(lambda p: p.box),
        rows(lambda p: p.score),
    )


def standing(rng, height=100.0):
    return rng.uniform(0, 1, (17, 2)) * [0.4 * height, height]


def test_similarity_is_that_of_coco(rng):
    assert len(COCO_SIGMAS) == len(COCO_17)
    one = person(standing(rng))
    other = person(one.keypoints.xy + rng.normal(0, 4, (17, 2)))
    other.keypoints.confidence[4:9] = 0.1  # not seen
    areas = [np.prod(p.box[2:] - p.box[:2]) for p in (one, other)]
    terms = []
    for joint in range(17):
        if other.keypoints.confidence[joint] > 0.2:
            gap = one.keypoints.xy[joint] - other.keypoints.xy[joint]
            k = 2 * COCO_SIGMAS[joint]
            terms.append(np.exp(-(gap @ gap) / (2 * max(areas) * k**2)))
    expected = np.mean(terms)
    assert 0.2 < expected < 0.98
    np.testing.assert_allclose(keypoint_similarity(one, other), expected)
    np.testing.assert_allclose(keypoint_similarity(one, one), 1.0)
    unseen = person(one.keypoints.xy, np.zeros(17))
    assert keypoint_similarity(one, unseen) == 0.0


def test_overlap_of_boxes():
    boxes = np.array([[0, 0, 4, 2], [0, 0, 4, 2], [0, 0, 4, 2], [1, 1, 1, 1]], float)
    others = np.array([[0, 0, 4, 2], [2, 0, 6, 2], [5, 5, 9, 9], [1, 1, 1, 1]], float)
    np.testing.assert_allclose(box_overlap(boxes, others), [1, 1 / 3, 0, 0])


def test_the_best_of_one_person_is_kept(rng):
    first = standing(rng)
    neighbour = first + [60.0, 0.0]
    people = stack(
        person(first + rng.normal(0, 1, (17, 2)), score=0.4),
        person(neighbour, score=0.3),
        person(first, score=0.7),
        # The upper body alone, as seen at the edge of a picture.
        person(first, np.where(first[:, 1] < 50, 0.8, 0.1), score=0.5),
    )
    np.testing.assert_array_equal(
        without_duplicates(people), [False, True, True, False]
    )
    by_rank = without_duplicates(people, rank=np.array([4.0, 3.0, 2.0, 1.0]))
    np.testing.assert_array_equal(by_rank, [True, True, False, False])
    nobody = take(people, np.zeros(4, bool))
    assert without_duplicates(nobody).shape == (0,)


def test_the_tight_box_holds_the_joints_seen(rng):
    xy = standing(rng)
    confidence = np.linspace(0.0, 0.8, 17)
    keypoints = Keypoints2D(xy, confidence)
    seen = confidence > 0.2
    np.testing.assert_array_equal(joints_seen(keypoints), seen)
    expected = [*xy[seen].min(axis=0), *xy[seen].max(axis=0)]
    np.testing.assert_allclose(tight_box(keypoints), expected)
    faint = Keypoints2D(xy, confidence / 10)
    np.testing.assert_array_equal(joints_seen(faint), np.arange(17) >= 14)
