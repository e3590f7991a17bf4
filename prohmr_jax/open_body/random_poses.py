"""Draws random poses within rough human limits, to fit and to test the body with.

`build` and `correctives` call it.
"""

import numpy as np
from jaxtyping import Float

from prohmr_jax.skeleton import SMPL_24, mirror_name

# Lowest and highest angle about X, Y and Z in degrees, for the left side. Joints that
# are not listed do not move.
_LIMITS_DEG = {
    "spine1": ((-10, 30), (-15, 15), (-12, 12)),
    "spine2": ((-10, 25), (-15, 15), (-12, 12)),
    "spine3": ((-10, 20), (-15, 15), (-10, 10)),
    "neck": ((-20, 25), (-30, 30), (-15, 15)),
    "head": ((-20, 20), (-25, 25), (-15, 15)),
    "left_hip": ((-110, 20), (-20, 20), (-10, 35)),
    "left_knee": ((0, 130), (0, 0), (0, 0)),
    "left_ankle": ((-25, 30), (-10, 10), (-10, 10)),
    "left_foot": ((-25, 10), (0, 0), (0, 0)),
    "left_collar": ((-5, 5), (-10, 10), (-10, 20)),
    "left_shoulder": ((-50, 50), (-80, 20), (-80, 60)),
    "left_elbow": ((-40, 40), (-130, 0), (0, 0)),
    "left_wrist": ((-60, 60), (-25, 25), (-60, 60)),
    "left_hand": ((-10, 10), (-10, 10), (-60, 20)),
}
_MIRRORED_AXES = np.array([1.0, -1.0, -1.0])


def random_rotations(
    joint: str, count: int, rng: np.random.Generator
) -> Float[np.ndarray, "count 3"]:
    """Returns axis-angles [count, 3], radians, uniform within the limits of a joint.

    Args:
      joint: name of the joint in SMPL_24; the pelvis does not move.
      count: number of rotations.
      rng: random generator.
    """
    mirrored = joint.startswith("right_")
    limits = _LIMITS_DEG.get(mirror_name(joint) if mirrored else joint)
    if limits is None:
        return np.zeros((count, 3))
    low, high = np.deg2rad(np.array(limits, float)).T
    angles = rng.uniform(low, high, (count, 3))
    return angles * _MIRRORED_AXES if mirrored else angles


def random_poses(
    count: int, rng: np.random.Generator
) -> Float[np.ndarray, "count 24 3"]:
    """Returns random poses [count, 24, 3], axis-angle, radians.

    Args:
      count: number of poses.
      rng: random generator.
    """
    return np.stack([random_rotations(n, count, rng) for n in SMPL_24.names], axis=1)
