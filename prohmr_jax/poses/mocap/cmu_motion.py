"""Defines the motion that both readers of the CMU capture return, for retargeting."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CmuMotion:
    """Holds the rotations of the bones of the CMU skeleton in one clip.

    A bone's rotation turns its direction in the CMU rest pose (a T-pose with the legs
    splayed by 20 degrees) to its direction in the frame. Y is up; at rest left is +X
    and the face looks along +Z.
    """

    bones: tuple[str, ...]
    """Names of the B bones in the CMU skeleton: root, lfemur, ltibia, ..., rthumb."""
    world_rotmat: np.ndarray
    """[T, B, 3, 3], rotations relative to the world."""
    root_position: np.ndarray
    """[T, 3], position of the root in the world, metres."""
