"""Leaves out people who were proposed twice, by the similarity of their joints."""

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.detection.types import DetectedPerson

# How precisely people label each joint of COCO_17, over the square root of the person's
# area: the constants of COCO's keypoint evaluation.
COCO_SIGMAS = np.array(
    [
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
        0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ]
)  # fmt: skip
# Above these two proposals are one person.
SAME_SIMILARITY = 0.45
SAME_OVERLAP = 0.75
# Joints that both proposals must be this sure of to be compared, and how many.
_SEEN = 0.2
_FEWEST_JOINTS = 3


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
    distance = np.sum((people.keypoints.xy - others.keypoints.xy) ** 2, axis=-1)
    area = np.maximum(_area(people.box), _area(others.box))[..., None]
    variance = (2.0 * COCO_SIGMAS) ** 2 * np.maximum(area, 1.0)
    near = np.exp(-distance / (2.0 * variance))
    count = np.sum(seen, axis=-1)
    mean = np.sum(near * seen, axis=-1) / np.maximum(count, 1)
    return np.where(count >= _FEWEST_JOINTS, mean, 0.0)


def box_overlap(
    boxes: Float[np.ndarray, "*b 4"], others: Float[np.ndarray, "*b 4"]
) -> Float[np.ndarray, "*b"]:
    """Returns the intersection over the union of pairs of boxes."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = _area(boxes) + _area(others) - common
    return common / np.maximum(union, 1e-9)


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


def _area(box: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b"]:
    return np.prod(np.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1)
