"""Turns filmed people into tracks of each camera, and measures tracks of bodies.

The mode "evaluate_real_video" calls it. As in "evaluate_real", what one camera gives is
compared with the joints that the other cameras locate.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.footage import FilmedPeople
from prohmr_jax.evaluation.footage_errors import TrueLimbs, limb_errors
from prohmr_jax.evaluation.footage_truth import (
    LIMBS_12,
    is_measurable,
    located_by_others,
)
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.tracking.follow import TrackingSettings, follow_people
from prohmr_jax.tracking.person_tracks import PersonTrack, VideoDetections

_MM = 1000.0
_LIMBS = np.array(LIMBS_12.positions_in(BODY_25))
_HIPS = np.array(LIMBS_12.indices("left_hip", "right_hip"))
# Everybody who is seen is followed, also over long gaps.
_START_SCORE, _MAX_GAP_S, _MIN_LENGTH_S = 0.0, 10.0, 0.0


@dataclasses.dataclass(frozen=True)
class CameraTrack:
    """Holds the person as one camera sees them, and the truth, NumPy."""

    name: str
    """Name of the camera."""
    track: PersonTrack
    """The person in F frames, in pixels of a camera without distortion whose principal
    point is the middle of the picture."""
    image_size: tuple[int, int]
    """(width, height) of that camera's pictures, pixels."""
    focal_length_px: float
    """Focal length of that camera, pixels."""
    truth: TrueLimbs
    """Joints that the other cameras locate, [F, 12], metres, camera frame."""
    is_measured: Bool[np.ndarray, " F"]
    """Whether a frame counts: enough joints are seen, and located."""


@dataclasses.dataclass(frozen=True)
class FootageTrackErrors:
    """Holds the errors of one track, means over frames and located joints."""

    pa_mpjpe_mm: float
    """Distance of joints after aligning each frame by a similarity, millimetres."""
    mpjpe_mm: float
    """Distance of joints relative to the middle of the hips, millimetres."""
    acceleration_error_mm: float
    """Difference of the accelerations of joints relative to the middle of the hips,
    millimetres per squared frame; NaN without three successive frames."""
    acceleration_mm: float
    """Length of the accelerations of the body's joints themselves, likewise."""


def camera_tracks(
    people: FilmedPeople, step: int, frame_rate: float
) -> list[CameraTrack]:
    """Returns the track of the one person whom the cameras film, camera by camera.

    Args:
      people: the sightings.
      step: number of frames from one that was looked at to the next.
      frame_rate: frames that were looked at per second.

    Raises:
      InputError: a frame shows several people, or a camera sees nobody.
    """
    frames = people.frame // step
    twice = np.flatnonzero(np.diff(frames) == 0)
    if len(twice):
        what = f"shows several people in frame {people.frame[twice[0]]}"
        raise InputError("footage", f"{what}; tracks are measured on one person")
    confidence = people.keypoints.confidence
    limbs = people.keypoints.xy[:, :, _LIMBS], confidence[:, :, _LIMBS]
    truth = located_by_others(people.rig, *limbs)
    measurable = is_measurable(limbs[1], truth)
    settings = TrackingSettings(frame_rate, _START_SCORE, _MAX_GAP_S, _MIN_LENGTH_S)
    cameras = []
    for view, name in enumerate(people.names):
        size, focal, xy = _centred(
            people.rig.intrinsics[view], people.keypoints.xy[:, view]
        )
        rows = np.flatnonzero((confidence[:, view] > 0).any(axis=1))
        tracks = follow_people(
            VideoDetections(
                frames[rows],
                xy[rows].astype(np.float32),
                confidence[rows, view].astype(np.float32),
            ),
            settings,
        )
        if not tracks:
            raise InputError("footage", f"camera {name} sees nobody for long enough")
        track = max(tracks, key=len)
        # Sightings that the track does not hold are left out.
        inside = np.flatnonzero(np.isin(frames, track.frame))
        places = np.searchsorted(track.frame, frames[inside])
        joints = np.zeros((len(track), len(LIMBS_12), 3), np.float32)
        is_located = np.zeros(joints.shape[:2], bool)
        is_measured = np.zeros(len(track), bool)
        joints[places] = truth.joints[inside, view]
        is_located[places] = truth.is_located[inside, view]
        is_measured[places] = measurable[inside, view]
        is_measured &= track.measured
        true = TrueLimbs(joints, is_located)
        cameras.append(CameraTrack(name, track, size, focal, true, is_measured))
    return cameras


def _centred(
    intrinsics: Float[np.ndarray, "3 3"], xy: Float[np.ndarray, "P 25 2"]
) -> tuple[tuple[int, int], float, Float[np.ndarray, "P 25 2"]]:
    """Returns a picture's size, a focal length, and points as that camera shows them.

    The camera of a video has one focal length, and its axis meets the middle.
    """
    focal, center = np.diag(intrinsics)[:2], intrinsics[:2, 2]
    size = np.maximum(np.rint(2.0 * center), 1).astype(int)
    mean = float(focal.mean())
    return (
        (int(size[0]), int(size[1])),
        mean,
        (xy - center) / focal * mean + size / 2.0,
    )


def footage_track_errors(
    limbs: Float[np.ndarray, "F 12 3"],
    truth: TrueLimbs,
    is_measured: Bool[np.ndarray, " F"],
) -> FootageTrackErrors:
    """Returns the errors of a track.

    Args:
      limbs: LIMBS_12 of the bodies where the detector puts them, metres, camera axes.
      truth: the located joints.
      is_measured: whether a frame counts, [F]; one does at least.
    """
    rows = np.flatnonzero(is_measured)
    true = TrueLimbs(truth.joints[rows], truth.is_located[rows])
    errors = jax.device_get(limb_errors(limbs[rows].astype(np.float32), true))
    counted = truth.is_located & is_measured[:, None]
    counted = counted[2:] & counted[1:-1] & counted[:-2]
    own, other = (
        np.diff(joints - joints[:, _HIPS].mean(axis=1, keepdims=True), 2, axis=0)
        for joints in (np.asarray(limbs, float), np.asarray(truth.joints, float))
    )
    return FootageTrackErrors(
        pa_mpjpe_mm=float(errors.pa_mpjpe.mean()),
        mpjpe_mm=float(errors.mpjpe.mean()),
        acceleration_error_mm=_mean_length(own - other, counted),
        acceleration_mm=_mean_length(own, counted),
    )


def _mean_length(vectors: np.ndarray, counted: np.ndarray) -> float:
    """Returns the mean length of the vectors that count, millimetres."""
    lengths = np.linalg.norm(vectors, axis=-1)[counted]
    return _MM * float(lengths.mean()) if len(lengths) else np.nan
