"""Arms and legs that bend anatomically: two-bone inverse kinematics and plain angles.

Everything is in the world frame relative to the pelvis, metres, and batched over the
leading axis.
"""

import dataclasses

import numpy as np

from prohmr_jax.poses.kinematics import REST_OFFSETS, frame, turn, unit
from prohmr_jax.skeleton import SMPL_24

SIDES = ("left", "right")


def side_sign(side: str) -> float:
    """Returns +1 for the left side, whose rest positions have x > 0, else -1."""
    return 1.0 if side == "left" else -1.0


@dataclasses.dataclass(frozen=True)
class Limb:
    """An arm or a leg at rest."""

    upper: np.ndarray
    """[3]: shoulder to elbow, or hip to knee."""
    lower: np.ndarray
    """[3]: elbow to wrist, or knee to ankle."""
    hinge: np.ndarray
    """[3]: unit axis about which a positive turn bends the middle joint."""


def leg(side: str) -> Limb:
    """Returns a leg at rest; the knee bends about +X, the shin going back."""
    upper, lower = (
        REST_OFFSETS[SMPL_24.index(f"{side}_{name}")] for name in ("knee", "ankle")
    )
    return Limb(upper, lower, np.array([1.0, 0.0, 0.0]))


def arm(side: str, roll: float = np.deg2rad(20.0)) -> Limb:
    """Returns an arm at rest; the elbow brings the hand forward.

    Args:
      side: left or right.
      roll: how much it also lifts the hand. 0 is SMPL's own habit, 30 degrees is the
        hinge of the CMU skeleton.
    """
    upper, lower = (
        REST_OFFSETS[SMPL_24.index(f"{side}_{name}")] for name in ("elbow", "wrist")
    )
    hinge = side_sign(side) * np.array([0.0, -np.cos(roll), np.sin(roll)])
    return Limb(upper, lower, hinge)


def reach(
    limb: Limb, origin: np.ndarray, target: np.ndarray, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns world rotations of the upper and the lower bone, each [n, 3, 3].

    The end gets to the target, or as near as the bones allow without locking the
    middle joint; the middle joint points toward the pole.

    Args:
      limb: the limb at rest.
      origin: [n, 3] shoulder or hip.
      target: [n, 3] where wrist or ankle should be.
      pole: [n, 3] direction in which elbow or knee should point.
    """
    a, b = np.linalg.norm(limb.upper), np.linalg.norm(limb.lower)
    toward = target - origin
    axis = unit(toward)
    # The middle joint neither locks (1.5 degrees are left) nor folds flat.
    distance = np.clip(
        np.linalg.norm(toward, axis=-1, keepdims=True),
        np.sqrt(a * a + b * b + 2 * a * b * np.cos(np.deg2rad(150.0))),
        np.sqrt(a * a + b * b + 2 * a * b * np.cos(np.deg2rad(1.5))),
    )
    along = (a * a - b * b + distance**2) / (2 * distance)
    out = np.sqrt(np.maximum(a * a - along**2, 0.0))
    across = unit(pole - np.sum(pole * axis, axis=-1, keepdims=True) * axis)
    middle = along * axis + out * across
    hinge = np.cross(across, axis)
    upper = frame(middle, hinge) @ frame(limb.upper, limb.hinge).T
    lower = frame(distance * axis - middle, hinge) @ frame(limb.lower, limb.hinge).T
    return upper, lower


def bend_leg(
    side: str,
    pelvis: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    rotation: np.ndarray,
    knee: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns world rotations of hip and knee, each [n, 3, 3], from angles [n].

    Args:
      side: left or right.
      pelvis: [n, 3, 3] world rotation of the pelvis.
      flexion: lifts the thigh forward.
      abduction: takes the lifted or hanging thigh outward.
      rotation: turns the toes outward.
      knee: bends the knee.
    """
    out = side_sign(side)
    # A raised thigh opens about the vertical, a hanging one about the front axis.
    raised = np.clip(np.sin(np.abs(flexion)), 0.0, 1.0)
    spread = turn("y", out * abduction * raised)
    sideways = turn("z", out * abduction * (1.0 - raised))
    hip = pelvis @ spread @ sideways @ turn("x", -flexion) @ turn("y", out * rotation)
    return hip, hip @ turn("x", knee)
