"""Leaves out people who were proposed twice, by the similarity of their joints."""

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.geometry.keypoint_similarity import (
    box_area,
    box_overlap,
    object_similarity,
)

# Above these two proposals are one person.
SAME_SIMILARITY = 0.45
SAME_OVERLAP = 0.75
# Joints that both proposals must be this sure of to be compared.
_SEEN = 0.2


def keypoint_similarity(
    people: DetectedPerson, others: DetectedPerson
) -> Float[np.ndarray, "*b"]:
    """Returns COCO's object keypoint similarity of pairs, in [0, 1].

    Counted are joints that both are sure of; 0 where these are fewer than three. The
    area is that of the larger box.
    """
    seen = (np.asarray(people.keypoints.confidence) > _SEEN) & (
        np.asarray(others.keypoints.confidence) > _SEEN
    )
    area = np.maximum(box_area(people.box), box_area(others.box))
    return object_similarity(people.keypoints.xy, others.keypoints.xy, seen, area)


def without_duplicates(
    people: DetectedPerson, rank: Float[np.ndarray, " n"] | None = None
) -> Bool[np.ndarray, " n"]:
    """Returns whom to keep: the best of those that are one person.

    Args:
      people: [n].
      rank: who goes first, the highest; the score where not given.
    """
    count = len(people.score)
    order = np.argsort(-(people.score if rank is None else rank), kind="stable")
    kept = np.zeros(count, bool)
    for person in order:
        one, best = take(people, [person]), take(people, np.flatnonzero(kept))
        same = (keypoint_similarity(one, best) > SAME_SIMILARITY) | (
            box_overlap(one.box, best.box) > SAME_OVERLAP
        )
        kept[person] = not same.any()
    return kept


def take(people: DetectedPerson, rows) -> DetectedPerson:
    """Returns some of the people [n]."""
    keypoints = people.keypoints
    return DetectedPerson(
        keypoints.replace(xy=keypoints.xy[rows], confidence=keypoints.confidence[rows]),
        people.box[rows],
        people.score[rows],
    )
