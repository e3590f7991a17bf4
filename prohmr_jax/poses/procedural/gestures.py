"""Draws gestures of the arms: hanging, resting on the hips, crossing, reaching etc.

`compose` calls it. A gesture gives a target position for each wrist, to which the
module `arms` takes them. Positions are in metres relative to a part of the body; they
are written for the left arm (+x is outward) and mirrored for the right arm.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.kinematics import unit
from prohmr_jax.poses.procedural.limbs import ARM_LENGTH
from prohmr_jax.poses.procedural.stances import Rng


@dataclasses.dataclass(frozen=True)
class Torso:
    """Holds the parts of n bodies that gestures refer to.

    Rotations are relative to the world. Positions are relative to the pelvis, in the
    world frame and in metres; of two sides the left one comes first.
    """

    pelvis: np.ndarray
    """[n, 3, 3], rotation of the pelvis."""
    chest: np.ndarray
    """[n, 3, 3], rotation of the chest (the joint spine3)."""
    chest_at: np.ndarray
    """[n, 3], position of the joint spine3."""
    shoulders: np.ndarray
    """[n, 2, 3], positions of the shoulders."""
    head: np.ndarray
    """[n, 3, 3], rotation of the head."""
    head_at: np.ndarray
    """[n, 3], position of the joint head."""
    hips: np.ndarray
    """[n, 2, 3], positions of the hips."""
    knees: np.ndarray
    """[n, 2, 3], positions of the knees."""
    ankles: np.ndarray
    """[n, 2, 3], positions of the ankles."""
    ground: np.ndarray
    """[n], height of the floor."""

    def __len__(self) -> int:
        """Returns the number of bodies."""
        return len(self.pelvis)


def _near(rng: Rng, n: int, center, spread) -> Float[np.ndarray, "n 2 3"]:
    """Returns random offsets [n, 2, 3] for both arms, which are similar or independent.

    The x axis of the second arm is mirrored. `center` and `spread` are the mean and the
    standard deviation.
    """
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


def hang(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws arms that hang down by gravity, more or less bent."""
    offsets = _near(rng, len(torso), (0.08, -0.47, 0.05), (0.06, 0.05, 0.1))
    return torso.shoulders + offsets


def on_hips(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands on the hips."""
    offsets = _near(rng, len(torso), (0.215, 0.06, 0.02), (0.015, 0.03, 0.04))
    return _turned(torso.pelvis, offsets)


def crossed(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws arms that are crossed in front of the chest or belly."""
    offsets = _near(rng, len(torso), (-0.09, -0.02, 0.29), (0.05, 0.04, 0.02))
    offsets[:, 0] += [0.0, 0.06, 0.05]
    offsets[:, 1] -= [0.0, 0.05, 0.04]
    return _from_chest(torso, offsets)


def hold_in_front(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands that hold something in front of the trunk, such as a phone."""
    offsets = _near(rng, len(torso), (0.12, 0.02, 0.36), (0.08, 0.14, 0.08))
    return _from_chest(torso, offsets)


def guard(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws fists in front of the chin, of which the left one often strikes."""
    offsets = _near(rng, len(torso), (0.11, 0.2, 0.28), (0.05, 0.07, 0.08))
    strikes = rng.random(len(torso)) < 0.4
    punch = rng.normal((-0.05, 0.0, 0.3), (0.12, 0.12, 0.08), (len(torso), 3))
    offsets[:, 0] += strikes[:, None] * punch
    return _from_chest(torso, offsets)


def on_head(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands at the face, on top of the head or behind it."""
    n = len(torso)
    places = np.array([[0.09, 0.0, 0.14], [0.12, 0.17, 0.0], [0.1, 0.06, -0.13],
                       [0.14, 0.05, 0.03]])  # fmt: skip
    places = places[rng.integers(len(places), size=n)][:, None]
    places = places * [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]
    offsets = places + _near(rng, n, (0.0, 0.0, 0.0), (0.025, 0.03, 0.03))
    return torso.head_at[:, None] + _turned(torso.head, offsets)


def overhead(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws arms that reach up, as in cheering, hanging on a bar, serving or diving."""
    offsets = _near(rng, len(torso), (0.1, 0.45, 0.08), (0.17, 0.08, 0.16))
    return _from_shoulders(torso, offsets)


def forward(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws arms that reach forward, up or down."""
    offsets = _near(rng, len(torso), (0.0, -0.05, 0.43), (0.14, 0.2, 0.08))
    return _from_shoulders(torso, offsets)


def sideways(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws arms that are stretched out sideways, as in balancing."""
    offsets = _near(rng, len(torso), (0.42, 0.0, 0.02), (0.07, 0.2, 0.14))
    return _from_shoulders(torso, offsets)


def behind(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands behind the back and arms that swing backward."""
    offsets = _near(rng, len(torso), (0.12, -0.38, -0.22), (0.13, 0.08, 0.08))
    return _from_shoulders(torso, offsets)


def barbell(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands on a bar, on the shoulders, at the chest or above the head."""
    n = len(torso)
    height = rng.choice([0.08, 0.2, 0.48], size=n) + rng.normal(0, 0.03, n)
    width = rng.uniform(0.08, 0.3, n)
    depth = rng.normal(np.where(height < 0.14, -0.02, 0.1), 0.06)
    left = np.stack([width, height, depth], axis=-1)
    offsets = np.stack([left, left * [-1.0, 1.0, 1.0]], axis=1)
    return _from_shoulders(torso, offsets)


def on_legs(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands on the thighs, on the knees or around the shins."""
    n = len(torso)
    along = rng.uniform(0.35, 1.5, (n, 1, 1)) + rng.normal(0, 0.1, (n, 2, 1))
    thigh, shin = torso.knees - torso.hips, torso.ankles - torso.knees
    place = torso.hips + np.minimum(along, 1.0) * thigh
    place = place + np.maximum(along - 1.0, 0.0) * shin
    # The wrist is above the surface of the leg, on the side of the trunk.
    off = unit(torso.chest_at[:, None] - place)
    off = off - np.sum(off * unit(thigh), axis=-1, keepdims=True) * unit(thigh)
    return place + 0.12 * unit(off)


def on_floor(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands on the floor, below the shoulders or near that."""
    offsets = _near(rng, len(torso), (0.05, 0.0, 0.02), (0.1, 0.0, 0.14))
    places = torso.shoulders + offsets
    places[..., 1] = torso.ground[:, None] + 0.06
    return places


def to_feet(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws hands that reach for ankles and toes."""
    offsets = _near(rng, len(torso), (0.05, 0.05, 0.08), (0.06, 0.06, 0.06))
    return torso.ankles + _turned(torso.pelvis, offsets)


def anywhere(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Draws a random position within reach for each wrist, as in dance."""
    direction = unit(rng.normal((0.25, 0.1, 0.35), 0.75, (len(torso), 2, 3)))
    distance = ARM_LENGTH * rng.uniform(0.45, 1.0, (len(torso), 2, 1))
    offsets = direction * distance * [[[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]]
    return _from_shoulders(torso, offsets)


Gesture = Callable[[Rng, Torso], np.ndarray]
"""Draws target positions of the wrists [n, 2, 3], metres, relative to the pelvis."""
GESTURES: tuple[tuple[Gesture, float], ...] = (
    (hang, 1.3), (on_hips, 0.8), (crossed, 1.4), (hold_in_front, 1.2), (guard, 0.9),
    (on_head, 1.8), (overhead, 1.6), (forward, 1.1), (sideways, 1.0), (behind, 0.8),
    (barbell, 0.7), (on_legs, 2.0), (on_floor, 0.6), (to_feet, 0.8), (anywhere, 2.4),
)  # fmt: skip
"""Gestures of free arms with their relative frequencies."""


def draw_targets(rng: Rng, torso: Torso) -> Float[np.ndarray, "n 2 3"]:
    """Returns target positions of the wrists [n, 2, 3] of random gestures.

    Usually both arms of a body do the same.

    Args:
      rng: random generator.
      torso: the bodies to which the arms belong.
    """
    n = len(torso)
    weights = np.array([weight for _, weight in GESTURES])
    chosen = rng.choice(len(GESTURES), size=(n, 2), p=weights / weights.sum())
    same = rng.random(n) < 0.6
    chosen[:, 1] = np.where(same, chosen[:, 0], chosen[:, 1])
    targets = np.zeros((n, 2, 3))
    for number, (gesture, _) in enumerate(GESTURES):
        is_chosen = chosen == number
        targets[is_chosen] = gesture(rng, torso)[is_chosen]
    return targets
