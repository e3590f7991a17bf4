"""What the arms do: hang, rest on hips, cross, reach, throw, hold, carry weight.

A gesture names a place for each wrist; inverse kinematics gets it there. Places are in
metres from a part of the body, written for the left arm (+x outward) and mirrored for
the right one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from prohmr_jax.poses.kinematics import REST_OFFSETS, to_rotmat, turn, unit
from prohmr_jax.poses.procedural.limbs import SIDES, arm, reach, side_sign
from prohmr_jax.poses.procedural.stances import Rng
from prohmr_jax.skeleton import SMPL_24

_ARM_LENGTH = float(
    sum(np.linalg.norm(bone) for bone in (arm("left").upper, arm("left").lower))
)


@dataclasses.dataclass(frozen=True)
class Torso:
    """What a gesture can refer to; world frame, against the pelvis."""

    pelvis: np.ndarray
    """[n, 3, 3] rotation; so is the next."""
    chest: np.ndarray
    chest_at: np.ndarray
    """[n, 3] the joint spine3; shoulders are [n, 2, 3]."""
    shoulders: np.ndarray
    head: np.ndarray
    """[n, 3, 3] rotation, then the joint [n, 3]."""
    head_at: np.ndarray
    hips: np.ndarray
    """[n, 2, 3]; so are the knees and ankles."""
    knees: np.ndarray
    ankles: np.ndarray
    ground: np.ndarray
    """[n] height of the floor."""

    def __len__(self) -> int:
        """Returns the number of bodies."""
        return len(self.pelvis)


def _near(rng: Rng, n: int, center, spread) -> np.ndarray:
    """Returns [n, 2, 3] offsets, the second one's x mirrored; arms differ a little."""
    common = rng.normal(0.0, 1.0, (n, 1, 3))
    own = rng.normal(0.0, 1.0, (n, 2, 3))
    alike = rng.random((n, 1, 1)) < 0.6
    drawn = np.where(alike, 0.9 * common + 0.35 * own, own)
    offsets = np.asarray(center) + drawn * np.asarray(spread)
    return offsets * np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])


def _turned(rotation: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nsj->nsi", rotation, offsets)


def _from_shoulders(torso: Torso, offsets: np.ndarray) -> np.ndarray:
    return torso.shoulders + _turned(torso.chest, offsets)


def _from_chest(torso: Torso, offsets: np.ndarray) -> np.ndarray:
    return torso.chest_at[:, None] + _turned(torso.chest, offsets)


def hang(rng: Rng, torso: Torso) -> np.ndarray:
    """Hanging down by gravity, more or less bent."""
    offsets = _near(rng, len(torso), (0.08, -0.47, 0.05), (0.06, 0.05, 0.1))
    return torso.shoulders + offsets


def on_hips(rng: Rng, torso: Torso) -> np.ndarray:
    """Hands on the hips."""
    offsets = _near(rng, len(torso), (0.215, 0.06, 0.02), (0.015, 0.03, 0.04))
    return _turned(torso.pelvis, offsets)


def crossed(rng: Rng, torso: Torso) -> np.ndarray:
    """Arms crossed before the chest or belly, one above the other."""
    offsets = _near(rng, len(torso), (-0.09, -0.02, 0.29), (0.05, 0.04, 0.02))
    offsets[:, 0] += [0.0, 0.06, 0.05]
    offsets[:, 1] -= [0.0, 0.05, 0.04]
    return _from_chest(torso, offsets)


def hold_in_front(rng: Rng, torso: Torso) -> np.ndarray:
    """Holding a thing, a phone, a bag, a racket or a pan before the trunk."""
    offsets = _near(rng, len(torso), (0.12, 0.02, 0.36), (0.08, 0.14, 0.08))
    return _from_chest(torso, offsets)


def guard(rng: Rng, torso: Torso) -> np.ndarray:
    """Fists up before the chin; one of them often strikes."""
    offsets = _near(rng, len(torso), (0.11, 0.2, 0.28), (0.05, 0.07, 0.08))
    strikes = rng.random(len(torso)) < 0.4
    punch = rng.normal((-0.05, 0.0, 0.3), (0.12, 0.12, 0.08), (len(torso), 3))
    offsets[:, 0] += strikes[:, None] * punch
    return _from_chest(torso, offsets)


def on_head(rng: Rng, torso: Torso) -> np.ndarray:
    """Hands at the face, on top of the head or behind it."""
    n = len(torso)
    places = np.array([[0.09, 0.0, 0.14], [0.12, 0.17, 0.0], [0.1, 0.06, -0.13],
                       [0.14, 0.05, 0.03]])  # fmt: skip
    places = places[rng.integers(len(places), size=n)][:, None]
    places = places * [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]
    offsets = places + _near(rng, n, (0.0, 0.0, 0.0), (0.025, 0.03, 0.03))
    return torso.head_at[:, None] + _turned(torso.head, offsets)


def overhead(rng: Rng, torso: Torso) -> np.ndarray:
    """Reaching up: cheering, hanging on a bar, pressing a weight, a serve, a dive."""
    offsets = _near(rng, len(torso), (0.1, 0.45, 0.08), (0.17, 0.08, 0.16))
    return _from_shoulders(torso, offsets)


def forward(rng: Rng, torso: Torso) -> np.ndarray:
    """Reaching forward, up or down."""
    offsets = _near(rng, len(torso), (0.0, -0.05, 0.43), (0.14, 0.2, 0.08))
    return _from_shoulders(torso, offsets)


def sideways(rng: Rng, torso: Torso) -> np.ndarray:
    """Arms out: a T, a balance, wings, a bow drawn."""
    offsets = _near(rng, len(torso), (0.42, 0.0, 0.02), (0.07, 0.2, 0.14))
    return _from_shoulders(torso, offsets)


def behind(rng: Rng, torso: Torso) -> np.ndarray:
    """Hands behind the back, or arms swung back."""
    offsets = _near(rng, len(torso), (0.12, -0.38, -0.22), (0.13, 0.08, 0.08))
    return _from_shoulders(torso, offsets)


def barbell(rng: Rng, torso: Torso) -> np.ndarray:
    """A bar on the shoulders, at the chest, or pressed over the head."""
    n = len(torso)
    height = rng.choice([0.08, 0.2, 0.48], size=n) + rng.normal(0, 0.03, n)
    width = rng.uniform(0.08, 0.3, n)
    depth = rng.normal(np.where(height < 0.14, -0.02, 0.1), 0.06)
    left = np.stack([width, height, depth], axis=-1)
    offsets = np.stack([left, left * [-1.0, 1.0, 1.0]], axis=1)
    return _from_shoulders(torso, offsets)


def on_legs(rng: Rng, torso: Torso) -> np.ndarray:
    """Hands on the thighs, the knees, or around the shins."""
    n = len(torso)
    along = rng.uniform(0.35, 1.5, (n, 1, 1)) + rng.normal(0, 0.1, (n, 2, 1))
    thigh, shin = torso.knees - torso.hips, torso.ankles - torso.knees
    place = torso.hips + np.minimum(along, 1.0) * thigh
    place = place + np.maximum(along - 1.0, 0.0) * shin
    # Above the flesh, on the side of the trunk.
    off = unit(torso.chest_at[:, None] - place)
    off = off - np.sum(off * unit(thigh), axis=-1, keepdims=True) * unit(thigh)
    return place + 0.12 * unit(off)


def on_floor(rng: Rng, torso: Torso) -> np.ndarray:
    """Hands on the floor below the shoulders, or a little off."""
    offsets = _near(rng, len(torso), (0.05, 0.0, 0.02), (0.1, 0.0, 0.14))
    places = torso.shoulders + offsets
    places[..., 1] = torso.ground[:, None] + 0.06
    return places


def to_feet(rng: Rng, torso: Torso) -> np.ndarray:
    """Reaching for ankles and toes."""
    offsets = _near(rng, len(torso), (0.05, 0.05, 0.08), (0.06, 0.06, 0.06))
    return torso.ankles + _turned(torso.pelvis, offsets)


def anywhere(rng: Rng, torso: Torso) -> np.ndarray:
    """Each wrist at a random place within reach; dance and the unforeseen."""
    direction = unit(rng.normal((0.25, 0.1, 0.35), 0.75, (len(torso), 2, 3)))
    distance = _ARM_LENGTH * rng.uniform(0.45, 1.0, (len(torso), 2, 1))
    offsets = direction * distance * [[[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]]
    return _from_shoulders(torso, offsets)


Gesture = Callable[[Rng, Torso], np.ndarray]
# Gestures and how often each is drawn when the arms are free.
GESTURES: tuple[tuple[Gesture, float], ...] = (
    (hang, 1.3), (on_hips, 0.8), (crossed, 1.4), (hold_in_front, 1.2), (guard, 0.9),
    (on_head, 1.8), (overhead, 1.6), (forward, 1.1), (sideways, 1.0), (behind, 0.8),
    (barbell, 0.7), (on_legs, 2.0), (on_floor, 0.6), (to_feet, 0.8), (anywhere, 2.4),
)  # fmt: skip


def draw_targets(rng: Rng, torso: Torso) -> np.ndarray:
    """Returns a place [n, 2, 3] for each wrist; usually both arms do the same."""
    n = len(torso)
    weights = np.array([weight for _, weight in GESTURES])
    chosen = rng.choice(len(GESTURES), size=(n, 2), p=weights / weights.sum())
    same = rng.random(n) < 0.6
    chosen[:, 1] = np.where(same, chosen[:, 0], chosen[:, 1])
    targets = np.zeros((n, 2, 3))
    for number, (gesture, _) in enumerate(GESTURES):
        mine = chosen == number
        targets[mine] = gesture(rng, torso)[mine]
    return targets


def arms_to(rng: Rng, torso: Torso, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns world rotations of shoulder, elbow and wrist, each [n, 2, 3, 3].

    The elbow hangs, points out or back, as chance has it; so does the forearm's twist.

    Args:
      rng: source of chance.
      torso: the body the arms belong to.
      targets: [n, 2, 3] places of the wrists.
    """
    n = len(torso)
    mix = np.abs(rng.normal(0, 1, (n, 3))) + [0.5, 0.35, 0.25]
    shoulders, elbows, wrists = [], [], []
    roll = float(np.deg2rad(rng.uniform(0.0, 30.0)))
    for index, side in enumerate(SIDES):
        out = side_sign(side)
        own = mix + rng.normal(0, 0.25, (n, 3))
        toward = unit(targets[:, index] - torso.shoulders[:, index])
        toward = np.einsum("nji,nj->ni", torso.chest, toward)
        # The elbow of a raised arm turns forward, that of an arm behind stays back.
        down = own[:, 0] * np.clip(1.0 + 2.0 * toward[:, 2], 0.0, 1.0)
        ahead = own[:, 2] * np.clip(1.2 * toward[:, 1], -1.0, 0.8)
        pole = np.stack([out * own[:, 1], -down, ahead], axis=-1)
        pole = np.einsum("nij,nj->ni", torso.chest, pole)
        shoulder, elbow = reach(
            arm(side, roll), torso.shoulders[:, index], targets[:, index], pole
        )
        twist = np.clip(rng.normal(0.0, 0.6, n), -1.6, 1.6)
        bent = rng.normal(0, [0.0, 0.2, 0.25], (n, 3))
        shoulders.append(shoulder)
        elbows.append(elbow)
        wrists.append(elbow @ turn("x", twist) @ to_rotmat(bent))
    return tuple(np.stack(part, axis=1) for part in (shoulders, elbows, wrists))


def follow_arms(rng: Rng, torso: Torso, targets: np.ndarray) -> np.ndarray:
    """Returns collars [n, 2, 3, 3] against the chest that go along with the arms.

    A raised arm takes the shoulder up with it, a reaching one forward.
    """
    share = rng.uniform(0.0, 1.0, (len(torso), 1))
    collars = []
    for index, side in enumerate(SIDES):
        toward = targets[:, index] - torso.shoulders[:, index]
        local = np.einsum("nji,nj->ni", torso.chest, toward) / _ARM_LENGTH
        # 20 degrees at most, for an arm stretched out that way.
        lift, ahead = np.clip(local[:, 1:], -0.3, 1.0).T * np.deg2rad(20.0)
        out = side_sign(side)
        axis_angle = np.stack([np.zeros_like(lift), -out * ahead, out * lift], axis=-1)
        collars.append(to_rotmat(share * axis_angle))
    return np.stack(collars, axis=1)


def shoulders_at(chest: np.ndarray, chest_at: np.ndarray, collars: np.ndarray):
    """Returns shoulders [n, 2, 3] for collars [n, 2, 3, 3] against the chest."""
    places = []
    for index, side in enumerate(SIDES):
        collar, shoulder = (
            REST_OFFSETS[SMPL_24.index(f"{side}_{name}")]
            for name in ("collar", "shoulder")
        )
        inside = collar + collars[:, index] @ shoulder
        places.append(chest_at + np.einsum("nij,nj->ni", chest, inside))
    return np.stack(places, axis=1)
