"""Counts the samples that bend a joint beyond what a human body can do.

On the host: the limits are those that training poses are held to.
"""

import numpy as np

from prohmr_jax.poses.limits import within_joint_limits
from prohmr_jax.skeleton import SMPL_24

# Joints whose limits hang together; every limit concerns the joints of one part.
_SIDE_PARTS = (
    ("collar", "shoulder"), ("elbow",), ("wrist",), ("hand",),
    ("hip",), ("knee",), ("ankle",), ("foot",),
)  # fmt: skip
PARTS = (
    ("spine1", "spine2", "spine3"),
    ("neck", "head"),
    *(
        tuple(f"{side}_{joint}" for joint in part)
        for side in ("left", "right")
        for part in _SIDE_PARTS
    ),
)


def beyond_joint_limits(axis_angle: np.ndarray) -> np.ndarray:
    """Returns which joints of poses are bent beyond their limits, [*b, 24] bool.

    The limits are those of `within_joint_limits`, applied to one part of the body at
    a time with all other joints at rest. Where joints have a limit together (the
    spine's three, neck and head, collar and shoulder), all of them are beyond it or
    none. The pelvis has no limit. A pose is within the limits just where no joint
    is beyond.

    Args:
      axis_angle: [*b, 24, 3], radians, local, SMPL's order.
    """
    poses = np.reshape(np.asarray(axis_angle, np.float64), (-1, len(SMPL_24), 3))
    beyond = np.zeros(poses.shape[:-1], bool)
    # Most poses are within all limits; only the others are looked at part by part.
    suspects = np.flatnonzero(~within_joint_limits(poses))
    for part in PARTS:
        joints = list(SMPL_24.indices(*part))
        alone = np.zeros((len(suspects), *poses.shape[1:]))
        alone[:, joints] = poses[suspects][:, joints]
        beyond[np.ix_(suspects, joints)] = ~within_joint_limits(alone)[:, None]
    return beyond.reshape(np.shape(axis_angle)[:-1])


def share_beyond_limits(axis_angle: np.ndarray) -> np.ndarray:
    """Returns the share of samples that bend each joint beyond its limits, [*b, 24].

    Args:
      axis_angle: [*b, N, 24, 3], radians, local, SMPL's order.
    """
    return np.mean(beyond_joint_limits(axis_angle), axis=-2)
