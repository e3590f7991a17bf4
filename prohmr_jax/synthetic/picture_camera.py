"""Places the camera of a picture, and converts between world, camera and pixels.

`dataset` draws the cameras; `render_pictures` and `rooms` look through them.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.rendering.views import Perspective

# Range of the side of the person's box divided by the side of the picture.
BOX_SHARE = (0.55, 0.74)
# Greatest shift of the box from the centre, as a share of the shift to the edge.
_MAX_SHIFT = 0.5
# Share of pictures whose edge cuts off a part of the person. A person is only cut off
# if more than this share of the joints stays inside the picture.
_CUT_RATE = 0.15
_LEAST_SEEN = 0.4


@dataclasses.dataclass(frozen=True)
class PictureCamera:
    """Describes a pinhole camera in the world and its square picture."""

    rotation: np.ndarray
    """[3, 3], rotation from world axes to camera axes."""
    translation: np.ndarray
    """[3], position of the world's origin in the camera frame, metres."""
    view: Perspective
    """Projection from the camera frame to the pixels of the picture."""
    size: int
    """Side of the picture, pixels."""

    def to_camera(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Returns world points [N, 3] in the camera frame, metres."""
        return points @ self.rotation.T + self.translation

    def world_rays(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rays of all pixels in the world frame.

        Returns:
          The position of the camera [3], metres, and the directions [size, size, 3].
        """
        pixels = np.stack(np.meshgrid(*2 * [np.arange(self.size)]), axis=-1)
        _, directions = self.view.rays(pixels.reshape(-1, 2).astype(float), 1.0)
        directions = directions @ self.rotation
        origin = -self.translation @ self.rotation
        return origin, directions.reshape(self.size, self.size, 3)

    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """Returns the camera matrix K [3, 3], pixels."""
        (fx, fy), (cx, cy) = self.view.focal_length, self.view.center
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])

    def extrinsics(self) -> Float[np.ndarray, "3 4"]:
        """Returns the matrix [R | t], [3, 4], from the world to the camera, metres."""
        return np.concatenate([self.rotation, self.translation[:, None]], axis=1)


def frame_person(
    rng: np.random.Generator,
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
    joints: Float[np.ndarray, "J 3"],
    size: int,
    box_share: tuple[float, float] = BOX_SHARE,
) -> PictureCamera:
    """Returns the camera whose picture shows a person.

    The person's box is near the centre of the picture; in some pictures the edge cuts
    off a part of the person.

    Args:
      rng: random generator of the box's size and position in the picture.
      rotation: [3, 3], rotation from world axes to camera axes.
      translation: [3], position of the world's origin in the camera frame, metres.
      joints: [J, 3], joints of the person in the world, metres.
      size: side of the picture, pixels.
      box_share: range of the share of the picture's side that the person's box fills.
    """
    rotation, translation = rotation.astype(float), translation.astype(float)
    placed = joints @ rotation.T + translation
    flat = placed[:, :2] / placed[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    middle, box = (low + high) / 2, MARGIN * (high - low).max()
    side = box / rng.uniform(*box_share)
    shift, is_cut = rng.uniform(-1, 1, 2), rng.random() < _CUT_RATE
    cut_side, cut_reach = rng.uniform(0.65, 1.1) * box, np.array([0.2, 0.35]) * box
    off = np.abs(flat - middle - shift * cut_reach)
    if is_cut and np.mean(np.all(off < cut_side / 2, axis=-1)) > _LEAST_SEEN:
        side, middle = cut_side, middle + shift * cut_reach
    else:
        middle = middle + shift * _MAX_SHIFT * (side - box) / 2
    focal = size / side
    center = (side / 2 - middle) * focal - 0.5
    view = Perspective((focal, focal), tuple(center.tolist()))
    return PictureCamera(rotation, translation, view, size)
