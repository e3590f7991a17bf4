"""What both readers of the CMU capture hand to the retargeting."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CmuMotion:
    """World rotations of the bones of the CMU skeleton in one clip.

    A bone's rotation turns its direction in the CMU rest pose (a T-pose with the
    legs splayed by 20 degrees) to its direction in the frame; Y is up, and at rest
    left is +X and the face looks along +Z.
    """

    bones: tuple[str, ...]
    """Names of the CMU skeleton: root, lfemur, ltibia, ..., rthumb."""
    world_rotmat: np.ndarray
    """[T, bones, 3, 3]"""
    root_position: np.ndarray
    """[T, 3], metres, world frame."""
