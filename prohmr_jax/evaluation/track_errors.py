"""Measures tracks of bodies against the truth: poses, accelerations, sliding feet."""

import dataclasses

import numpy as np
from jaxtyping import Float

from prohmr_jax.evaluation.metrics import pa_mpjpe
from prohmr_jax.evaluation.track_scenes import TrackScene
from prohmr_jax.fitting.track_objective import FEET
from prohmr_jax.skeleton import SMPL_24

_PELVIS = SMPL_24.index("pelvis")
_MM = 1000.0


@dataclasses.dataclass(frozen=True)
class TrackErrors:
    """Holds the errors of one track, means over frames and the 24 kinematic joints."""

    pa_mpjpe_mm: float
    """Distance of joints after aligning each frame by a similarity, millimetres."""
    mpjpe_mm: float
    """Distance of joints relative to the pelvis, millimetres."""
    acceleration_mm: float
    """Difference of the accelerations of joints relative to the pelvis, millimetres per
    squared frame."""
    place_acceleration_mm: float
    """Difference of the accelerations of the pelvis, likewise, camera frame."""
    place_mm: float
    """Distance of the pelvis from the true one, after subtracting its mean over the
    track, millimetres."""
    sliding_mm: float
    """Way of a foot in a frame in which the true one stands, millimetres; NaN if none
    ever stands."""


def track_errors(joints: Float[np.ndarray, "F 24 3"], truth: TrackScene) -> TrackErrors:
    """Returns the errors of a track.

    Args:
      joints: kinematic joints in front of the camera, metres.
      truth: the true joints.
    """
    true = np.asarray(truth.joints, float)
    joints = np.asarray(joints, float)
    limbs, true_limbs = joints - joints[:, [_PELVIS]], true - true[:, [_PELVIS]]
    place = joints[:, _PELVIS] - true[:, _PELVIS]
    steps = np.linalg.norm(np.diff(joints[:, FEET], axis=0), axis=-1)
    stands = np.asarray(truth.stands)[:-1] > 0
    return TrackErrors(
        pa_mpjpe_mm=_MM * float(np.mean(pa_mpjpe(joints, true))),
        mpjpe_mm=_MM * _mean_length(limbs - true_limbs),
        acceleration_mm=_MM * _mean_length(np.diff(limbs - true_limbs, 2, axis=0)),
        place_acceleration_mm=_MM * _mean_length(np.diff(place, 2, axis=0)),
        place_mm=_MM * _mean_length(place - place.mean(axis=0)),
        sliding_mm=_MM * float(steps[stands].mean()) if stands.any() else np.nan,
    )


def _mean_length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean())
