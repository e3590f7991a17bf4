"""Takes the wrists to target positions, with elbows, forearms and collars that follow.

`compose` calls it with the targets that a gesture draws.
"""

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.kinematics import REST_OFFSETS, to_rotmat, turn, unit
from prohmr_jax.poses.procedural.gestures import Torso
from prohmr_jax.poses.procedural.limbs import (
    ARM_LENGTH,
    SIDES,
    arm,
    reach,
    side_sign,
)
from prohmr_jax.poses.procedural.stances import Rng
from prohmr_jax.skeleton import SMPL_24


def arms_to(
    rng: Rng, torso: Torso, targets: Float[np.ndarray, "n 2 3"]
) -> tuple[np.ndarray, ...]:
    """Returns the world rotations of shoulders, elbows and wrists, each [n, 2, 3, 3].

    The direction in which the elbow points and the twist of the forearm are random.

    Args:
      rng: random generator.
      torso: the bodies to which the arms belong.
      targets: [n, 2, 3], target positions of the wrists.
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
        # The elbow of a raised arm points forward and does not hang; nor does the elbow
        # of an arm behind the back.
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


def follow_arms(
    rng: Rng, torso: Torso, targets: Float[np.ndarray, "n 2 3"]
) -> Float[np.ndarray, "n 2 3 3"]:
    """Returns rotations [n, 2, 3, 3] of the collars that follow the arms.

    A raised arm lifts its shoulder, and an arm that reaches forward moves it forward.

    Args:
      rng: random generator.
      torso: the bodies to which the arms belong.
      targets: [n, 2, 3], target positions of the wrists.

    Returns:
      Rotations relative to the chest.
    """
    share = rng.uniform(0.0, 1.0, (len(torso), 1))
    collars = []
    for index, side in enumerate(SIDES):
        toward = targets[:, index] - torso.shoulders[:, index]
        local = np.einsum("nji,nj->ni", torso.chest, toward) / ARM_LENGTH
        # An arm that is stretched out in that direction turns the collar by 20 degrees.
        lift, ahead = np.clip(local[:, 1:], -0.3, 1.0).T * np.deg2rad(20.0)
        out = side_sign(side)
        axis_angle = np.stack([np.zeros_like(lift), -out * ahead, out * lift], axis=-1)
        collars.append(to_rotmat(share * axis_angle))
    return np.stack(collars, axis=1)


def shoulders_at(
    chest: Float[np.ndarray, "n 3 3"],
    chest_at: Float[np.ndarray, "n 3"],
    collars: Float[np.ndarray, "n 2 3 3"],
) -> Float[np.ndarray, "n 2 3"]:
    """Returns the positions of the shoulders [n, 2, 3], metres.

    Args:
      chest: [n, 3, 3], world rotation of the chest.
      chest_at: [n, 3], position of the joint spine3, metres.
      collars: [n, 2, 3, 3], rotations of the collars relative to the chest.
    """
    places = []
    for index, side in enumerate(SIDES):
        collar, shoulder = (
            REST_OFFSETS[SMPL_24.index(f"{side}_{name}")]
            for name in ("collar", "shoulder")
        )
        inside = collar + collars[:, index] @ shoulder
        places.append(chest_at + np.einsum("nij,nj->ni", chest, inside))
    return np.stack(places, axis=1)
