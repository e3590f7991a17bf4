"""Defines a movement, which the writers of this folder take, and fills its gaps.

The frame is that of mesh files: metres, Y up, and the camera at the origin looks along
-z.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from prohmr_jax.files.meshes import CAMERA_TO_Y_UP

CAMERA_TO_Y_UP_MATRIX = np.diag(CAMERA_TO_Y_UP)


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """Holds a body of fixed shape in its rest pose, NumPy, metres, body frame."""

    joints: np.ndarray
    """Rest positions of the kinematic joints (SMPL_24), [24, 3]."""
    vertices: np.ndarray
    """Rest positions of the vertices, [V, 3]."""
    faces: np.ndarray
    """Vertex numbers of the triangles, [F, 3], counterclockwise from outside."""
    skinning_weights: np.ndarray
    """Share of each kinematic joint in the motion of each vertex, [V, 24]."""
    betas: np.ndarray
    """Shape coefficients, [S]."""


@dataclasses.dataclass(frozen=True)
class Movement:
    """Holds the poses of one person at T equal steps of time, NumPy."""

    skeleton: Skeleton
    """The person's body."""
    rotmats: np.ndarray
    """Rotations relative to the parents, [T, 24, 3, 3]; the root turns body axes to the
    frame of mesh files."""
    root: np.ndarray
    """Positions of the root joint, the pelvis, [T, 3], metres, frame of mesh files."""
    frame_rate: float
    """Poses per second."""
    measured: np.ndarray
    """Whether a pose was measured, [T]; the others lie between measured ones."""

    def __len__(self) -> int:
        """Returns the number of poses T."""
        return len(self.rotmats)

    @property
    def times(self) -> np.ndarray:
        """Returns the time of each pose, [T], seconds from the first one."""
        return np.arange(len(self)) / self.frame_rate


def movement_from_camera(
    skeleton: Skeleton,
    frames: np.ndarray,
    rotmats: np.ndarray,
    translation: np.ndarray,
    frame_rate: float,
) -> Movement:
    """Returns a movement of bodies that stand in front of a camera.

    Rotations in frames that are missing lie on the shortest way between their
    neighbours (spherical linear interpolation), positions on the straight line.

    Args:
      skeleton: the person's body.
      frames: numbers of the M frames in which the person was seen, ascending, [M].
      rotmats: rotations relative to the parents, [M, 24, 3, 3]; the root turns body
        axes to camera axes (x right, y down, z forward).
      translation: translation of the body after it was turned about its rest pelvis,
        [M, 3], metres, camera axes.
      frame_rate: frames per second.
    """
    frames = np.asarray(frames)
    every = np.arange(frames[0], frames[-1] + 1)
    turned = np.array(rotmats, float)
    turned[:, 0] = CAMERA_TO_Y_UP_MATRIX @ turned[:, 0]
    root = (skeleton.joints[0] + np.asarray(translation, float)) * CAMERA_TO_Y_UP
    if len(every) > len(frames):
        turned = np.stack(
            [
                Slerp(frames, Rotation.from_matrix(turned[:, joint]))(every).as_matrix()
                for joint in range(turned.shape[1])
            ],
            axis=1,
        )
        root = np.stack(
            [np.interp(every, frames, root[:, axis]) for axis in range(3)], axis=1
        )
    measured = np.isin(every, frames)
    return Movement(skeleton, turned, root, float(frame_rate), measured)
