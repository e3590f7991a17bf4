"""The stage on which bodies are compared: same scale, same place, two views."""

import dataclasses

import numpy as np

from prohmr_jax.rendering.colors import WHITE
from prohmr_jax.rendering.drawing import compose
from prohmr_jax.rendering.lights import STUDIO, LightRig
from prohmr_jax.rendering.raycast import Raster, render
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Orthographic

_MARGIN_PX = 6
# Of what lies behind, one translucent body hides this share.
_GHOST_ALPHA = 0.22
_GHOST_COLOR = (0.96, 0.56, 0.55)


@dataclasses.dataclass(frozen=True)
class Stage:
    """Shows bodies without perspective, from the camera and from their side."""

    center: np.ndarray
    """[3], metres, camera frame: shown in the middle of the panels."""
    pixels_per_metre: float
    width: int
    height: int

    @classmethod
    def around(cls, bodies: np.ndarray, panel_px: int) -> "Stage":
        """Returns the stage on which all bodies fit.

        Args:
          bodies: [N, V, 3], metres, camera frame.
          panel_px: height of the panels; wide, low groups get lower ones, so that no
            panel is wider than 1.2 times this.
        """
        low, high = bodies.min(axis=(0, 1)), bodies.max(axis=(0, 1))
        extent_x, extent_y, extent_z = np.maximum(high - low, 1e-3)
        wide = max(extent_x, extent_z)
        room = panel_px - 2 * _MARGIN_PX
        scale = min(room / extent_y, 1.2 * room / wide)
        width, height = (round(scale * e) + 2 * _MARGIN_PX for e in (wide, extent_y))
        return cls((low + high) / 2, scale, width, height)

    def panels(self, mesh: Mesh, lights: LightRig = STUDIO) -> list[np.ndarray]:
        """Returns the camera view and the side view, RGB uint8 on white."""
        return [
            compose(self._raster(turned, lights=lights).rgba, WHITE)
            for turned in self._views(mesh)
        ]

    def ghost_panels(self, solid: Mesh, ghosts: np.ndarray) -> list[np.ndarray]:
        """Returns both views of a solid mesh among translucent bodies [G, V, 3].

        Where more ghosts are, the picture is denser; their order plays no part.
        """
        meshes = [Mesh(vertices, solid.faces, _GHOST_COLOR) for vertices in ghosts]
        views = [self._views(mesh) for mesh in meshes]
        panels = []
        for side, turned in enumerate(self._views(solid)):
            layers = [self._raster(view[side], num_samples=4).rgba for view in views]
            cloud = _cloud(np.stack(layers))
            body = self._raster(turned).rgba
            panels.append(compose(body, compose(cloud, WHITE)))
        return panels

    def _views(self, mesh: Mesh) -> tuple[Mesh, Mesh]:
        x, y, z = (np.asarray(mesh.vertices, float) - self.center).T
        # Seen from the right of the picture: what was near is now at the left.
        front, side = np.stack([x, y, z], axis=1), np.stack([z, y, -x], axis=1)
        return tuple(dataclasses.replace(mesh, vertices=v) for v in (front, side))

    def _raster(self, mesh: Mesh, **options) -> Raster:
        middle = (self.width - 1) / 2, (self.height - 1) / 2
        view = Orthographic((self.pixels_per_metre,) * 2, middle)
        return render([mesh], view, (self.width, self.height), **options)


def _cloud(layers: np.ndarray) -> np.ndarray:
    """Returns the RGBA [H, W, 4] of equally translucent layers [G, H, W, 4]."""
    alpha = layers[..., 3:] / np.float32(255)
    color = (layers[..., :3] * alpha).sum(axis=0) / np.maximum(alpha.sum(axis=0), 1e-6)
    through = np.prod(1 - _GHOST_ALPHA * alpha, axis=0)
    return np.rint(np.concatenate([color, 255 * (1 - through)], axis=2)).astype("u1")
