"""Converts motions of the CMU skeleton to rotations of SMPL's 24 joints.

If A turns the direction of a bone in SMPL's rest pose to its direction in the CMU rest
pose, and R is the CMU bone's rotation relative to the world, then the SMPL joint's
rotation relative to the world is R A. Both rest poses are T-poses and agree except in
the legs, which the CMU skeleton splays by 20 degrees.
"""

import pathlib

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import (
    REST_JOINTS,
    local_rotations,
    shortest_turn,
    turn,
)
from prohmr_jax.poses.mocap.cmu_motion import CmuMotion
from prohmr_jax.skeleton import SMPL_24

_SPLAY = np.deg2rad(20.0)

# Angle of the foot bone at rest below the horizontal. SMPL's bone runs from the ankle
# to the ball of the foot; the CMU bone follows the markers.
_CMU_FOOT_PITCH = np.deg2rad(15.0)

_CMU_BONE = {
    "pelvis": "root", "spine1": "lowerback", "spine2": "upperback",
    "spine3": "thorax", "neck": "upperneck", "head": "head",
    **{f"{side}_{joint}": side[0] + bone
       for side in ("left", "right")
       for joint, bone in (
           ("hip", "femur"), ("knee", "tibia"), ("ankle", "foot"), ("foot", "toes"),
           ("collar", "clavicle"), ("shoulder", "humerus"), ("elbow", "radius"),
           ("wrist", "hand"), ("hand", "hand"),
       )},
}  # fmt: skip


def _rest_corrections() -> np.ndarray:
    """Returns A [24, 3, 3], rotations from SMPL's rest pose to the CMU rest pose."""
    corrections = np.tile(np.eye(3), (len(SMPL_24), 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joint = {
            part: REST_JOINTS[SMPL_24.index(f"{side}_{part}")]
            for part in ("hip", "knee", "ankle", "foot")
        }
        splayed = turn("z", sign * _SPLAY)
        for part, below in (("hip", "knee"), ("knee", "ankle")):
            correction = shortest_turn(
                joint[below] - joint[part], splayed @ [0.0, -1.0, 0.0]
            )
            corrections[SMPL_24.index(f"{side}_{part}")] = correction
        # The whole foot is splayed with the leg, so that it stands flat under a
        # straight leg. The direction of the bone alone would leave it rolled.
        foot = splayed @ turn("x", _CMU_FOOT_PITCH - _smpl_foot_pitch(joint))
        corrections[SMPL_24.index(f"{side}_ankle")] = foot
        corrections[SMPL_24.index(f"{side}_foot")] = splayed
    return corrections


def _smpl_foot_pitch(joint: dict[str, np.ndarray]) -> float:
    bone = joint["foot"] - joint["ankle"]
    return float(np.arctan2(-bone[1], np.hypot(bone[0], bone[2])))


_CORRECTIONS = _rest_corrections()


def retarget(motion: CmuMotion, path: str | pathlib.Path) -> np.ndarray:
    """Returns the rotations [T, 24, 3, 3] of SMPL's joints relative to their parents.

    Joint 0 is the orientation of the root in a world with Y up; the hands stay at rest.

    Args:
      motion: rotations of the CMU bones.
      path: file of the motion, for messages.

    Raises:
      InputError: the skeleton lacks a bone that a joint needs.
    """
    absent = [b for b in _CMU_BONE.values() if b not in motion.bones]
    if absent:
        raise InputError(path, f"the skeleton has no bone {absent[0]!r}")
    source = [motion.bones.index(_CMU_BONE[name]) for name in SMPL_24.names]
    return local_rotations(motion.world_rotmat[:, source] @ _CORRECTIONS)
