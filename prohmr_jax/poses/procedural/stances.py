"""What pelvis, trunk and legs do: standing, sitting, lying, jumping and so on.

A stance is drawn with the body facing +Z; whoever uses it adds a heading. Metres and
radians; angles are drawn in the ranges that people use, joint limits are checked later.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from prohmr_jax.poses.kinematics import (
    REST_OFFSETS,
    to_axis_angle,
    to_rotmat,
    turn,
)
from prohmr_jax.poses.procedural.limbs import SIDES, bend_leg, leg, reach, side_sign
from prohmr_jax.skeleton import SMPL_24

Rng = np.random.Generator
# The sole below the ankle.
_ANKLE_HEIGHT = 0.08
LEG_LENGTH = float(
    sum(np.linalg.norm(b) for b in (leg("left").upper, leg("left").lower))
)


@dataclasses.dataclass(frozen=True)
class Stance:
    """World rotations below the waist, and how the trunk bends."""

    pelvis: np.ndarray
    """[n, 3, 3]"""
    bend: np.ndarray
    """[n, 3]: trunk forward, twist to the left, lean to the right, in all."""
    hips: np.ndarray
    """[n, 2, 3, 3], left then right; so are the next two."""
    knees: np.ndarray
    ankles: np.ndarray
    ground: np.ndarray
    """[n]: height of the floor against the pelvis; where hands would find support."""
    on_hands: bool = False
    """Whether the hands carry weight on the floor."""


def uniform(rng: Rng, n: int, low: float, high: float) -> np.ndarray:
    """Returns [n] numbers between two bounds."""
    return rng.uniform(low, high, n)


def tilt(
    pitch: np.ndarray, roll: np.ndarray | float = 0.0, yaw: np.ndarray | float = 0.0
) -> np.ndarray:
    """Returns pelvis rotations: lean forward, then lean to the right, then turn."""
    return turn("y", yaw) @ turn("z", np.asarray(roll)) @ turn("x", pitch)


def trunk(
    rng: Rng,
    n: int,
    forward: tuple[float, float] = (-0.15, 0.35),
    twist: float = 0.2,
    lean: float = 0.12,
) -> np.ndarray:
    """Returns trunk bends: forward in a range, twist and lean by deviation."""
    return np.stack(
        [
            uniform(rng, n, *forward),
            rng.normal(0.0, twist, n),
            rng.normal(0.0, lean, n),
        ],
        axis=-1,
    )


def with_feet_at(
    pelvis: np.ndarray,
    bend: np.ndarray,
    feet: np.ndarray,
    poles: np.ndarray,
    yaws: np.ndarray,
    lifted: np.ndarray,
) -> Stance:
    """Returns the stance with ankles at given places and soles near the floor.

    Args:
      pelvis: [n, 3, 3].
      bend: [n, 3] of the trunk.
      feet: [n, 2, 3] ankles against the pelvis.
      poles: [n, 2, 3] where the knees point.
      yaws: [n, 2] turn of the toes outward.
      lifted: [n, 2] how far the heel is up, as an angle of the foot.
    """
    hips, knees, ankles = [], [], []
    for index, side in enumerate(SIDES):
        origin = pelvis @ REST_OFFSETS[SMPL_24.index(f"{side}_hip")]
        hip, knee = reach(leg(side), origin, feet[:, index], poles[:, index])
        out = side_sign(side)
        sole = turn("y", out * yaws[:, index]) @ turn("x", lifted[:, index])
        # The foot follows the shin where the floor asks too much of the ankle.
        ankle = _within_reach_of(knee, sole, np.deg2rad(50.0))
        hips.append(hip)
        knees.append(knee)
        ankles.append(ankle)
    ground = feet[:, :, 1].min(axis=1) - _ANKLE_HEIGHT
    stacked = (np.stack(part, axis=1) for part in (hips, knees, ankles))
    return Stance(pelvis, bend, *stacked, ground)


def _within_reach_of(parent, child, most):
    """Returns child, turned toward its parent until at most an angle away."""
    local = to_axis_angle(np.swapaxes(parent, -1, -2) @ child)
    angle = np.linalg.norm(local, axis=-1, keepdims=True)
    return parent @ to_rotmat(local * np.minimum(1.0, most / np.maximum(angle, 1e-9)))


def with_leg_angles(
    rng: Rng,
    pelvis: np.ndarray,
    bend: np.ndarray,
    flexion: np.ndarray,
    abduction: np.ndarray,
    rotation: np.ndarray,
    knee: np.ndarray,
) -> Stance:
    """Returns the stance with given leg angles and relaxed feet.

    Args:
      rng: of the feet.
      pelvis: [n, 3, 3].
      bend: [n, 3] of the trunk.
      flexion: [n, 2]; this and the next are explained at `bend_leg`.
      abduction: [n, 2].
      rotation: [n, 2].
      knee: [n, 2].
    """
    n = len(pelvis)
    hips, knees, ankles = [], [], []
    lowest = np.zeros(n)
    for index, side in enumerate(SIDES):
        hip, shin = bend_leg(
            side, pelvis, flexion[:, index], abduction[:, index],
            rotation[:, index], knee[:, index],
        )  # fmt: skip
        point = rng.normal(0.15, 0.3, n)
        ankles.append(shin @ turn("x", point) @ turn("y", rng.normal(0, 0.12, n)))
        hips.append(hip)
        knees.append(shin)
        knee_at = pelvis @ REST_OFFSETS[SMPL_24.index(f"{side}_hip")]
        knee_at = knee_at + hip @ leg(side).upper
        ankle_at = knee_at + shin @ leg(side).lower
        for place in (knee_at, ankle_at):
            lowest = np.minimum(lowest, place[:, 1])
    stacked = (np.stack(part, axis=1) for part in (hips, knees, ankles))
    return Stance(pelvis, bend, *stacked, ground=np.minimum(lowest, -0.1) - 0.06)


def pair(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns [n, 2] or [n, 2, ...]: the left side's values, then the right one's."""
    return np.stack([left, right], axis=1)


def feet_at(x_left, x_right, y, z_left, z_right) -> np.ndarray:
    """Returns ankles [n, 2, 3]; x is counted outward on either side."""
    left = np.stack(np.broadcast_arrays(x_left, y, z_left), axis=-1)
    right = np.stack(np.broadcast_arrays(-x_right, y, z_right), axis=-1)
    return pair(left, right)


def knees_toward(
    rng: Rng, n: int, outward: tuple[float, float] = (0.0, 0.4), up: float = 0.0
) -> np.ndarray:
    """Returns where knees point [n, 2, 3]: ahead, and outward and up by shares."""
    x = rng.uniform(*outward, (n, 2)) * [1.0, -1.0]
    return np.stack([x, np.full((n, 2), up), np.ones((n, 2))], axis=-1)


def on_ground(stance: Stance, ground: np.ndarray, on_hands: bool) -> Stance:
    """Returns the stance with the floor at a given height [n]."""
    return dataclasses.replace(stance, ground=ground, on_hands=on_hands)


StanceSampler = Callable[[Rng, int], Stance]
