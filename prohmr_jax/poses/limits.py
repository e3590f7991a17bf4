"""Tells which poses a body can take: joint limits, and checks for self-intersections.

The builder of pose banks calls it. Limits are given for the left side and are applied
to a pose and to its mirror image. They are those of a supple adult, wide enough for
every captured frame except faults of the capture.
"""

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.poses.kinematics import (
    REST_OFFSETS,
    joint_positions,
    mirrored,
    shortest_turn,
    to_axis_angle,
    to_rotmat,
    unit,
    world_rotations,
)
from prohmr_jax.skeleton import SMPL_24

_LEFT = np.array([1.0, 0.0, 0.0])
_DOWN = np.array([0.0, -1.0, 0.0])

# Largest rotation of a joint relative to its parent, degrees.
_MAX_TURN_DEG = {
    "spine1": 50, "spine2": 35, "spine3": 40, "neck": 70, "head": 40,
    "left_collar": 40, "left_ankle": 60, "left_foot": 60, "left_hand": 30,
}  # fmt: skip
_MAX_SPINE_DEG = np.array([[-45, -60, -45], [95, 60, 45]])
_MAX_NECK_DEG = np.array([[-65, -90, -45], [60, 90, 45]])
_KNEE_DEG, _KNEE_ASIDE_DEG = (-8, 155), 20
_ELBOW_DEG, _ELBOW_ASIDE_DEG = (-10, 155), 25
_WRIST_TWIST_DEG, _WRIST_BEND_DEG = (-115, 115), 80
_SHOULDER_TWIST_DEG = (-130, 115)

# Limits of the direction (x, y, z) of the upper arm in the frame of the chest: the
# least z for a given height y, and the least x for a given z. Rows: abscissa, limit.
_ARM_BACK = np.array([[-1.0, -0.6, 0.0, 0.6, 1.0], [-0.75, -0.8, -0.5, -0.55, -0.4]])
_ARM_INWARD = np.array([[-0.7, 0.0, 0.4, 1.0], [-0.15, -0.3, -0.7, -0.72]])
# Limits of the direction (x, y, z) of the thigh in the frame of the pelvis: the
# greatest y for a given z, and the least x and z.
_THIGH_UP = np.array([[-1.0, -0.5, -0.2, 0.2, 0.6, 1.0], [-1.0, -0.4, 0.1, 0.8, 1, 1]])
_THIGH_INWARD, _THIGH_BACK = -0.5, -0.7
# Limits of the thigh's rotation about itself, inward, and outward for a given height y
# of its direction: a raised thigh turns out as far as sitting cross-legged needs.
_THIGH_TURN_IN_DEG = -50
_THIGH_TURN_OUT_DEG = np.array([[-1.0, -0.5, 0.0, 1.0], [60, 85, 130, 130]])


def within_joint_limits(
    axis_angle: Float[np.ndarray, "n 24 3"],
) -> Bool[np.ndarray, " n"]:
    """Returns [n], True where every joint of a pose is within its limits.

    Args:
      axis_angle: [n, 24, 3], radians, relative to the parent joints.
    """
    fine = np.ones(len(axis_angle), dtype=bool)
    for poses in (axis_angle, mirrored(axis_angle)):
        local = to_rotmat(poses.astype(np.float64))
        fine &= _trunk_is_fine(poses, local) & _limbs_are_fine(poses, local)
    return fine


def _rotation(local: np.ndarray, *names: str) -> Float[np.ndarray, "n 3 3"]:
    """Returns [n, 3, 3], the product of the local rotations of a chain of joints."""
    product = local[:, SMPL_24.index(names[0])]
    for name in names[1:]:
        product = product @ local[:, SMPL_24.index(name)]
    return product


def _inside(values: np.ndarray, degrees) -> np.ndarray:
    low, high = np.deg2rad(degrees)
    return (values >= low) & (values <= high)


def _trunk_is_fine(poses: np.ndarray, local: np.ndarray) -> np.ndarray:
    fine = np.ones(len(poses), dtype=bool)
    for name, degrees in _MAX_TURN_DEG.items():
        angle = np.linalg.norm(poses[:, SMPL_24.index(name)], axis=-1)
        fine &= angle <= np.deg2rad(degrees)
    spine = to_axis_angle(_rotation(local, "spine1", "spine2", "spine3"))
    neck = to_axis_angle(_rotation(local, "neck", "head"))
    fine &= _inside(spine, _MAX_SPINE_DEG).all(axis=-1)
    return fine & _inside(neck, _MAX_NECK_DEG).all(axis=-1)


def _limbs_are_fine(poses: np.ndarray, local: np.ndarray) -> np.ndarray:
    upper_arm = _rotation(local, "left_collar", "left_shoulder")
    x, y, z = upper_arm[:, :, 0].T
    fine = (z >= np.interp(y, *_ARM_BACK)) & (x >= np.interp(z, *_ARM_INWARD))
    twist = _twist(upper_arm, _LEFT)
    fine &= _inside(twist, _SHOULDER_TWIST_DEG)

    thigh = _rotation(local, "left_hip")
    x, y, z = (thigh @ unit(REST_OFFSETS[SMPL_24.index("left_knee")])).T
    fine &= (y <= np.interp(z, *_THIGH_UP)) & (x >= _THIGH_INWARD) & (z >= _THIGH_BACK)
    turned_out = np.rad2deg(-_twist(thigh, _DOWN))
    fine &= turned_out >= _THIGH_TURN_IN_DEG
    fine &= turned_out <= np.interp(y, *_THIGH_TURN_OUT_DEG)

    knee = poses[:, SMPL_24.index("left_knee")]
    fine &= _inside(knee[:, 0], _KNEE_DEG)
    fine &= np.linalg.norm(knee[:, 1:], axis=-1) <= np.deg2rad(_KNEE_ASIDE_DEG)

    # This hinge lies between SMPL's (0, -1, 0) and the CMU skeleton's (0, -.87, .5).
    elbow = poses[:, SMPL_24.index("left_elbow")]
    hinge = unit(np.array([0.0, -0.95, 0.3]))
    bend = elbow @ hinge
    aside = np.linalg.norm(elbow - bend[:, None] * hinge, axis=-1)
    most_aside = np.maximum(np.deg2rad(_ELBOW_ASIDE_DEG), 0.5 * bend)
    fine &= _inside(bend, _ELBOW_DEG) & (aside <= most_aside)

    hand = _rotation(local, "left_wrist")
    fine &= _inside(_twist(hand, _LEFT), _WRIST_TWIST_DEG)
    return fine & (hand[:, 0, 0] >= np.cos(np.deg2rad(_WRIST_BEND_DEG)))


def _twist(rotmat: np.ndarray, axis: np.ndarray) -> Float[np.ndarray, " n"]:
    """Returns [n], the angle about a bone's axis that the shortest swing leaves."""
    swing = shortest_turn(axis, rotmat @ axis)
    return to_axis_angle(np.swapaxes(swing, -1, -2) @ rotmat) @ axis


def free_of_self_intersection(
    axis_angle: Float[np.ndarray, "n 24 3"],
) -> Bool[np.ndarray, " n"]:
    """Returns [n], True where no limb of a pose intersects another part of the body.

    Bones are line segments. Pairs of them must keep a distance that is a little less
    than the sum of the radii of the limbs, because soft tissue gives way in contact.

    Args:
      axis_angle: [n, 24, 3], radians, relative to the parent joints.
    """
    fine = np.ones(len(axis_angle), dtype=bool)
    for poses in (axis_angle, mirrored(axis_angle)):
        world = world_rotations(to_rotmat(poses.astype(np.float64)))
        joints = joint_positions(world)
        segments = _segments(world, joints)
        for first, second, distance in _CLEARANCES:
            fine &= segment_distance(*segments[first], *segments[second]) >= distance
    return fine


# Pairs of segments with the least distance between them, metres.
_CLEARANCES = (
    ("left_forearm", "belly", 0.12), ("left_hand", "belly", 0.11),
    ("left_forearm", "chest", 0.11), ("left_hand", "chest", 0.1),
    ("left_elbow", "chest", 0.13), ("left_hand", "head", 0.08),
    ("left_forearm", "head", 0.1), ("left_upper_arm", "head", 0.09),
    ("left_forearm", "hips", 0.12), ("left_hand", "hips", 0.1),
    ("left_forearm", "right_forearm", 0.04), ("left_hand", "right_forearm", 0.04),
    ("left_hand", "right_hand", 0.04), ("left_hand", "right_upper_arm", 0.05),
    ("left_forearm", "right_upper_arm", 0.07),
    ("left_forearm", "left_thigh", 0.09), ("left_forearm", "right_thigh", 0.09),
    ("left_hand", "left_thigh", 0.07), ("left_hand", "right_thigh", 0.07),
    ("left_forearm", "left_shin", 0.07), ("left_forearm", "right_shin", 0.07),
    ("left_hand", "left_shin", 0.06), ("left_hand", "right_shin", 0.06),
    ("left_thigh", "right_thigh", 0.1), ("left_thigh", "right_shin", 0.08),
    ("left_shin", "right_shin", 0.08), ("left_foot", "right_shin", 0.07),
    ("left_foot", "right_foot", 0.06), ("left_foot", "right_thigh", 0.09),
    ("left_thigh", "chest", 0.15), ("left_shin", "belly", 0.14),
    ("left_shin", "chest", 0.13), ("left_shin", "head", 0.12),
    ("left_foot", "hips", 0.1), ("left_foot", "belly", 0.12),
    ("left_thigh", "head", 0.14),
)  # fmt: skip


def _segments(world: np.ndarray, joints: np.ndarray):
    """Returns the two ends [n, 3] of each segment by name, metres."""

    def at(name):
        return joints[:, SMPL_24.index(name)]

    def point(name, *offset):
        return at(name) + world[:, SMPL_24.index(name)] @ np.array(offset)

    def part(start, end, share):
        return at(start) + share * (at(end) - at(start))

    segments = {
        "hips": (point("pelvis", -0.05, 0.0, 0.0), point("pelvis", 0.05, 0.0, 0.0)),
        "belly": (at("spine1"), at("spine3")),
        "chest": (at("spine3"), part("spine3", "neck", 0.7)),
        "head": (at("head"), point("head", 0.0, 0.1, 0.02)),
    }
    for side in ("left", "right"):
        bones = {
            "upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"),
            "shin": ("knee", "ankle"), "foot": ("ankle", "foot"),
        }  # fmt: skip
        for bone, (start, end) in bones.items():
            segments[f"{side}_{bone}"] = at(f"{side}_{start}"), at(f"{side}_{end}")
        elbow, knee = at(f"{side}_elbow"), at(f"{side}_knee")
        segments[f"{side}_elbow"] = elbow, elbow
        segments[f"{side}_thigh"] = part(f"{side}_hip", f"{side}_knee", 0.45), knee
        # The joint "hand" is at the knuckles; the fingers reach beyond it.
        fingers = part(f"{side}_wrist", f"{side}_hand", 1.6)
        segments[f"{side}_hand"] = at(f"{side}_wrist"), fingers
    return segments


def segment_distance(
    a0: Float[np.ndarray, "n 3"],
    a1: Float[np.ndarray, "n 3"],
    b0: Float[np.ndarray, "n 3"],
    b1: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, " n"]:
    """Returns [n], the least distance between pairs of line segments.

    Args:
      a0: [n, 3], first ends of the first segments.
      a1: [n, 3], second ends of the first segments.
      b0: [n, 3], first ends of the second segments.
      b1: [n, 3], second ends of the second segments.
    """

    def dot(u, v):
        return np.sum(u * v, axis=-1)

    a, b, gap = a1 - a0, b1 - b0, a0 - b0
    aa, ab, bb = dot(a, a) + 1e-12, dot(a, b), dot(b, b) + 1e-12
    ag, bg = dot(a, gap), dot(b, gap)
    # The nearest point of segment a to the line b, then of segment b to that point,
    # then of segment a again (Ericson, Real-Time Collision Detection, 5.1.9).
    s = np.clip((ab * bg - ag * bb) / np.maximum(aa * bb - ab * ab, 1e-12), 0.0, 1.0)
    t = np.clip((ab * s + bg) / bb, 0.0, 1.0)
    s = np.clip((ab * t - ag) / aa, 0.0, 1.0)
    return np.linalg.norm(gap + s[:, None] * a - t[:, None] * b, axis=-1)
