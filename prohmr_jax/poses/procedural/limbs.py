"""Bends arms and legs anatomically, by two-bone inverse kinematics or by joint angles.

`stances` and `gestures` call it. Positions are relative to the pelvis in the world
frame, in metres; everything is batched over the leading axis.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.kinematics import REST_OFFSETS, frame, turn, unit
from prohmr_jax.skeleton import SMPL_24

SIDES = ("left", "right")


def side_sign(side: str) -> float:
    """Returns +1 for "left", where positions at rest have x > 0, and -1 for "right"."""
    return 1.0 if side == "left" else -1.0


@dataclasses.dataclass(frozen=True)
class Limb:
    """Describes an arm or a leg at rest, in the body frame."""

    upper: np.ndarray
    """[3], vector from shoulder to elbow or from hip to knee, metres."""
    lower: np.ndarray
    """[3], vector from elbow to wrist or from knee to ankle, metres."""
    hinge: np.ndarray
    """[3], unit axis about which a positive rotation bends the elbow or the knee."""


def leg(side: str) -> Limb:
    """Returns a leg at rest, whose knee bends about +X and takes the shin backward."""
    upper, lower = (
        REST_OFFSETS[SMPL_24.index(f"{side}_{name}")] for name in ("knee", "ankle")
    )
    return Limb(upper, lower, np.array([1.0, 0.0, 0.0]))


def arm(side: str, roll: float = np.deg2rad(20.0)) -> Limb:
    """Returns an arm at rest, whose elbow takes the hand forward and upward.

    Args:
      side: "left" or "right".
      roll: angle by which the movement of the hand is tilted upward, radians. Captured
        SMPL poses have about 0; the hinge of the CMU skeleton has 30 degrees.
    """
    upper, lower = (
        REST_OFFSETS[SMPL_24.index(f"{side}_{name}")] for name in ("elbow", "wrist")
    )
    hinge = side_sign(side) * np.array([0.0, -np.cos(roll), np.sin(roll)])
    return Limb(upper, lower, hinge)


ARM_LENGTH = float(
    sum(np.linalg.norm(bone) for bone in (arm("left").upper, arm("left").lower))
)
"""Length of a stretched arm from shoulder to wrist, metres."""


def reach(
    limb: Limb,
    origin: Float[np.ndarray, "n 3"],
    target: Float[np.ndarray, "n 3"],
    pole: Float[np.ndarray, "n 3"],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the world rotations of the upper and the lower bone, each [n, 3, 3].

    Wrist or ankle reaches the target, or comes as near as the bones allow without a
    fully stretched elbow or knee.

    Args:
      limb: the limb at rest.
      origin: [n, 3], position of shoulder or hip, metres.
      target: [n, 3], desired position of wrist or ankle, metres.
      pole: [n, 3], direction in which elbow or knee should point.
    """
    a, b = np.linalg.norm(limb.upper), np.linalg.norm(limb.lower)
    toward = target - origin
    axis = unit(toward)
    # Elbow and knee bend by 1.5 degrees at least and 150 degrees at most.
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
    pelvis: Float[np.ndarray, "n 3 3"],
    flexion: Float[np.ndarray, " n"],
    abduction: Float[np.ndarray, " n"],
    rotation: Float[np.ndarray, " n"],
    knee: Float[np.ndarray, " n"],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the world rotations of hip and knee, each [n, 3, 3], for joint angles.

    Args:
      side: "left" or "right".
      pelvis: [n, 3, 3], world rotation of the pelvis.
      flexion: [n], angle by which the thigh is lifted forward, radians.
      abduction: [n], angle by which the thigh is moved outward, radians.
      rotation: [n], angle by which the leg is turned outward about itself, radians.
      knee: [n], angle by which the knee is bent, radians.
    """
    out = side_sign(side)
    # A raised thigh moves outward about the vertical, a hanging one about Z.
    raised = np.clip(np.sin(np.abs(flexion)), 0.0, 1.0)
    spread = turn("y", out * abduction * raised)
    sideways = turn("z", out * abduction * (1.0 - raised))
    hip = pelvis @ spread @ sideways @ turn("x", -flexion) @ turn("y", out * rotation)
    return hip, hip @ turn("x", knee)
