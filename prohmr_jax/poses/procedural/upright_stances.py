"""Draws stances on the feet and in the air, each function n of one kind.

`UPRIGHT` lists them for the builder of pose banks; the module `stances` explains them.
"""

import numpy as np

from prohmr_jax.poses.procedural.stances import (
    LEG_LENGTH,
    Rng,
    Stance,
    StanceSampler,
    feet_at,
    knees_toward,
    pair,
    tilt,
    trunk,
    uniform,
    with_feet_at,
    with_leg_angles,
)


def stand(rng: Rng, n: int) -> Stance:
    """Draws people who stand, with legs together or apart or the weight on one leg."""
    width = np.abs(rng.normal(0.12, 0.07, n)) + 0.03
    height = -LEG_LENGTH + np.abs(rng.normal(0.0, 0.02, n)) + 0.3 * width**2 - 0.055
    shift, step = rng.normal(0.0, 0.04, n), rng.normal(0.0, 0.1, n)
    feet = feet_at(width + shift, width - shift, height, step / 2, -step / 2)
    pelvis = tilt(rng.normal(0, 0.1, n), rng.normal(0, 0.05, n), rng.normal(0, 0.2, n))
    yaws, lifted = rng.normal(0.2, 0.15, (n, 2)), np.zeros((n, 2))
    bend = trunk(rng, n, twist=0.2)
    return with_feet_at(pelvis, bend, feet, knees_toward(rng, n), yaws, lifted)


def bend_over(rng: Rng, n: int) -> Stance:
    """Draws people who stand and bend forward, some as far as the floor."""
    width = uniform(rng, n, 0.06, 0.35)
    drop = np.abs(rng.normal(0.0, 0.12, n))
    height = -LEG_LENGTH + drop + 0.3 * width**2 - 0.03
    pitch = uniform(rng, n, 0.25, 1.5)
    step = rng.normal(0.0, 0.15, n)
    back = 0.12 * np.sin(pitch)
    feet = feet_at(width, width, height, back + step, back - step)
    bend = trunk(rng, n, (0.0, 1.1), twist=0.3, lean=0.15)
    pelvis = tilt(pitch, rng.normal(0, 0.06, n), rng.normal(0, 0.2, n))
    yaws, lifted = rng.normal(0.2, 0.2, (n, 2)), np.zeros((n, 2))
    return with_feet_at(pelvis, bend, feet, knees_toward(rng, n), yaws, lifted)


def squat(rng: Rng, n: int) -> Stance:
    """Draws people with slightly bent knees to a deep squat, some on their toes."""
    depth = uniform(rng, n, 0.1, 0.72)
    width = uniform(rng, n, 0.06, 0.4)
    height = -LEG_LENGTH + depth
    on_toes = (rng.random(n) < 0.3) * depth
    ahead = uniform(rng, n, 0.0, 0.35) * depth
    step = rng.normal(0.0, 0.1, n)
    feet = feet_at(width, width, height, ahead + step, ahead - step)
    pelvis = tilt(
        rng.normal(0.75, 0.3, n) * depth, rng.normal(0, 0.06, n), rng.normal(0, 0.15, n)
    )
    bend = trunk(rng, n, (-0.15, 0.7), twist=0.2)
    poles = knees_toward(rng, n, (0.1, 0.9))
    yaws, lifted = rng.normal(0.4, 0.25, (n, 2)), pair(on_toes, on_toes)
    return with_feet_at(pelvis, bend, feet, poles, yaws, lifted)


def lunge(rng: Rng, n: int) -> Stance:
    """Draws lunges, one foot far in front, the back knee straight or bent."""
    stride = uniform(rng, n, 0.5, 1.15)
    deepest = np.sqrt(np.maximum(LEG_LENGTH**2 - (stride / 2) ** 2, 0.09))
    height = -deepest * uniform(rng, n, 0.5, 1.0)
    share = uniform(rng, n, 0.35, 0.65)
    x_left, x_right = rng.normal(0.1, 0.06, n), rng.normal(0.1, 0.06, n)
    feet = feet_at(x_left, x_right, height, stride * share, -stride * (1 - share))
    heel = uniform(rng, n, 0.2, 1.0)
    feet[:, 1, 1] += 0.12 * np.sin(heel)
    pelvis = tilt(
        rng.normal(0.15, 0.2, n), rng.normal(0, 0.06, n), rng.normal(0, 0.25, n)
    )
    bend = trunk(rng, n, (-0.3, 0.7), twist=0.35, lean=0.2)
    yaws = pair(rng.normal(0.1, 0.15, n), rng.normal(0.2, 0.25, n))
    lifted = pair(np.zeros(n), heel)
    poles = knees_toward(rng, n, (-0.1, 0.35))
    # The knee of the back leg points down and forward.
    poles[:, 1, 1] -= uniform(rng, n, 0.0, 1.0)
    return with_feet_at(pelvis, bend, feet, poles, yaws, lifted)


def side_lunge(rng: Rng, n: int) -> Stance:
    """Draws people with the legs wide apart and the weight between them or on one."""
    width = uniform(rng, n, 0.6, 1.3)
    share = uniform(rng, n, 0.2, 0.5)
    reachable = np.sqrt(np.maximum(LEG_LENGTH**2 - (width * (1 - share)) ** 2, 0.04))
    height = -np.minimum(reachable, 0.75 * LEG_LENGTH) * uniform(rng, n, 0.6, 1.0)
    ahead = rng.normal(0, 0.1, (2, n))
    feet = feet_at(width * share, width * (1 - share), height, *ahead)
    pelvis = tilt(rng.normal(0.3, 0.3, n), rng.normal(0, 0.1, n), rng.normal(0, 0.2, n))
    bend = trunk(rng, n, (-0.2, 0.7), twist=0.3, lean=0.3)
    poles = knees_toward(rng, n, (0.3, 1.2))
    yaws, lifted = rng.normal(0.5, 0.3, (n, 2)), np.zeros((n, 2))
    return with_feet_at(pelvis, bend, feet, poles, yaws, lifted)


def stride(rng: Rng, n: int) -> Stance:
    """Draws steps of running, skipping and climbing, with one thigh up, one behind."""
    flexion = pair(uniform(rng, n, 0.3, 1.9), uniform(rng, n, -0.6, 0.5))
    knee = pair(
        np.clip(flexion[:, 0] * uniform(rng, n, 0.2, 1.6), 0.05, 2.4),
        rng.beta(1.2, 2.0, n) * 2.2,
    )
    lean = uniform(rng, n, -0.15, 0.5)
    pelvis = tilt(lean, rng.normal(0, 0.1, n), rng.normal(0, 0.2, n))
    bend = trunk(rng, n, (-0.2, 0.5), twist=0.3, lean=0.15)
    abduction = rng.normal(0.08, 0.15, (n, 2))
    rotation = rng.normal(0.08, 0.15, (n, 2))
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


def kick(rng: Rng, n: int) -> Stance:
    """Draws kicks with one leg, forward, sideways or back, some as high as the head."""
    stance_leg = rng.normal(0.0, 0.15, n)
    kind = rng.integers(3, size=n)
    ahead, half_ahead = uniform(rng, n, 0.6, 2.2), uniform(rng, n, 0.0, 1.6)
    forward = np.choose(kind, [ahead, half_ahead, rng.normal(-0.5, 0.2, n)])
    sideways, little = uniform(rng, n, 0.6, 1.4), rng.normal(0.15, 0.2, n)
    aside = np.choose(kind, [little, sideways, little])
    knee = np.where(
        rng.random(n) < 0.55, np.abs(rng.normal(0, 0.3, n)), uniform(rng, n, 0.3, 2.0)
    )
    lean_back = -0.25 * np.maximum(forward, 0.0) + np.where(kind == 2, 0.7, 0.0)
    pitch = lean_back * uniform(rng, n, 0.0, 1.3) + rng.normal(0, 0.15, n)
    roll = -aside * uniform(rng, n, -0.1, 0.7) * (kind == 1)
    # The angles of the kick are relative to the pelvis. The other leg stays upright, so
    # that its angles compensate for the lean of the pelvis.
    pelvis = tilt(pitch, -roll, rng.normal(0, 0.2, n))
    flexion = pair(forward, stance_leg + pitch)
    abduction = pair(aside, rng.normal(0.05, 0.08, n) - roll)
    rotation = pair(rng.normal(0.2, 0.3, n), rng.normal(0.2, 0.25, n))
    knees = pair(knee, np.abs(rng.normal(0.1, 0.25, n)))
    bend = trunk(rng, n, (-0.3, 0.6), twist=0.4, lean=0.25)
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knees)


def one_leg(rng: Rng, n: int) -> Stance:
    """Draws people who balance on one leg: tree, stork, held foot or arabesque."""
    kind = rng.integers(4, size=n)

    def choose(*ranges):
        return np.choose(kind, [uniform(rng, n, *r) for r in ranges])

    flexion = choose((0.5, 1.1), (1.0, 2.0), (-0.5, 0.2), (-0.7, -0.1))
    abduction = choose((0.6, 1.2), (-0.1, 0.3), (-0.05, 0.15), (0.0, 0.4))
    rotation = choose((0.5, 1.1), (-0.1, 0.3), (-0.2, 0.2), (0.0, 0.5))
    knee = choose((1.7, 2.5), (0.6, 2.3), (1.7, 2.5), (0.0, 0.4))
    pitch = choose((-0.1, 0.1), (-0.15, 0.1), (-0.1, 0.4), (0.2, 1.3))
    roll = rng.normal(0, 0.08, n)
    pelvis = tilt(pitch, roll, rng.normal(0, 0.15, n))
    flexions = pair(flexion, pitch + rng.normal(0, 0.08, n))
    abductions = pair(abduction, rng.normal(0.03, 0.05, n) + roll)
    rotations = pair(rotation, rng.normal(0.1, 0.15, n))
    knees = pair(knee, np.abs(rng.normal(0, 0.15, n)))
    bend = trunk(rng, n, (-0.5, 0.3), twist=0.2, lean=0.2)
    return with_leg_angles(rng, pelvis, bend, flexions, abductions, rotations, knees)


def jump(rng: Rng, n: int) -> Stance:
    """Draws jumps: straight, tucked, as a star, in a split, and all in between."""
    alike = uniform(rng, n, 0.0, 1.0)[:, None] < 0.5
    flexion = rng.uniform(-0.5, 2.1, (n, 2))
    knee = rng.beta(1.0, 1.5, (n, 2)) * 2.4
    abduction = rng.gamma(1.3, 0.25, (n, 2)) - 0.1
    rotation = rng.normal(0.15, 0.25, (n, 2))
    flexion, knee, abduction = (
        np.where(alike, part[:, :1] + rng.normal(0, 0.1, (n, 2)), part)
        for part in (flexion, np.maximum(knee, 0.05), abduction)
    )
    pelvis = tilt(
        rng.normal(0.05, 0.3, n), rng.normal(0, 0.2, n), rng.normal(0, 0.3, n)
    )
    bend = trunk(rng, n, (-0.5, 0.8), twist=0.35, lean=0.25)
    return with_leg_angles(rng, pelvis, bend, flexion, abduction, rotation, knee)


UPRIGHT: dict[str, StanceSampler] = {
    "stand": stand, "bend over": bend_over, "squat": squat, "lunge": lunge,
    "side lunge": side_lunge, "stride": stride, "kick": kick, "one leg": one_leg,
    "jump": jump,
}  # fmt: skip
