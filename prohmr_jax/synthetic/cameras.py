"""The camera of one picture: a square window of a photo, with exact labels."""

import dataclasses

import numpy as np

from prohmr_jax.boxes import MARGIN
from prohmr_jax.rendering.views import Perspective

# Of the pictures, this share cuts the person off.
_TRUNCATED = 0.15
# Side of the person's box over the side of the picture.
_BOX_SHARE = (0.55, 0.74)


@dataclasses.dataclass(frozen=True)
class PictureCamera:
    """A pinhole camera in the world, and the picture it takes."""

    rotation: np.ndarray
    """[3, 3], world to camera."""
    translation: np.ndarray
    """[3], metres, world to camera."""
    view: Perspective
    """Pixels of the picture."""
    size: int
    """Side of the picture, pixels."""

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Returns points [N, 3] of the world in camera axes, metres."""
        return points @ self.rotation.T + self.translation

    def world_rays(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the camera's place [3] and directions [S, S, 3] of its pixels."""
        pixels = np.stack(np.meshgrid(*2 * [np.arange(self.size)]), axis=-1)
        _, directions = self.view.rays(pixels.reshape(-1, 2).astype(float), 1.0)
        directions = directions @ self.rotation
        origin = -self.translation @ self.rotation
        return origin, directions.reshape(self.size, self.size, 3)

    def intrinsics(self) -> np.ndarray:
        """Returns K [3, 3], pixels of the picture."""
        (fx, fy), (cx, cy) = self.view.focal_length, self.view.center
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])

    def extrinsics(self) -> np.ndarray:
        """Returns [R | t], [3, 4], world to camera."""
        return np.concatenate([self.rotation, self.translation[:, None]], axis=1)


def frame_person(
    rng: np.random.Generator,
    rotation: np.ndarray,
    translation: np.ndarray,
    joints: np.ndarray,
    size: int,
) -> PictureCamera:
    """Returns the camera whose picture shows a person of joints [J, 3] (world).

    The person's box fills somewhat more than half of the picture, anywhere in it; now
    and then the window cuts a part of the body off.
    """
    rotation, translation = rotation.astype(float), translation.astype(float)
    placed = joints @ rotation.T + translation
    flat = placed[:, :2] / placed[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    box = MARGIN * (high - low).max()
    window = box / rng.uniform(*_BOX_SHARE)
    reach = 0.5 * (window - box) / 2
    if rng.random() < _TRUNCATED:
        window *= rng.uniform(0.6, 1.0)
        reach = np.array([0.2, 0.35]) * box
    middle = (low + high) / 2 + rng.uniform(-1, 1, 2) * reach
    focal = size / window
    center = -(middle - window / 2) * focal - 0.5
    view = Perspective((focal, focal), tuple(center))
    return PictureCamera(rotation, translation, view, size)
