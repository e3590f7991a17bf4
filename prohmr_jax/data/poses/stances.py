"""What pelvis, trunk and legs do: standing, sitting, lying, jumping and so on.

A stance is drawn with the body facing +Z; whoever uses it adds a heading. Metres and
radians; angles are drawn in the ranges that people use, joint limits are checked later.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from prohmr_jax.data.poses.kinematics import (
    REST_OFFSETS,
    to_axis_angle,
    to_rotmat,
    turn,
)
from prohmr_jax.data.poses.limbs import SIDES, bend_leg, leg, reach, side_sign
from prohmr_jax.skeleton import SMPL_24

Rng = np.random.Generator
# The sole below the ankle.
_ANKLE_HEIGHT = 0.08
_LEG_LENGTH = float(
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


def _uniform(rng: Rng, n: int, low: float, high: float) -> np.ndarray:
    return rng.uniform(low, high, n)


def _tilt(pitch, roll=0.0, yaw=0.0) -> np.ndarray:
    """Returns pelvis rotations: lean forward, then lean to the right, then turn."""
    return turn("y", yaw) @ turn("z", np.asarray(roll)) @ turn("x", pitch)


def _trunk(rng: Rng, n: int, forward=(-0.15, 0.35), twist=0.2, lean=0.12):
    """Returns trunk bends: forward in a range, twist and lean by deviation."""
    return np.stack(
        [
            _uniform(rng, n, *forward),
            rng.normal(0.0, twist, n),
            rng.normal(0.0, lean, n),
        ],
        axis=-1,
    )


def _feet_down(rng, pelvis, bend, feet, poles, yaws, lifted, on_hands=False):
    """Returns the stance with ankles at given places and soles near the floor.

    Args:
      rng: source of chance.
      pelvis: [n, 3, 3].
      bend: [n, 3].
      feet: [n, 2, 3] ankles against the pelvis.
      poles: [n, 2, 3] where the knees point.
      yaws: [n, 2] turn of the toes outward.
      lifted: [n, 2] how far the heel is up, as an angle of the foot.
      on_hands: passed on.
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
    return Stance(pelvis, bend, *stacked, ground, on_hands)


def _within_reach_of(parent, child, most):
    """Returns child, turned toward its parent until at most an angle away."""
    local = to_axis_angle(np.swapaxes(parent, -1, -2) @ child)
    angle = np.linalg.norm(local, axis=-1, keepdims=True)
    return parent @ to_rotmat(local * np.minimum(1.0, most / np.maximum(angle, 1e-9)))


def _by_angles(rng, pelvis, bend, flexion, abduction, rotation, knee, on_hands=False):
    """Returns the stance with given leg angles [n, 2] and relaxed feet."""
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
    return Stance(pelvis, bend, *stacked, np.minimum(lowest, -0.1) - 0.06, on_hands)


def _pair(left, right) -> np.ndarray:
    return np.stack([left, right], axis=1)


def _feet(x_left, x_right, y, z_left, z_right) -> np.ndarray:
    """Returns ankles [n, 2, 3]; x is counted outward on either side."""
    left = np.stack(np.broadcast_arrays(x_left, y, z_left), axis=-1)
    right = np.stack(np.broadcast_arrays(-x_right, y, z_right), axis=-1)
    return _pair(left, right)


def _poles(rng: Rng, n: int, outward=(0.0, 0.4), up=0.0) -> np.ndarray:
    x = rng.uniform(*outward, (n, 2)) * [1.0, -1.0]
    return np.stack([x, np.full((n, 2), up), np.ones((n, 2))], axis=-1)


def stand(rng: Rng, n: int) -> Stance:
    """Standing at ease, at attention, with legs apart, weight on one leg."""
    width = np.abs(rng.normal(0.12, 0.07, n)) + 0.03
    height = -_LEG_LENGTH + np.abs(rng.normal(0.0, 0.02, n)) + 0.3 * width**2 - 0.055
    shift, step = rng.normal(0.0, 0.04, n), rng.normal(0.0, 0.1, n)
    feet = _feet(width + shift, width - shift, height, step / 2, -step / 2)
    pelvis = _tilt(rng.normal(0, 0.1, n), rng.normal(0, 0.05, n), rng.normal(0, 0.2, n))
    yaws, lifted = rng.normal(0.2, 0.15, (n, 2)), np.zeros((n, 2))
    bend = _trunk(rng, n, twist=0.2)
    return _feet_down(rng, pelvis, bend, feet, _poles(rng, n), yaws, lifted)


def bend_over(rng: Rng, n: int) -> Stance:
    """Standing and bent forward, to the floor at the most."""
    width = _uniform(rng, n, 0.06, 0.35)
    drop = np.abs(rng.normal(0.0, 0.12, n))
    height = -_LEG_LENGTH + drop + 0.3 * width**2 - 0.03
    pitch = _uniform(rng, n, 0.25, 1.5)
    step = rng.normal(0.0, 0.15, n)
    back = 0.12 * np.sin(pitch)
    feet = _feet(width, width, height, back + step, back - step)
    bend = _trunk(rng, n, (0.0, 1.1), twist=0.3, lean=0.15)
    pelvis = _tilt(pitch, rng.normal(0, 0.06, n), rng.normal(0, 0.2, n))
    yaws, lifted = rng.normal(0.2, 0.2, (n, 2)), np.zeros((n, 2))
    return _feet_down(rng, pelvis, bend, feet, _poles(rng, n), yaws, lifted)


def squat(rng: Rng, n: int) -> Stance:
    """From bent knees to a deep squat, on the soles or on the toes."""
    depth = _uniform(rng, n, 0.1, 0.72)
    width = _uniform(rng, n, 0.06, 0.4)
    height = -_LEG_LENGTH + depth
    on_toes = (rng.random(n) < 0.3) * depth
    ahead = _uniform(rng, n, 0.0, 0.35) * depth
    step = rng.normal(0.0, 0.1, n)
    feet = _feet(width, width, height, ahead + step, ahead - step)
    pelvis = _tilt(
        rng.normal(0.75, 0.3, n) * depth, rng.normal(0, 0.06, n), rng.normal(0, 0.15, n)
    )
    bend = _trunk(rng, n, (-0.15, 0.7), twist=0.2)
    poles = _poles(rng, n, (0.1, 0.9))
    yaws, lifted = rng.normal(0.4, 0.25, (n, 2)), _pair(on_toes, on_toes)
    return _feet_down(rng, pelvis, bend, feet, poles, yaws, lifted)


def lunge(rng: Rng, n: int) -> Stance:
    """One foot far in front, the back knee straight, bent or near the floor."""
    stride = _uniform(rng, n, 0.5, 1.15)
    deepest = np.sqrt(np.maximum(_LEG_LENGTH**2 - (stride / 2) ** 2, 0.09))
    height = -deepest * _uniform(rng, n, 0.5, 1.0)
    share = _uniform(rng, n, 0.35, 0.65)
    x_left, x_right = rng.normal(0.1, 0.06, n), rng.normal(0.1, 0.06, n)
    feet = _feet(x_left, x_right, height, stride * share, -stride * (1 - share))
    heel = _uniform(rng, n, 0.2, 1.0)
    feet[:, 1, 1] += 0.12 * np.sin(heel)
    pelvis = _tilt(
        rng.normal(0.15, 0.2, n), rng.normal(0, 0.06, n), rng.normal(0, 0.25, n)
    )
    bend = _trunk(rng, n, (-0.3, 0.7), twist=0.35, lean=0.2)
    yaws = _pair(rng.normal(0.1, 0.15, n), rng.normal(0.2, 0.25, n))
    lifted = _pair(np.zeros(n), heel)
    poles = _poles(rng, n, (-0.1, 0.35))
    # The back knee points down and forward.
    poles[:, 1, 1] -= _uniform(rng, n, 0.0, 1.0)
    return _feet_down(rng, pelvis, bend, feet, poles, yaws, lifted)


def side_lunge(rng: Rng, n: int) -> Stance:
    """Legs wide apart, weight between them or on one."""
    width = _uniform(rng, n, 0.6, 1.3)
    share = _uniform(rng, n, 0.2, 0.5)
    reachable = np.sqrt(np.maximum(_LEG_LENGTH**2 - (width * (1 - share)) ** 2, 0.04))
    height = -np.minimum(reachable, 0.75 * _LEG_LENGTH) * _uniform(rng, n, 0.6, 1.0)
    feet = _feet(width * share, width * (1 - share), height, *rng.normal(0, 0.1, (2, n)))
    pelvis = _tilt(
        rng.normal(0.3, 0.3, n), rng.normal(0, 0.1, n), rng.normal(0, 0.2, n)
    )
    bend = _trunk(rng, n, (-0.2, 0.7), twist=0.3, lean=0.3)
    poles = _poles(rng, n, (0.3, 1.2))
    yaws, lifted = rng.normal(0.5, 0.3, (n, 2)), np.zeros((n, 2))
    return _feet_down(rng, pelvis, bend, feet, poles, yaws, lifted)


def stride(rng: Rng, n: int) -> Stance:
    """Running, skipping and climbing steps: one thigh up, the other behind."""
    flexion = _pair(_uniform(rng, n, 0.3, 1.9), _uniform(rng, n, -0.6, 0.5))
    knee = _pair(
        np.clip(flexion[:, 0] * _uniform(rng, n, 0.2, 1.6), 0.05, 2.4),
        rng.beta(1.2, 2.0, n) * 2.2,
    )
    lean = _uniform(rng, n, -0.15, 0.5)
    pelvis = _tilt(lean, rng.normal(0, 0.1, n), rng.normal(0, 0.2, n))
    bend = _trunk(rng, n, (-0.2, 0.5), twist=0.3, lean=0.15)
    abduction = rng.normal(0.08, 0.15, (n, 2))
    rotation = rng.normal(0.08, 0.15, (n, 2))
    return _by_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


def kick(rng: Rng, n: int) -> Stance:
    """One leg carries, the other kicks forward, sideways or back, up to the head."""
    stance_leg = rng.normal(0.0, 0.15, n)
    kind = rng.integers(3, size=n)
    forward = np.choose(
        kind,
        [_uniform(rng, n, 0.6, 2.2), _uniform(rng, n, 0.0, 1.6), rng.normal(-0.5, 0.2, n)],
    )
    aside = np.choose(
        kind,
        [rng.normal(0.1, 0.2, n), _uniform(rng, n, 0.6, 1.4), rng.normal(0.2, 0.2, n)],
    )
    knee = np.where(
        rng.random(n) < 0.55, np.abs(rng.normal(0, 0.3, n)), _uniform(rng, n, 0.3, 2.0)
    )
    lean_back = -0.25 * np.maximum(forward, 0.0) + np.where(kind == 2, 0.7, 0.0)
    pitch = lean_back * _uniform(rng, n, 0.0, 1.3) + rng.normal(0, 0.15, n)
    roll = -aside * _uniform(rng, n, -0.1, 0.7) * (kind == 1)
    # The kick is relative to the pelvis; the other leg makes up for its lean.
    pelvis = _tilt(pitch, -roll, rng.normal(0, 0.2, n))
    flexion = _pair(forward, stance_leg + pitch)
    abduction = _pair(aside, rng.normal(0.05, 0.08, n) - roll)
    rotation = _pair(rng.normal(0.2, 0.3, n), rng.normal(0.2, 0.25, n))
    knees = _pair(knee, np.abs(rng.normal(0.1, 0.25, n)))
    bend = _trunk(rng, n, (-0.3, 0.6), twist=0.4, lean=0.25)
    return _by_angles(rng, pelvis, bend, flexion, abduction, rotation, knees)


def one_leg(rng: Rng, n: int) -> Stance:
    """Balancing: tree, stork, foot held behind, arabesque."""
    kind = rng.integers(4, size=n)

    def choose(*ranges):
        return np.choose(kind, [_uniform(rng, n, *r) for r in ranges])

    flexion = choose((0.5, 1.1), (1.0, 2.0), (-0.5, 0.2), (-0.7, -0.1))
    abduction = choose((0.6, 1.2), (-0.1, 0.3), (-0.05, 0.15), (0.0, 0.4))
    rotation = choose((0.5, 1.1), (-0.1, 0.3), (-0.2, 0.2), (0.0, 0.5))
    knee = choose((1.7, 2.5), (0.6, 2.3), (1.7, 2.5), (0.0, 0.4))
    pitch = choose((-0.1, 0.1), (-0.15, 0.1), (-0.1, 0.4), (0.2, 1.3))
    roll = rng.normal(0, 0.08, n)
    pelvis = _tilt(pitch, roll, rng.normal(0, 0.15, n))
    flexions = _pair(flexion, pitch + rng.normal(0, 0.08, n))
    abductions = _pair(abduction, rng.normal(0.03, 0.05, n) + roll)
    rotations = _pair(rotation, rng.normal(0.1, 0.15, n))
    knees = _pair(knee, np.abs(rng.normal(0, 0.15, n)))
    bend = _trunk(rng, n, (-0.5, 0.3), twist=0.2, lean=0.2)
    return _by_angles(rng, pelvis, bend, flexions, abductions, rotations, knees)


def jump(rng: Rng, n: int) -> Stance:
    """In the air: straight, tucked, star, split and everything between."""
    alike = _uniform(rng, n, 0.0, 1.0)[:, None] < 0.5
    flexion = rng.uniform(-0.5, 2.1, (n, 2))
    knee = rng.beta(1.0, 1.5, (n, 2)) * 2.4
    abduction = rng.gamma(1.3, 0.25, (n, 2)) - 0.1
    rotation = rng.normal(0.15, 0.25, (n, 2))
    flexion, knee, abduction = (
        np.where(alike, part[:, :1] + rng.normal(0, 0.1, (n, 2)), part)
        for part in (flexion, np.maximum(knee, 0.05), abduction)
    )
    pelvis = _tilt(
        rng.normal(0.05, 0.3, n), rng.normal(0, 0.2, n), rng.normal(0, 0.3, n)
    )
    bend = _trunk(rng, n, (-0.5, 0.8), twist=0.35, lean=0.25)
    return _by_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


StanceSampler = Callable[[Rng, int], Stance]
UPRIGHT: dict[str, StanceSampler] = {
    "stand": stand, "bend over": bend_over, "squat": squat, "lunge": lunge,
    "side lunge": side_lunge, "stride": stride, "kick": kick, "one leg": one_leg,
    "jump": jump,
}  # fmt: skip
