"""Locates the joints of filmed people from several views, as a truth to measure by.

The mode "evaluate_real" calls it. What one view predicts is compared with what the
other views see, so that the errors of the view itself are not in the truth.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.geometry.triangulation import CameraRig, reprojected, triangulate
from prohmr_jax.geometry.view_matching import box_sides
from prohmr_jax.skeleton import COCO_17, JointSet

_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMBS_12 = JointSet(
    "LIMBS_12", tuple(n for n in COCO_17.names if n.partition("_")[2] in _PARTS)
)
"""The joints of the limbs that detectors of COCO_17 find."""
BONES = tuple(
    LIMBS_12.indices(f"{side}_{upper}", f"{side}_{lower}")
    for side in ("left", "right")
    for upper, lower in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
    )
)  # fmt: skip
"""The bones of arms and legs, pairs of indices of LIMBS_12."""
# Joints at which a view errs by more sides of the person's box are not located.
_MAX_ERROR = 0.05
# A view is measured if it shows so many joints, and if so many are located.
_LEAST_SEEN, _LEAST_LOCATED = 6, 8
_HIPS = np.array(LIMBS_12.indices("left_hip", "right_hip"))


@dataclasses.dataclass(frozen=True)
class PseudoTruth:
    """Holds located joints, in the axes of each camera."""

    joints: Float[np.ndarray, "*b N 12 3"]
    """LIMBS_12, metres, camera frames; zeros where they are not located."""
    is_located: Bool[np.ndarray, "*b N 12"]
    """Whether two views or more agree about where a joint is."""


def is_measurable(
    confidence: Float[np.ndarray, "*b N 12"], truth: PseudoTruth
) -> Bool[np.ndarray, "*b N"]:
    """Returns which views show enough joints, of which enough are located.

    Args:
      confidence: confidences of LIMBS_12 in each view; 0 where a joint is not seen.
      truth: the located joints.
    """
    is_located = truth.is_located
    return (
        ((confidence > 0).sum(axis=-1) >= _LEAST_SEEN)
        & (is_located.sum(axis=-1) >= _LEAST_LOCATED)
        & is_located[..., _HIPS].all(axis=-1)
    )


def locate_joints(
    rig: CameraRig,
    xy: Float[np.ndarray, "P N 12 2"],
    confidence: Float[np.ndarray, "P N 12"],
) -> tuple[Float[np.ndarray, "P 12 3"], Bool[np.ndarray, "P 12"]]:
    """Returns the joints that all views see, in the world, and which are located.

    Views count by their squared confidence. A joint is not located if fewer than two
    views see it, if it lies behind one, or if its projection into one of them is more
    than 5 % of the person's box away from the detection.

    Args:
      rig: the N cameras, metres.
      xy: positions, pixels without distortion.
      confidence: confidences; 0 where a joint is not seen.
    """
    xy, weight = np.swapaxes(xy, 1, 2), np.swapaxes(confidence, 1, 2) ** 2
    points, is_located = triangulate(rig, xy, weight)
    shown, depth = reprojected(rig, points)
    sides = np.stack([box_sides(p, w > 0) for p, w in zip(xy, weight, strict=True)])
    error = np.linalg.norm(shown - xy, axis=-1) / sides[:, None]
    agrees = (weight == 0) | ((error < _MAX_ERROR) & (depth > 0))
    is_located &= agrees.all(axis=-1)
    return np.where(is_located[..., None], points, 0.0), is_located


def located_by_others(
    rig: CameraRig,
    xy: Float[np.ndarray, "P N 12 2"],
    confidence: Float[np.ndarray, "P N 12"],
) -> PseudoTruth:
    """Returns for each view what the views beside it see, in its camera's frame.

    Args: see `locate_joints`; there are at least three cameras.
    """
    views = range(len(rig))
    others = [[other for other in views if other != view] for view in views]
    return _in_cameras(rig, [(rig, xy, confidence, other) for other in others])


def located_by(
    rig: CameraRig,
    xy: Float[np.ndarray, "P N 12 2"],
    confidence: Float[np.ndarray, "P N 12"],
    chosen: Sequence[int],
) -> PseudoTruth:
    """Returns what some of the views see, in the frames of all cameras.

    Args:
      rig: the N cameras, metres.
      xy: see `locate_joints`.
      confidence: see `locate_joints`.
      chosen: numbers of the views that are used, at least two.
    """
    one = (rig, xy, confidence, list(chosen))
    return _in_cameras(rig, [one] * len(rig))


def _in_cameras(rig: CameraRig, sources: Sequence[tuple]) -> PseudoTruth:
    located = [
        locate_joints(rig[views], xy[:, views], confidence[:, views])
        for rig, xy, confidence, views in sources
    ]
    points, is_located = (
        np.stack(parts, axis=1) for parts in zip(*located, strict=True)
    )
    joints = np.einsum("nij,pnkj->pnki", rig.rotation, points)
    joints = joints + rig.translation[:, None]
    return PseudoTruth(np.where(is_located[..., None], joints, 0.0), is_located)


@dataclasses.dataclass(frozen=True)
class TruthPrecision:
    """Says how precise located joints are, millimetres."""

    pairs_mm: float
    """Median distance between the points of two views and those of three or more."""
    bones_mm: float
    """Standard deviation of a bone's length over all moments, mean over the bones."""
    num_distances: int
    """Number of the distances."""


def truth_precision(
    rig: CameraRig,
    xy: Float[np.ndarray, "P N 12 2"],
    confidence: Float[np.ndarray, "P N 12"],
) -> TruthPrecision:
    """Returns how well located joints agree with each other.

    Bones are compared over all sightings, so that their lengths also differ if several
    people are filmed.

    Args: see `locate_joints`.
    """
    points, is_located = locate_joints(rig, xy, confidence)
    distances = []
    for first in range(len(rig)):
        for second in range(first):
            pair = [second, first]
            of_pair, in_pair = locate_joints(
                rig[pair], xy[:, pair], confidence[:, pair]
            )
            both = in_pair & is_located & ((confidence > 0).sum(axis=1) > 2)
            distances.append(np.linalg.norm(of_pair - points, axis=-1)[both])
    distances = np.concatenate(distances)
    spreads = []
    for upper, lower in BONES:
        both = is_located[:, upper] & is_located[:, lower]
        lengths = np.linalg.norm(points[:, upper] - points[:, lower], axis=-1)[both]
        spreads.append(lengths.std() if len(lengths) > 1 else np.nan)
    return TruthPrecision(
        1000.0 * float(np.median(distances)) if len(distances) else np.nan,
        1000.0 * float(np.nanmean(spreads)),
        len(distances),
    )
