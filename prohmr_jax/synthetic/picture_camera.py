"""The camera of one picture: a square window of a photo, with exact labels."""

import dataclasses

import numpy as np

from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.rendering.views import Perspective

# Side of the person's box over the side of the picture.
_BOX_SHARE = (0.55, 0.74)
# How far the box wanders from the middle, of what keeps it inside.
_WANDER = 0.5
# Share of pictures that end within the person, where so many joints stay inside.
_CUT_RATE = 0.15
_LEAST_SEEN = 0.4


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
    """Returns the camera whose picture shows a person.

    The person's box fills somewhat more than half of the picture, near its middle; now
    and then the picture ends within the person.

    Args:
      rng: of place and size of the window.
      rotation: [3, 3], world to camera.
      translation: [3], metres, world to camera.
      joints: [J, 3], metres, world.
      size: side of the picture, pixels.
    """
    rotation, translation = rotation.astype(float), translation.astype(float)
    placed = joints @ rotation.T + translation
    flat = placed[:, :2] / placed[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    middle, box = (low + high) / 2, MARGIN * (high - low).max()
    side = box / rng.uniform(*_BOX_SHARE)
    shift, is_cut = rng.uniform(-1, 1, 2), rng.random() < _CUT_RATE
    cut_side, cut_reach = rng.uniform(0.65, 1.1) * box, np.array([0.2, 0.35]) * box
    off = np.abs(flat - middle - shift * cut_reach)
    if is_cut and np.mean(np.all(off < cut_side / 2, axis=-1)) > _LEAST_SEEN:
        side, middle = cut_side, middle + shift * cut_reach
    else:
        middle = middle + shift * _WANDER * (side - box) / 2
    focal = size / side
    center = (side / 2 - middle) * focal - 0.5
    view = Perspective((focal, focal), tuple(center.tolist()))
    return PictureCamera(rotation, translation, view, size)
