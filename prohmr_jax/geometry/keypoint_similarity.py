"""Says how alike two people in one picture are, by their joints and boxes.

Detection leaves out duplicates with it, and tracking follows people with it.
"""

import numpy as np
from jaxtyping import Bool, Float

# How precisely people label each joint of COCO_17, over the square root of the person's
# area: the constants of COCO's keypoint evaluation.
COCO_SIGMAS = np.array(
    [
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
        0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ]
)  # fmt: skip


def object_similarity(
    xy: Float[np.ndarray, "*b 17 2"],
    other_xy: Float[np.ndarray, "*b 17 2"],
    counted: Bool[np.ndarray, "*b 17"],
    area: Float[np.ndarray, "*b"],
    tolerance: float | Float[np.ndarray, "*b"] = 1.0,
    fewest: int = 3,
) -> Float[np.ndarray, "*b"]:
    """Returns COCO's object keypoint similarity of pairs, in [0, 1].

    It is 0 where too few joints count.

    Args:
      xy: joints (COCO_17), pixels.
      other_xy: joints of the other person of each pair, pixels.
      counted: which joints are compared.
      area: area that distances are relative to, square pixels.
      tolerance: factor of COCO's standard deviations.
      fewest: least number of joints that must count.
    """
    distance = np.sum((xy - other_xy) ** 2, axis=-1)
    sigma = 2.0 * COCO_SIGMAS * np.asarray(tolerance)[..., None]
    variance = sigma**2 * np.maximum(area, 1.0)[..., None]
    near = np.exp(-distance / (2.0 * variance))
    count = np.sum(counted, axis=-1)
    mean = np.sum(near * counted, axis=-1) / np.maximum(count, 1)
    return np.where(count >= fewest, mean, 0.0)


def box_area(box: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b"]:
    """Returns the areas of boxes: left, top, right, bottom."""
    return np.prod(np.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1)


def box_overlap(
    boxes: Float[np.ndarray, "*b 4"], others: Float[np.ndarray, "*b 4"]
) -> Float[np.ndarray, "*b"]:
    """Returns the intersection over the union of pairs of boxes."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = box_area(boxes) + box_area(others) - common
    return common / np.maximum(union, 1e-9)
