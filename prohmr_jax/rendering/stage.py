"""Renders bodies for comparison: at the same scale and place, from two sides."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from prohmr_jax.rendering.colors import WHITE
from prohmr_jax.rendering.drawing import compose
from prohmr_jax.rendering.lights import STUDIO, LightRig
from prohmr_jax.rendering.raycast import Raster, render
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Orthographic

_MARGIN_PX = 6
# Share of what is behind it that a translucent body hides.
_GHOST_ALPHA = 0.22
_GHOST_COLOR = (0.96, 0.56, 0.55)


@dataclasses.dataclass(frozen=True)
class Stage:
    """Renders bodies without perspective, from the camera and from their side."""

    center: np.ndarray
    """Point that is shown in the middle of the panels, [3], metres, camera frame."""
    pixels_per_metre: float
    """Scale of the panels."""
    width: int
    """Width of the panels, pixels."""
    height: int
    """Height of the panels, pixels."""

    @classmethod
    def around(cls, bodies: np.ndarray, panel_px: int) -> "Stage":
        """Returns a stage with space for all bodies.

        Args:
          bodies: vertices of N bodies, [N, V, 3], metres, camera frame.
          panel_px: height of the panels, pixels. Panels of wide, low groups are lower,
            so that none is wider than 1.2 times this.
        """
        low, high = bodies.min(axis=(0, 1)), bodies.max(axis=(0, 1))
        extent_x, extent_y, extent_z = np.maximum(high - low, 1e-3)
        wide = max(extent_x, extent_z)
        room = panel_px - 2 * _MARGIN_PX
        scale = min(room / extent_y, 1.2 * room / wide)
        width, height = (round(scale * e) + 2 * _MARGIN_PX for e in (wide, extent_y))
        return cls((low + high) / 2, scale, width, height)

    def panels(self, mesh: Mesh, lights: LightRig = STUDIO) -> list[np.ndarray]:
        """Returns the views from the camera and from the side, RGB uint8 on white."""
        rasters = self._rasters(self._views(mesh), lights=lights)
        return [compose(raster.rgba, WHITE) for raster in rasters]

    def ghost_panels(self, solid: Mesh, ghosts: np.ndarray) -> list[np.ndarray]:
        """Returns both views of a solid mesh in front of translucent bodies.

        The picture is denser where there are more bodies; their order does not matter.

        Args:
          solid: the solid mesh.
          ghosts: vertices of the translucent bodies, [G, V, 3], metres, camera frame.
        """
        meshes = [Mesh(vertices, solid.faces, _GHOST_COLOR) for vertices in ghosts]
        views = [self._views(mesh) for mesh in meshes]
        panels = []
        for body, turned in zip(
            self._rasters(self._views(solid)), zip(*views, strict=True), strict=True
        ):
            layers = self._rasters(turned, rays_per_pixel=4)
            cloud = _cloud(np.stack([layer.rgba for layer in layers]))
            panels.append(compose(body.rgba, compose(cloud, WHITE)))
        return panels

    def _views(self, mesh: Mesh) -> tuple[Mesh, Mesh]:
        x, y, z = (np.asarray(mesh.vertices, float) - self.center).T
        # From the right side of the picture, near points are at the left.
        front, side = np.stack([x, y, z], axis=1), np.stack([z, y, -x], axis=1)
        return tuple(dataclasses.replace(mesh, vertices=v) for v in (front, side))

    def _rasters(self, meshes: Sequence[Mesh], **options) -> list[Raster]:
        """Returns a picture of each mesh; they are rendered on all cores."""
        middle = (self.width - 1) / 2, (self.height - 1) / 2
        view = Orthographic((self.pixels_per_metre,) * 2, middle)

        def draw(mesh: Mesh) -> Raster:
            return render([mesh], view, (self.width, self.height), **options)

        # NumPy and Embree release the interpreter's lock where they compute.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(draw, meshes))


def _cloud(layers: np.ndarray) -> np.ndarray:
    """Returns equally translucent layers [G, H, W, 4] as one RGBA layer [H, W, 4]."""
    alpha = layers[..., 3:] / np.float32(255)
    color = (layers[..., :3] * alpha).sum(axis=0) / np.maximum(alpha.sum(axis=0), 1e-6)
    through = np.prod(1 - _GHOST_ALPHA * alpha, axis=0)
    return np.rint(np.concatenate([color, 255 * (1 - through)], axis=2)).astype("u1")
