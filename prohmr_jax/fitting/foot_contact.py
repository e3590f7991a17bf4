"""Tells from keypoints when feet stand still, for fits of tracks.

A foot stands where its ankle hardly moves in the picture, which holds for a camera that
stands. It is measured in heights of the person, so that it does not depend on the
person's distance.
"""

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.skeleton import BODY_25

_ANKLES = BODY_25.indices("left_ankle", "right_ankle")
# Velocities are slopes of lines through as many frames on each side, in seconds: long
# enough that the detector's jitter does not look like movement.
_HALF_SPAN_S = 0.07
# Speed at which a foot is thought to stand with a certainty of exp(-1), in heights of
# the person per second: 0.35 m/s.
_STANDING_SPEED = 0.2
# Certainties below count as none.
_LEAST = 0.2


def foot_contact(
    xy: Float[np.ndarray, "F 25 2"],
    seen: Bool[np.ndarray, "F 25"],
    height: Float[np.ndarray, " F"],
    frame_rate: float,
) -> Float[np.ndarray, "F 2"]:
    """Returns the certainty that the left and the right foot stand, in [0, 1].

    Args:
      xy: joints (BODY_25) in successive frames, pixels.
      seen: which joints are seen.
      height: height of the person, pixels.
      frame_rate: frames per second.
    """
    ankles, known = xy[:, _ANKLES].astype(float), seen[:, _ANKLES]
    half = max(1, round(_HALF_SPAN_S * frame_rate))
    number = len(xy)
    rows = np.arange(number)[:, None] + np.arange(-half, half + 1)
    inside = (rows >= 0) & (rows < number)
    rows = np.clip(rows, 0, number - 1)
    weight = (inside[..., None] & known[rows]).astype(float)  # [F, span, 2]
    time = np.arange(-half, half + 1)[None, :, None] / frame_rate
    total = np.maximum(weight.sum(axis=1), 1e-9)
    mean_time = (weight * time).sum(axis=1) / total
    offset = time - mean_time[:, None]
    mean_xy = (weight[..., None] * ankles[rows]).sum(axis=1) / total[..., None]
    moved = ankles[rows] - mean_xy[:, None]
    spread = (weight * offset**2).sum(axis=1)
    slope = ((weight * offset)[..., None] * moved).sum(axis=1)
    velocity = slope / np.maximum(spread, 1e-9)[..., None]
    speed = np.linalg.norm(velocity, axis=-1) / np.maximum(height, 1.0)[:, None]
    certainty = np.exp(-((speed / _STANDING_SPEED) ** 2))
    usable = known & (weight.sum(axis=1) >= 2) & (certainty >= _LEAST)
    return np.where(usable, certainty, 0.0).astype(np.float32)
