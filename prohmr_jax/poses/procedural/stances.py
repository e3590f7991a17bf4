"""Defines stances: what pelvis, trunk and legs do in standing, sitting, jumping etc.

`upright_stances` and `low_stances` draw them with the helpers below, and `compose`
makes poses of them. The body faces +Z; a heading is added later. Lengths are in metres
and angles in radians. Angles are drawn in the ranges that people use; joint limits are
checked later.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.kinematics import (
    REST_OFFSETS,
    to_axis_angle,
    to_rotmat,
    turn,
)
from prohmr_jax.poses.procedural.limbs import SIDES, bend_leg, leg, reach, side_sign
from prohmr_jax.skeleton import SMPL_24

Rng = np.random.Generator
_ANKLE_HEIGHT = 0.08
LEG_LENGTH = float(
    sum(np.linalg.norm(b) for b in (leg("left").upper, leg("left").lower))
)
"""Length of a stretched leg from hip to ankle, metres."""


@dataclasses.dataclass(frozen=True)
class Stance:
    """Holds n stances: rotations of pelvis and legs, and the bend of the trunk."""

    pelvis: np.ndarray
    """[n, 3, 3], world rotation of the pelvis."""
    bend: np.ndarray
    """[n, 3], bend of the whole spine relative to the pelvis, radians: forward (about
    X), twist to the left (about Y), lean to the right (about Z)."""
    hips: np.ndarray
    """[n, 2, 3, 3], world rotations of the left and the right thigh."""
    knees: np.ndarray
    """[n, 2, 3, 3], world rotations of the left and the right shin."""
    ankles: np.ndarray
    """[n, 2, 3, 3], world rotations of the left and the right foot."""
    ground: np.ndarray
    """[n], height of the floor relative to the pelvis, metres."""
    on_hands: bool = False
    """Whether the hands carry weight on the floor."""


def uniform(rng: Rng, n: int, low: float, high: float) -> np.ndarray:
    """Returns n uniform random numbers between two bounds."""
    return rng.uniform(low, high, n)


def tilt(
    pitch: Float[np.ndarray, " n"],
    roll: np.ndarray | float = 0.0,
    yaw: np.ndarray | float = 0.0,
) -> Float[np.ndarray, "n 3 3"]:
    """Returns pelvis rotations [n, 3, 3] that pitch, then roll, then yaw.

    Args:
      pitch: [n], angle about X, which leans the body forward, radians.
      roll: [n] or a number, angle about Z, which leans the body to the right, radians.
      yaw: [n] or a number, angle about Y, which turns the body to the left, radians.
    """
    return turn("y", yaw) @ turn("z", np.asarray(roll)) @ turn("x", pitch)


def trunk(
    rng: Rng,
    n: int,
    forward: tuple[float, float] = (-0.15, 0.35),
    twist: float = 0.2,
    lean: float = 0.12,
) -> Float[np.ndarray, "n 3"]:
    """Returns random bends of the trunk [n, 3], as in `Stance.bend`.

    Args:
      rng: random generator.
      n: number of bends.
      forward: range of the uniform forward bend, radians.
      twist: standard deviation of the twist, radians.
      lean: standard deviation of the lean, radians.
    """
    return np.stack(
        [
            uniform(rng, n, *forward),
            rng.normal(0.0, twist, n),
            rng.normal(0.0, lean, n),
        ],
        axis=-1,
    )


def with_feet_at(
    pelvis: Float[np.ndarray, "n 3 3"],
    bend: Float[np.ndarray, "n 3"],
    feet: Float[np.ndarray, "n 2 3"],
    poles: Float[np.ndarray, "n 2 3"],
    yaws: Float[np.ndarray, "n 2"],
    lifted: Float[np.ndarray, "n 2"],
) -> Stance:
    """Returns the stance with the ankles at given positions.

    Args:
      pelvis: [n, 3, 3], world rotation of the pelvis.
      bend: [n, 3], bend of the trunk, as in `Stance.bend`.
      feet: [n, 2, 3], positions of the ankles relative to the pelvis, metres.
      poles: [n, 2, 3], directions in which the knees point.
      yaws: [n, 2], angles by which the toes are turned outward, radians.
      lifted: [n, 2], angles by which the heels are lifted, radians.
    """
    hips, knees, ankles = [], [], []
    for index, side in enumerate(SIDES):
        origin = pelvis @ REST_OFFSETS[SMPL_24.index(f"{side}_hip")]
        hip, knee = reach(leg(side), origin, feet[:, index], poles[:, index])
        out = side_sign(side)
        sole = turn("y", out * yaws[:, index]) @ turn("x", lifted[:, index])
        # The foot tilts with the shin where the ankle cannot bend far enough to keep
        # the sole on the floor.
        ankle = _within_reach_of(knee, sole, np.deg2rad(50.0))
        hips.append(hip)
        knees.append(knee)
        ankles.append(ankle)
    ground = feet[:, :, 1].min(axis=1) - _ANKLE_HEIGHT
    stacked = (np.stack(part, axis=1) for part in (hips, knees, ankles))
    return Stance(pelvis, bend, *stacked, ground)


def _within_reach_of(parent, child, most):
    """Returns child rotations moved toward the parent's to within an angle `most`."""
    local = to_axis_angle(np.swapaxes(parent, -1, -2) @ child)
    angle = np.linalg.norm(local, axis=-1, keepdims=True)
    return parent @ to_rotmat(local * np.minimum(1.0, most / np.maximum(angle, 1e-9)))


def with_leg_angles(
    rng: Rng,
    pelvis: Float[np.ndarray, "n 3 3"],
    bend: Float[np.ndarray, "n 3"],
    flexion: Float[np.ndarray, "n 2"],
    abduction: Float[np.ndarray, "n 2"],
    rotation: Float[np.ndarray, "n 2"],
    knee: Float[np.ndarray, "n 2"],
) -> Stance:
    """Returns the stance with given angles of the legs and relaxed feet.

    Args:
      rng: random generator for the feet.
      pelvis: [n, 3, 3], world rotation of the pelvis.
      bend: [n, 3], bend of the trunk, as in `Stance.bend`.
      flexion: [n, 2], angles by which the thighs are lifted forward, radians; see
        `limbs.bend_leg` for all four angles.
      abduction: [n, 2], angles by which the thighs are moved outward, radians.
      rotation: [n, 2], angles by which the legs are turned outward, radians.
      knee: [n, 2], angles by which the knees are bent, radians.
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


def pair(left: np.ndarray, right: np.ndarray) -> Float[np.ndarray, "n 2 ..."]:
    """Returns [n, 2, ...], the values of the left side and of the right side."""
    return np.stack([left, right], axis=1)


def feet_at(x_left, x_right, y, z_left, z_right) -> Float[np.ndarray, "n 2 3"]:
    """Returns positions of the ankles [n, 2, 3], metres, relative to the pelvis.

    Args:
      x_left: distance of the left foot outward.
      x_right: distance of the right foot outward.
      y: height of both feet.
      z_left: distance of the left foot forward.
      z_right: distance of the right foot forward.
    """
    left = np.stack(np.broadcast_arrays(x_left, y, z_left), axis=-1)
    right = np.stack(np.broadcast_arrays(-x_right, y, z_right), axis=-1)
    return pair(left, right)


def knees_toward(
    rng: Rng, n: int, outward: tuple[float, float] = (0.0, 0.4), up: float = 0.0
) -> Float[np.ndarray, "n 2 3"]:
    """Returns directions [n, 2, 3] in which the knees point: forward and outward.

    Args:
      rng: random generator.
      n: number of bodies.
      outward: range of the outward component; the forward component is 1.
      up: upward component.
    """
    x = rng.uniform(*outward, (n, 2)) * [1.0, -1.0]
    return np.stack([x, np.full((n, 2), up), np.ones((n, 2))], axis=-1)


def on_ground(
    stance: Stance, ground: Float[np.ndarray, " n"], on_hands: bool
) -> Stance:
    """Returns the stance with the floor at another height.

    Args:
      stance: stances of n bodies.
      ground: [n], height of the floor relative to the pelvis, metres.
      on_hands: whether the hands carry weight on the floor.
    """
    return dataclasses.replace(stance, ground=ground, on_hands=on_hands)


StanceSampler = Callable[[Rng, int], Stance]
"""Draws the stances of n bodies with a random generator."""
