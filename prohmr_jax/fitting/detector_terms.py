"""Lets fits compare a body with detections of a detector that was measured.

`objectives` and `keypoints` call it where a `FittingModel` has a detector.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.priors.detector_errors import (
    NORMAL_GRID,
    STATES,
    DetectorErrors,
    detector_joints,
)
from prohmr_jax.skeleton import COCO_17, JOINTS_44
from prohmr_jax.structs import Body, Keypoints2D

_COCO = np.array(COCO_17.positions_in(JOINTS_44))
# Errors of this size, relative to the person's, have full weight; it is that of the
# detector's best joints.
_FULL_WEIGHT_ERROR = 0.008
# Median distance of a Gaussian error of unit variance in two dimensions.
_RAYLEIGH_MEDIAN = float(np.sqrt(2.0 * np.log(2.0)))


def joints_as_detected(
    detector: DetectorErrors, body: Body, rotmats: Float[Array, "*b 24 3 3"]
) -> Float[Array, "*b 44 3"]:
    """Returns JOINTS_44 with those of COCO_17 where the detector puts them.

    Args:
      detector: the detector.
      body: the posed body, metres.
      rotmats: its rotations relative to the parents, the root's first.
    """
    moved = detector_joints(detector, body, rotmats)
    return body.joints.at[..., _COCO, :].set(moved)


def error_scale(
    detector: DetectorErrors, score: Float[Array, "*b 17"]
) -> Float[Array, "*b 17"]:
    """Returns the standard deviation of errors along an axis, in sizes of the person.

    It is a robust one, for joints in sight with the given scores.

    Args:
      detector: the detector.
      score: scores of COCO_17.
    """
    state = STATES.index("in sight")
    ellipse = detector.ellipse[state]
    area = jnp.abs(ellipse[..., 0, 0] * ellipse[..., 1, 1])
    median = detector.radius_quantiles[state, ..., len(NORMAL_GRID) // 2]
    scale = jnp.sqrt(area) * median / _RAYLEIGH_MEDIAN
    number = jnp.sum(score[..., None] > detector.score_edges[state], axis=-1)
    return scale[np.arange(len(COCO_17)), number]


def weighted_by_score(detector: DetectorErrors, keypoints: Keypoints2D) -> Keypoints2D:
    """Returns keypoints whose squared confidence is proportional to their precision.

    Joints with scores that do not count, and joints that are none of COCO_17, get the
    confidence 0; among them are neck and mid-hip, which only repeat other joints.

    Args:
      detector: the detector that found the keypoints.
      keypoints: JOINTS_44 with the detector's scores.
    """
    score = keypoints.confidence[..., _COCO]
    size = _FULL_WEIGHT_ERROR / jnp.maximum(error_scale(detector, score), 1e-6)
    weight = jnp.where(score > MIN_CONFIDENCE, jnp.minimum(size, 1.0), 0.0)
    none = jnp.zeros_like(keypoints.confidence)
    return keypoints.replace(confidence=none.at[..., _COCO].set(weight))
