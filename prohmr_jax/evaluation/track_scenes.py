"""Makes videos of known movement: one person before one camera that stands.

Clips of motion capture say how the person is posed. The way of the root is not kept in
them: it is rebuilt from the feet, of which the lowest one does not move.
"""

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float
from scipy.ndimage import gaussian_filter1d

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.fitting.track_objective import FEET
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import JITTER_25

IMAGE_SIZE = (1280, 720)
"""(width, height) of the videos, pixels."""
FOCAL_LENGTH_PX = float(np.hypot(*IMAGE_SIZE))
"""Focal length of the camera, pixels."""
# Distances of the camera from the middle of the person's way, and heights above the
# floor, metres.
_DISTANCES, _HEIGHTS = (5.0, 9.0), (0.8, 2.0)
# Standard deviation, in frames, of the filter that smooths ways: the lowest foot
# changes within a frame.
_SMOOTHING_FRAMES = 1.0
_SHARE_OF_JITTER = 0.5
_KNOWN = np.array(
    [not any(part in name for part in ("toe", "heel")) for name in BODY_25.names]
)
# A foot stands if the truth moves it less, metres per frame.
_STANDING = 0.006


@struct.dataclass
class TrackScene:
    """Holds one person in F frames, NumPy."""

    joints: Float[Array, "F 24 3"]
    """True kinematic joints, metres, camera frame."""
    joints_44: Float[Array, "F 44 3"]
    """True JOINTS_44, metres, camera frame."""
    stands: Float[Array, "F 4"]
    """1 where a joint of `FEET` does not move to the next frame, else 0."""
    keypoints: Keypoints2D
    """Detected joints (BODY_25), [F, 25], pixels."""


@jax.jit
def _posed(body: BodyModel, rotmats, betas):
    return body_joints(body, SmplParams.from_rotmats(rotmats, betas))


def make_track_scene(
    body: BodyModel,
    axis_angle: Float[np.ndarray, "F 24 3"],
    correlation: float,
    seed: int,
) -> TrackScene:
    """Returns a clip seen by a random camera.

    Args:
      body: the body model; the person's shape is drawn at random.
      axis_angle: poses of successive frames, radians; the root is relative to a world
        with Y up.
      correlation: correlation of a joint's errors in successive frames, in [0, 1).
        Errors have half the annotators' spread, as in `keypoint_errors.noisy`; the
        errors of detectors last for several frames.
      seed: seed of shape, camera and detections.
    """
    rng = np.random.default_rng(seed)
    betas = rng.normal(size=body.num_betas).astype(np.float32)
    rotmats = np.asarray(axis_angle_to_rotmat(axis_angle))
    posed = _posed(body, rotmats, np.repeat(betas[None], len(rotmats), axis=0))
    joints, extra = np.asarray(posed.kinematic_joints), np.asarray(posed.joints)
    way = _way_of_root(joints)
    world, world_44 = joints + way[:, None], extra + way[:, None]
    # The camera looks horizontally at the middle of the way, from any side.
    heading = rng.uniform(0, 2 * np.pi)
    distance, height = rng.uniform(*_DISTANCES), rng.uniform(*_HEIGHTS)
    cosine, sine = np.cos(heading), np.sin(heading)
    turn = np.array([[cosine, 0, -sine], [0, -1, 0], [-sine, 0, -cosine]])
    middle = (world.min(axis=(0, 1)) + world.max(axis=(0, 1))) / 2.0
    middle[1] = world[..., 1].min() + height
    # Ways towards the camera must not end behind it.
    reach = np.abs((world - middle) @ turn.T)[..., 2].max()
    shift = np.array([0.0, 0.0, distance + reach])
    place = lambda points: ((points - middle) @ turn.T + shift).astype(np.float32)  # noqa: E731
    joints, joints_44 = place(world), place(world_44)
    seen = joints_44[:, : len(BODY_25)]
    pixels = seen[..., :2] / seen[..., 2:] * FOCAL_LENGTH_PX + np.array(IMAGE_SIZE) / 2
    keypoints = _detected(rng, pixels, correlation)
    moved = np.linalg.norm(np.diff(joints[:, FEET], axis=0), axis=-1)
    stands = np.pad((moved < _STANDING).astype(np.float32), ((0, 1), (0, 0)))
    return TrackScene(joints, joints_44, stands, keypoints)


def _detected(
    rng: np.random.Generator, xy: Float[np.ndarray, "F 25 2"], correlation: float
) -> Keypoints2D:
    """Returns the detections of a detector that knows no toes and heels."""
    side = np.max(xy.max(axis=1) - xy.min(axis=1), axis=-1)[:, None, None]
    errors = rng.normal(size=xy.shape)
    fresh = np.sqrt(1.0 - correlation**2)
    for frame in range(1, len(errors)):
        errors[frame] = correlation * errors[frame - 1] + fresh * errors[frame]
    noise = _SHARE_OF_JITTER * side * JITTER_25[:, None] * errors
    confidence = np.broadcast_to(_KNOWN, xy.shape[:2])
    return Keypoints2D((xy + noise).astype("f"), confidence.astype("f"))


def _way_of_root(joints: Float[np.ndarray, "F 24 3"]) -> Float[np.ndarray, "F 3"]:
    """Returns the way on which the lowest foot neither slides nor leaves the floor."""
    feet = joints[:, FEET]
    lowest = np.argmin(feet[1:, :, 1] + feet[:-1, :, 1], axis=1)
    steps = -np.diff(feet, axis=0)[np.arange(len(lowest)), lowest]
    steps[:, 1] = 0.0
    way = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    way[:, 1] = -feet[..., 1].min(axis=1)
    return gaussian_filter1d(way, _SMOOTHING_FRAMES, axis=0, mode="nearest")
