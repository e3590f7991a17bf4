"""Reads joint positions of people who climb on boxes as clips of SMPL's joints.

The files `<clip>/*.npy` of the package holosoma-retargeting (`demo_data/climb`) hold
the positions of 53 joints, metres, with Z up. The frame rate is not stated; only at
120 frames a second do falls and landings obey gravity.

Positions become rotations bone by bone. A joint with several rigid children has the
rotation that they show (pelvis, chest, hand). A limb's rotation about itself follows
from the plane in which it is bent. All other bones turn as little as they can.
"""

import pathlib

import numpy as np
from jaxtyping import Float

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npy
from prohmr_jax.poses.kinematics import (
    REST_OFFSETS,
    frame,
    local_rotations,
    shortest_turn,
    to_axis_angle,
    turn,
    unit,
)
from prohmr_jax.poses.mocap.clips import CLIP_RATE_HZ, Clip
from prohmr_jax.skeleton import SMPL_24, JointSet

_RATE_HZ = 120
_TO_Y_UP = turn("x", -np.pi / 2)
_LEFT, _UP, _FORWARD = np.eye(3)

_FINGERS = tuple(
    f"Hand{finger}{number}"
    for finger in ("Thumb", "Index", "Middle", "Ring", "Pinky")
    for number in (1, 2, 3)
)
_ARM = ("Shoulder", "Arm", "ForeArm", "Hand", *_FINGERS)
_LEG = ("UpLeg", "Leg", "Foot", "ToeBase")
CLIMBING_53 = JointSet(
    "CLIMBING_53",
    (
        "Hips", "Spine", "Spine1", "Neck", "Head",
        *(side + part for side in ("Left", "Right") for part in _ARM),
        *(side + part for side in ("Left", "Right") for part in _LEG),
        "LeftFootMod", "RightFootMod",
    ),
)  # fmt: skip
"""The joints of a frame; names with `Mod` repeat the foot."""

# How much the fallback counts in the rotation of a limb about itself, against the
# distance (metres) of the knee or elbow from the middle of the limb's ends.
_FALLBACK_M = 0.015


def read_climbing(folder: str | pathlib.Path) -> tuple[Clip, ...]:
    """Returns the clips `climbing__<name>` of a folder at 30 frames a second.

    Args:
      folder: holds a folder `<name>` with one `.npy` file for each clip.

    Raises:
      InputError: there is no such file, or one is faulty.
    """
    files = sorted(pathlib.Path(folder).glob("*/*.npy"))
    if not files:
        raise InputError(folder, "holds no file */*.npy")
    return tuple(_read_clip(file) for file in files)


def _read_clip(path: pathlib.Path) -> Clip:
    positions = read_npy(path, Expected((None, len(CLIMBING_53), 3)))
    if not len(positions):
        raise InputError(path, "holds no frame")
    positions = positions[:: _RATE_HZ // CLIP_RATE_HZ].astype(np.float64)
    positions = positions @ _TO_Y_UP.T
    try:
        axis_angle = to_axis_angle(local_rotations(aligned(positions)))
    except ValueError as error:
        fault = "has joints at one place, so that a bone has no direction"
        raise InputError(path, fault) from error
    return Clip(
        f"climbing__{path.parent.name}",
        axis_angle.astype(np.float32),
        positions[:, CLIMBING_53.index("Hips")].astype(np.float32),
    )


def aligned(
    positions: Float[np.ndarray, "T 53 3"],
) -> Float[np.ndarray, "T 24 3 3"]:
    """Returns world rotations of SMPL's joints whose bones point as the source's do.

    Toes and head turn with the foot and the neck, and the hand with the wrist.

    Args:
      positions: [T, 53, 3], positions of the joints `CLIMBING_53`, metres, Y up.
    """

    def at(name: str) -> np.ndarray:
        return positions[:, CLIMBING_53.index(name)]

    def bone(start: str, end: str) -> np.ndarray:
        return at(end) - at(start)

    across_hips = unit(bone("RightUpLeg", "LeftUpLeg"))
    across_shoulders = unit(bone("RightShoulder", "LeftShoulder"))
    waist_up, chest_up = bone("Spine", "Spine1"), bone("Spine1", "Neck")
    pelvis = _turned(_UP, _LEFT, bone("Hips", "Spine"), across_hips)
    waist = _turned(_UP, _LEFT, waist_up, across_hips + across_shoulders)
    chest = _turned(_UP, _LEFT, chest_up, across_shoulders)
    neck = _swung(chest, _rest("head"), bone("Neck", "Head"))
    world = {
        "pelvis": pelvis, "spine1": waist, "spine2": waist, "spine3": chest,
        "neck": neck, "head": neck,
    }  # fmt: skip
    for side in ("left", "right"):
        own = side.capitalize()
        thigh, shank = bone(own + "UpLeg", own + "Leg"), bone(own + "Leg", own + "Foot")
        toes = bone(own + "Foot", own + "ToeBase")
        # The knee points forward; that of a straight leg points where the toes do.
        forward = (thigh - shank) / 2 + _FALLBACK_M * unit(toes)
        hip = _turned(_rest(f"{side}_knee"), _FORWARD, thigh, forward)
        knee = _turned(_rest(f"{side}_ankle"), _FORWARD, shank, forward)
        ankle = _swung(knee, _rest(f"{side}_foot"), toes)

        collar_bone = bone(own + "Shoulder", own + "Arm")
        upper_arm = bone(own + "Arm", own + "ForeArm")
        forearm, palm = (
            bone(own + "ForeArm", own + "Hand"),
            bone(own + "Hand", own + "HandMiddle1"),
        )
        collar = _swung(chest, _rest(f"{side}_shoulder"), collar_bone)
        # The elbow points backward; that of a straight arm as far as the shoulder's
        # smallest turn takes it.
        swung = _swung(collar, _rest(f"{side}_elbow"), upper_arm)
        forward = (forearm - upper_arm) / 2 + _FALLBACK_M * swung @ _FORWARD
        shoulder = _turned(_rest(f"{side}_elbow"), _FORWARD, upper_arm, forward)
        elbow = _turned(_rest(f"{side}_wrist"), _FORWARD, forearm, forward)
        thumb_side = bone(own + "HandPinky1", own + "HandIndex1")
        wrist = _turned(_rest(f"{side}_hand"), _FORWARD, palm, thumb_side)
        world |= {
            f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle,
            f"{side}_foot": ankle, f"{side}_collar": collar,
            f"{side}_shoulder": shoulder, f"{side}_elbow": elbow,
            f"{side}_wrist": wrist, f"{side}_hand": wrist,
        }  # fmt: skip
    return np.stack([world[name] for name in SMPL_24.names], axis=1)


def _rest(name: str) -> np.ndarray:
    """Returns the offset [3] at rest of a joint of SMPL from its parent, metres."""
    return REST_OFFSETS[SMPL_24.index(name)]


def _turned(rest_along, rest_toward, along, toward) -> np.ndarray:
    """Returns the rotations [T, 3, 3] that take two directions at rest to others.

    The first direction is met exactly, the second as well as possible.
    """
    return frame(along, toward) @ frame(rest_along, rest_toward).T


def _swung(parent, rest_along, along) -> np.ndarray:
    """Returns the parent's rotations, turned as little as takes a bone to `along`."""
    return shortest_turn(parent @ rest_along, along) @ parent
