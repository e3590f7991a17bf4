"""Locates points that several calibrated cameras see, on the host in float64.

`view_matching` finds with it which people in different views are the same, and the
reader of several views whether cameras fit each other.
"""

import dataclasses

import numpy as np

# Rays that are more parallel than this have no point where they meet.
_MIN_CONDITION = 1e-6
_MIN_DEPTH = 1e-9


@dataclasses.dataclass(frozen=True)
class CameraRig:
    """Holds N pinhole cameras in one world: x_camera = rotation x_world + translation.

    The unit of length is that of the translations.
    """

    intrinsics: np.ndarray
    """Matrices K [N, 3, 3], pixels."""
    rotation: np.ndarray
    """Rotations [N, 3, 3] from world axes to camera axes."""
    translation: np.ndarray
    """Translations [N, 3], camera axes."""

    def __len__(self) -> int:
        """Returns the number of cameras."""
        return len(self.intrinsics)

    @property
    def positions(self) -> np.ndarray:
        """Returns where the cameras stand in the world, [N, 3]."""
        return -np.einsum("nji,nj->ni", self.rotation, self.translation)

    def inverted(self) -> "CameraRig":
        """Returns the cameras whose extrinsics transform the other way."""
        transposed = np.swapaxes(self.rotation, -1, -2)
        return CameraRig(self.intrinsics, transposed, self.positions)

    def __getitem__(self, chosen) -> "CameraRig":
        """Returns some of the cameras, chosen as elements of an array."""
        return CameraRig(
            self.intrinsics[chosen], self.rotation[chosen], self.translation[chosen]
        )


def triangulate(
    rig: CameraRig, xy: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the points that are nearest to the rays of all views.

    Args:
      rig: the N cameras.
      xy: positions [*b, N, 2] in the pictures, pixels.
      weight: weight of each position, [*b, N]; 0 where a camera does not see the point.

    Returns:
      Points [*b, 3], world axes, and whether there is one, [*b]: two cameras or more
      must see it along rays that are not parallel. Where there is none, zeros.
    """
    origin = rig.positions
    rays = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
    to_camera = np.linalg.inv(rig.intrinsics)
    to_world = np.swapaxes(rig.rotation, -1, -2) @ to_camera
    direction = np.einsum("nij,...nj->...ni", to_world, rays)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    across = np.eye(3) - direction[..., :, None] * direction[..., None, :]
    across = across * weight[..., None, None]
    matrix = across.sum(axis=-3)
    target = np.einsum("...nij,nj->...i", across, origin)
    eigenvalues = np.linalg.eigvalsh(matrix)
    is_seen = (weight > 0).sum(axis=-1) >= 2
    is_seen &= eigenvalues[..., 0] > _MIN_CONDITION * eigenvalues[..., 2]
    matrix = np.where(is_seen[..., None, None], matrix, np.eye(3))
    points = np.linalg.solve(matrix, target[..., None])[..., 0]
    return np.where(is_seen[..., None], points, 0.0), is_seen


def reprojected(rig: CameraRig, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where cameras see points of the world, and the depths of the points.

    Args:
      rig: the N cameras.
      points: points [*b, 3], world axes.

    Returns:
      Positions [*b, N, 2], pixels, and depths [*b, N], in the unit of the points.
    """
    placed = np.einsum("nij,...j->...ni", rig.rotation, points) + rig.translation
    depth = placed[..., 2]
    safe = np.where(np.abs(depth) < _MIN_DEPTH, _MIN_DEPTH, depth)
    shown = np.einsum("nij,...nj->...ni", rig.intrinsics, placed / safe[..., None])
    return shown[..., :2], depth
