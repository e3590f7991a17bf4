"""Draws the people of a video from their side, beside the pictures of the video."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from prohmr_jax.rendering.colors import CANVAS, FAINT_INK
from prohmr_jax.rendering.drawing import font
from prohmr_jax.rendering.painter import paint
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Orthographic

_GRID = (221, 225, 231)
# Space around all people, metres.
_MARGIN_M = 0.3
# The least width of what is shown, metres.
_LEAST_M = 2.0
# Shares of positions that are shown: a few outliers would make everybody small.
_SHOWN = (0.5, 99.5)


@dataclasses.dataclass(frozen=True)
class SideView:
    """Describes a view from the right of the picture, without perspective.

    The camera is at the left: what is nearer to it is drawn further left. Lines stand
    a metre from each other, or several metres where they would be dense, and say the
    distance from the camera.
    """

    low: np.ndarray
    """Least z and least y that are shown, [2], metres, camera frame."""
    pixels_per_metre: float
    """Scale."""
    size: tuple[int, int]
    """(width, height), pixels."""

    @classmethod
    def around(cls, joints: np.ndarray, size: tuple[int, int]) -> "SideView":
        """Returns a view in which all joints of a video are seen.

        Args:
          joints: positions of joints in all frames, [N, 3], metres, camera frame.
          size: (width, height) of the view, pixels.
        """
        low, high = np.percentile(joints[:, [2, 1]], _SHOWN, axis=0)
        low, high = low - _MARGIN_M, high + _MARGIN_M
        middle, extent = (low + high) / 2.0, np.maximum(high - low, _LEAST_M)
        scale = float(np.min(np.array(size) / extent))
        return cls(middle - np.array(size) / scale / 2.0, scale, size)

    def draw(self, meshes: Sequence[Mesh]) -> np.ndarray:
        """Returns the picture of meshes in the camera frame, RGB uint8 [h, w, 3]."""
        picture = self._grid()
        if not meshes:
            return picture
        scale = self.pixels_per_metre
        # The nearer ones to the viewer, who is at the right, have larger x.
        turned = [mesh.vertices[:, [2, 1]] for mesh in meshes]
        depth = [-mesh.vertices[:, 0] for mesh in meshes]
        behind = 1.0 - min(float(d.min()) for d in depth)
        views = [
            dataclasses.replace(mesh, vertices=np.column_stack([zy, along + behind]))
            for mesh, zy, along in zip(meshes, turned, depth, strict=True)
        ]
        center = tuple((-self.low * scale - 0.5).tolist())
        return paint(picture, views, Orthographic((scale, scale), center))

    def _grid(self) -> np.ndarray:
        width, height = self.size
        image = Image.new("RGB", self.size, CANVAS)
        draw = ImageDraw.Draw(image)
        letters = font(max(10, height // 36))
        extent = width / self.pixels_per_metre
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if extent / s < 12)
        first = int(np.ceil(self.low[0] / step)) * step
        for metre in range(first, int(self.low[0] + extent) + 1, step):
            x = (metre - self.low[0]) * self.pixels_per_metre
            draw.line([x, 0, x, height], _GRID)
            draw.text(
                (x + 3, height - 1.4 * letters.size), f"{metre} m", FAINT_INK, letters
            )
        return np.asarray(image)
