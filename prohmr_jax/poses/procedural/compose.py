"""Composes whole poses of a stance, a gesture of the arms and a turn of the head.

The builder of pose banks calls it.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.kinematics import (
    joint_positions,
    local_rotations,
    to_axis_angle,
    to_rotmat,
    turn,
    world_rotations,
)
from prohmr_jax.poses.procedural.arms import arms_to, follow_arms, shoulders_at
from prohmr_jax.poses.procedural.gestures import Torso, draw_targets, on_floor
from prohmr_jax.poses.procedural.limbs import SIDES
from prohmr_jax.poses.procedural.stances import Rng, Stance
from prohmr_jax.skeleton import SMPL_24

_SPINE = SMPL_24.indices("spine1", "spine2", "spine3")
# Mean share of each spine joint in the bend of the trunk.
_SPINE_SHARE = np.array([0.45, 0.2, 0.35])


def pose_from_stance(rng: Rng, stance: Stance) -> Float[np.ndarray, "n 24 3"]:
    """Returns poses [n, 24, 3], axis-angle, that add arms and head to stances.

    Args:
      rng: random generator for gestures, head and toes.
      stance: stances of n bodies.
    """
    n = len(stance.pelvis)
    world = np.tile(np.eye(3), (n, len(SMPL_24), 1, 1))
    world[:, SMPL_24.index("pelvis")] = stance.pelvis
    _bend_trunk(rng, world, stance.bend)
    for index, side in enumerate(SIDES):
        for name, part in (
            ("hip", stance.hips), ("knee", stance.knees), ("ankle", stance.ankles)
        ):  # fmt: skip
            world[:, SMPL_24.index(f"{side}_{name}")] = part[:, index]
        toes = turn("x", rng.normal(-0.05, 0.15, n))
        world[:, SMPL_24.index(f"{side}_foot")] = stance.ankles[:, index] @ toes
    _set_arms(rng, world, stance.ground, stance.on_hands)
    return to_axis_angle(local_rotations(world))


def with_new_arms(
    rng: Rng, axis_angle: Float[np.ndarray, "n 24 3"]
) -> Float[np.ndarray, "n 24 3"]:
    """Returns poses [n, 24, 3] with new gestures of the arms.

    Args:
      rng: random generator for the gestures.
      axis_angle: [n, 24, 3], radians, poses of which everything but the arms is kept.
    """
    world = world_rotations(to_rotmat(axis_angle.astype(np.float64)))
    feet = joint_positions(world)[:, SMPL_24.indices("left_foot", "right_foot"), 1]
    _set_arms(rng, world, feet.min(axis=1) - 0.03, on_hands=False)
    return to_axis_angle(local_rotations(world))


def _bend_trunk(rng: Rng, world: np.ndarray, bend: np.ndarray) -> None:
    """Sets spine, neck and head of world rotations [n, 24, 3, 3] in place."""
    n = len(world)
    share = _SPINE_SHARE * rng.uniform(0.6, 1.4, (n, 3))
    share /= share.sum(axis=1, keepdims=True)
    upper = world[:, SMPL_24.index("pelvis")]
    # The trunk's forward bend is about +X, its twist about +Y, its lean about +Z.
    for joint, part in zip(_SPINE, share.T, strict=True):
        upper = upper @ to_rotmat(bend * part[:, None])
        world[:, joint] = upper
    look = rng.normal([0.08, 0.0, 0.0], [0.28, 0.4, 0.12], (n, 3))
    # People whose chest faces the floor lift the head.
    facing_down = np.clip(-upper[:, 1, 2], 0.0, 1.0)
    look[:, 0] -= facing_down * rng.uniform(0.0, 0.8, n)
    for name, part in (("neck", 0.6), ("head", 0.4)):
        upper = upper @ to_rotmat(look * part)
        world[:, SMPL_24.index(name)] = upper


def _set_arms(rng: Rng, world: np.ndarray, ground: np.ndarray, on_hands: bool) -> None:
    """Sets collars, shoulders, elbows, wrists and hands of world rotations in place."""
    torso = _torso(world, ground)
    targets = draw_targets(rng, torso)
    if on_hands:
        supported = on_floor(rng, torso)
        # In 12 % of the bodies the left hand does something else.
        free = rng.random((len(world), 2, 1)) < [[[0.12], [0.0]]]
        targets = np.where(free, targets, supported)
    collars = follow_arms(rng, torso, targets)
    chest = torso.chest[:, None]
    torso = dataclasses.replace(
        torso, shoulders=shoulders_at(torso.chest, torso.chest_at, collars)
    )
    parts = (chest @ collars, *arms_to(rng, torso, targets))
    for part, name in zip(parts, ("collar", "shoulder", "elbow", "wrist"), strict=True):
        for index, side in enumerate(SIDES):
            world[:, SMPL_24.index(f"{side}_{name}")] = part[:, index]
    for side in SIDES:
        world[:, SMPL_24.index(f"{side}_hand")] = world[
            :, SMPL_24.index(f"{side}_wrist")
        ]


def _torso(world: np.ndarray, ground: np.ndarray) -> Torso:
    """Returns the parts of bodies with shoulders at rest, from world rotations."""
    at = joint_positions(world)

    def both(name):
        return at[:, SMPL_24.indices(*(f"{side}_{name}" for side in SIDES))]

    chest, head = SMPL_24.index("spine3"), SMPL_24.index("head")
    straight = np.tile(np.eye(3), (len(world), 2, 1, 1))
    return Torso(
        pelvis=world[:, SMPL_24.index("pelvis")],
        chest=world[:, chest],
        chest_at=at[:, chest],
        shoulders=shoulders_at(world[:, chest], at[:, chest], straight),
        head=world[:, head],
        head_at=at[:, head],
        hips=both("hip"),
        knees=both("knee"),
        ankles=both("ankle"),
        ground=ground,
    )
