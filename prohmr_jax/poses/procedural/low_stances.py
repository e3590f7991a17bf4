"""Draws stances on seats and on the floor and upside down, each function n of one kind.

`LOW` lists them for the builder of pose banks; the module `stances` explains them.
"""

import numpy as np

from prohmr_jax.poses.kinematics import to_rotmat, turn, unit
from prohmr_jax.poses.procedural.stances import (
    Rng,
    Stance,
    StanceSampler,
    feet_at,
    knees_toward,
    on_ground,
    pair,
    tilt,
    trunk,
    uniform,
    with_feet_at,
    with_leg_angles,
)

_QUARTER = np.pi / 2


def sit_on_chair(rng: Rng, n: int) -> Stance:
    """Draws people on seats of any height, with legs together, apart or crossed."""
    height = -uniform(rng, n, 0.18, 0.72)
    ahead = np.minimum(uniform(rng, n, 0.1, 0.85), np.sqrt(0.8**2 - height**2))
    spread = np.abs(rng.normal(0.14, 0.12, n)) - 0.02
    feet = feet_at(spread, spread, height, ahead, ahead + rng.normal(0, 0.12, n))
    crossed = rng.random(n) < 0.2
    lift = uniform(rng, n, 0.15, 0.45)
    feet[:, 0, 0] -= crossed * (spread + uniform(rng, n, 0.02, 0.15))
    feet[:, 0, 1] += crossed * lift
    feet[:, 0, 2] += crossed * 0.2
    pelvis = tilt(
        rng.normal(-0.15, 0.22, n), rng.normal(0, 0.06, n), rng.normal(0, 0.1, n)
    )
    bend = trunk(rng, n, (-0.1, 0.85), twist=0.25, lean=0.15)
    poles = knees_toward(rng, n, (-0.1, 0.6), up=1.0)
    yaws, lifted = rng.normal(0.15, 0.25, (n, 2)), rng.normal(0.0, 0.25, (n, 2))
    return with_feet_at(pelvis, bend, feet, poles, yaws, lifted)


def sit_on_floor(rng: Rng, n: int) -> Stance:
    """Draws people on the floor with legs straight, drawn up, apart or to one side."""
    kind = rng.choice(4, size=n, p=[0.35, 0.35, 0.15, 0.15])

    def choose(*ranges):
        low, high = (np.array([r[i] for r in ranges])[kind] for i in (0, 1))
        first = rng.uniform(low, high)
        alike = first + rng.normal(0, 0.08, n) * (high - low)
        other = np.where(rng.random(n) < 0.6, alike, rng.uniform(low, high))
        return pair(first, other)

    pitch = uniform(rng, n, -0.5, 0.25)
    flexion = choose((1.3, 1.7), (1.6, 2.3), (1.2, 1.7), (1.2, 1.7)) + pitch[:, None]
    abduction = choose((0.0, 0.6), (-0.05, 0.45), (0.4, 0.9), (0.2, 0.8))
    rotation = choose((-0.1, 0.4), (-0.1, 0.3), (0.3, 0.9), (0.3, 1.0))
    knee = choose((0.0, 0.35), (1.2, 2.3), (0.6, 1.8), (1.5, 2.4))
    aside = kind == 3
    abduction[:, 1] = np.where(aside, uniform(rng, n, -0.3, 0.2), abduction[:, 1])
    rotation[:, 1] = np.where(aside, uniform(rng, n, -0.7, -0.2), rotation[:, 1])
    pelvis = tilt(pitch, rng.normal(0, 0.08, n), rng.normal(0, 0.1, n))
    bend = trunk(rng, n, (-0.1, 0.9), twist=0.25, lean=0.15)
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


def sit_cross_legged(rng: Rng, n: int) -> Stance:
    """Draws people who sit cross-legged on the floor, one shin before the other."""
    over, ahead = uniform(rng, n, 0.02, 0.16), uniform(rng, n, 0.2, 0.34)
    feet = feet_at(-over, -over, -0.04, ahead, ahead + uniform(rng, n, 0.09, 0.2))
    feet[:, :, 1] += rng.normal(0.0, 0.03, (n, 2))
    pelvis = tilt(
        rng.normal(-0.2, 0.2, n), rng.normal(0, 0.05, n), rng.normal(0, 0.08, n)
    )
    bend = trunk(rng, n, (-0.05, 0.8), twist=0.2, lean=0.12)
    # The knees point outward and are between the floor and half of their height.
    poles = rng.uniform(0.6, 1.0, (n, 2, 1)) * [[[1.0, 0, 0], [-1.0, 0, 0]]]
    poles = poles + [0.0, 0.0, 0.5]
    poles[:, :, 1] = rng.uniform(0.0, 0.45, (n, 1))
    yaws, lifted = rng.normal(-0.6, 0.3, (n, 2)), rng.normal(0.9, 0.2, (n, 2))
    return with_feet_at(pelvis, bend, feet, poles, yaws, lifted)


def kneel(rng: Rng, n: int) -> Stance:
    """Draws people upright on both knees, sitting on their heels, or on one knee."""
    sunk = uniform(rng, n, 0.0, 1.0)
    pitch = rng.normal(0.1, 0.25, n)
    flexion = pair(*(1.15 * sunk + pitch + rng.normal(0, 0.08, (2, n))))
    knee = np.clip(pair(*(1.57 + 0.95 * sunk + rng.normal(0, 0.1, (2, n)))), 0, 2.6)
    half = rng.random(n) < 0.45
    flexion[:, 0] = np.where(half, 1.35 + 0.3 * sunk + pitch, flexion[:, 0])
    knee[:, 0] = np.where(half, uniform(rng, n, 1.1, 2.0), knee[:, 0])
    abduction = rng.gamma(1.5, 0.12, (n, 2)) - 0.05
    rotation = rng.normal(0.05, 0.15, (n, 2))
    pelvis = tilt(pitch, rng.normal(0, 0.06, n), rng.normal(0, 0.15, n))
    bend = trunk(rng, n, (-0.25, 0.8), twist=0.25, lean=0.15)
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


def lie(rng: Rng, n: int) -> Stance:
    """Draws people lying on the back, front or side, with legs straight or drawn up."""
    kind = rng.choice(3, size=n, p=[0.4, 0.25, 0.35])
    on_back, on_front = kind == 0, kind == 1
    roll = np.choose(kind, [0.0, np.pi, rng.choice([-1.0, 1.0], n) * _QUARTER])
    roll = roll + rng.normal(0.0, 0.2, n)
    pelvis = turn("x", rng.normal(-_QUARTER, 0.12, n)) @ turn("y", roll)
    drawn = rng.beta(0.8, 1.6, (n, 2)) * 1.9
    drawn = np.where(on_front[:, None], rng.normal(-0.05, 0.12, (n, 2)), drawn)
    frog = on_front & (rng.random(n) < 0.3)
    drawn[:, 0] = np.where(frog, uniform(rng, n, 0.4, 1.4), drawn[:, 0])
    knee = np.where(
        on_back[:, None] & (rng.random((n, 2)) < 0.7),
        # The sole rests on the floor, or the shin hangs over it.
        drawn * rng.uniform(1.0, 2.0, (n, 2)),
        drawn * rng.uniform(0.0, 1.9, (n, 2)),
    )
    kicked_up = on_front[:, None] & (rng.random((n, 2)) < 0.3)
    knee = np.clip(np.where(kicked_up, rng.uniform(0, 1.9, (n, 2)), knee), 0.03, 2.4)
    abduction = rng.gamma(1.3, 0.15, (n, 2)) - 0.05
    abduction[:, 0] = np.where(frog, uniform(rng, n, 0.5, 1.1), abduction[:, 0])
    rotation = rng.normal(0.2, 0.3, (n, 2))
    bend = trunk(rng, n, (-0.35, 0.45), twist=0.25, lean=0.15)
    bend[:, 0] -= 0.25 * on_front
    stance = with_leg_angles(rng, pelvis, bend, drawn, abduction, rotation, knee)
    floor = np.full(n, -0.12)
    return on_ground(stance, floor, on_hands=False)


def all_fours(rng: Rng, n: int) -> Stance:
    """Draws people on hands and knees, some crawling or with one leg stretched out."""
    pitch = rng.normal(1.4, 0.2, n)
    flexion = pitch[:, None] + rng.normal(0.0, 0.22, (n, 2))
    knee = 1.57 + rng.normal(0.0, 0.2, (n, 2)) + (flexion - pitch[:, None]) * 0.6
    stretched = rng.random(n) < 0.15
    flexion[:, 0] = np.where(stretched, uniform(rng, n, -0.3, 0.4), flexion[:, 0])
    knee[:, 0] = np.where(stretched, uniform(rng, n, 0.0, 0.6), knee[:, 0])
    pelvis = tilt(pitch, rng.normal(0, 0.08, n), rng.normal(0, 0.1, n))
    bend = trunk(rng, n, (-0.45, 0.6), twist=0.2, lean=0.12)
    abduction, rotation = rng.normal(0.05, 0.12, (n, 2)), rng.normal(0, 0.1, (n, 2))
    stance = with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)
    return on_ground(stance, stance.ground, on_hands=True)


def plank(rng: Rng, n: int) -> Stance:
    """Draws push-ups, planks, cobras, mountain climbers and downward dogs."""
    dog = rng.random(n) < 0.35
    cobra = ~dog & (rng.random(n) < 0.25)
    pitch = np.where(dog, uniform(rng, n, 1.9, 2.6), rng.normal(1.45, 0.12, n))
    fold = np.where(dog, pitch - uniform(rng, n, 0.45, 0.75), rng.normal(0, 0.1, n))
    flexion = fold[:, None] + rng.normal(0, 0.06, (n, 2))
    knee = np.abs(rng.normal(0.0, 0.12, (n, 2)))
    climbing = ~dog & (rng.random(n) < 0.25)
    flexion[:, 0] = np.where(climbing, uniform(rng, n, 0.6, 1.9), flexion[:, 0])
    knee[:, 0] = np.where(climbing, flexion[:, 0] * 1.1, knee[:, 0])
    pelvis = tilt(pitch, rng.normal(0, 0.06, n), rng.normal(0, 0.1, n))
    bend = trunk(rng, n, (-0.15, 0.25), twist=0.08, lean=0.06)
    bend[:, 0] -= cobra * uniform(rng, n, 0.2, 0.6)
    abduction, rotation = rng.normal(0.06, 0.08, (n, 2)), rng.normal(0, 0.1, (n, 2))
    stance = with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)
    return on_ground(stance, stance.ground, on_hands=True)


def airborne(rng: Rng, n: int) -> Stance:
    """Draws somersaults, cartwheels, handstands and dives, in any orientation."""
    tumble = rng.random(n) < 0.5
    anyhow = to_rotmat(unit(rng.normal(size=(n, 3))) * rng.uniform(0, np.pi, (n, 1)))
    upside_down = tilt(np.pi + rng.normal(0, 0.3, n), rng.normal(0, 0.4, n))
    pelvis = np.where(tumble[:, None, None], anyhow, upside_down)
    tucked = rng.random(n)[:, None] < 0.35
    drawn, bent = rng.uniform(1.2, 2.2, (n, 1)), rng.uniform(1.2, 2.4, (n, 1))
    flexion = np.where(tucked, drawn, rng.normal(0.2, 0.5, (n, 2)))
    knee = np.where(tucked, bent, rng.gamma(1.0, 0.4, (n, 2)))
    abduction = rng.gamma(1.3, 0.25, (n, 2)) - 0.1
    rotation = rng.normal(0.1, 0.25, (n, 2))
    bend = trunk(rng, n, (-0.5, 0.8), twist=0.3, lean=0.25)
    knee = np.clip(knee, 0.03, 2.5)
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


LOW: dict[str, StanceSampler] = {
    "sit on chair": sit_on_chair, "sit on floor": sit_on_floor,
    "sit cross-legged": sit_cross_legged, "kneel": kneel, "lie": lie,
    "all fours": all_fours, "plank": plank, "airborne": airborne,
}  # fmt: skip
