"""Defines the lights of pictures: three lamps and the sky, fixed to the camera."""

import dataclasses

import numpy as np

RGB = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Lamp:
    """Describes a lamp that is so far away that its light is parallel."""

    toward: tuple[float, float, float]
    """Direction from the body to the lamp, of any length, camera frame."""
    color: RGB
    """Linear RGB; 1 fully lights a white surface that faces the lamp."""
    wrap: float = 0.0
    """Size of the lamp, which sets how far its light reaches round the body: 0 for a
    point, 1 for half the sky."""

    def diffuse(self, normal: np.ndarray) -> np.ndarray:
        """Returns the light [R, 3] that surfaces with unit normals [R, 3] receive."""
        facing = (normal @ self._unit() + self.wrap) / (1 + self.wrap)
        return np.maximum(facing, 0)[:, None] * _float32(self.color)

    def highlight(self, normal, toward_eye) -> np.ndarray:
        """Returns the mirrored light [R, 3], at most 1 (Blinn-Phong with exponent 32).

        Args:
          normal: unit normals, [R, 3].
          toward_eye: unit directions to the camera, [R, 3].
        """
        half = self._unit() + toward_eye
        squared = np.maximum(np.einsum("ri,ri->r", half, half), 1e-9)
        cosine = np.maximum(np.einsum("ri,ri->r", half, normal), 0)
        facing = cosine * cosine / squared
        for _ in range(4):
            facing *= facing
        return facing[:, None] * _float32(self.color)

    def _unit(self) -> np.ndarray:
        return _float32(self.toward) / np.linalg.norm(self.toward).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class LightRig:
    """Describes three lamps and the sky."""

    key: Lamp = Lamp((-0.60, -0.75, -0.85), (0.80, 0.77, 0.73), wrap=0.12)
    """Main lamp, from the upper left."""
    fill: Lamp = Lamp((0.95, -0.05, -0.45), (0.13, 0.15, 0.19), wrap=0.40)
    """Weak, cool lamp from the right, which brightens the shadows."""
    rim: Lamp = Lamp((0.75, -0.55, 0.60), (0.42, 0.45, 0.52))
    """Lamp from behind, which brightens the outline."""
    sky: RGB = (0.34, 0.36, 0.40)
    """Linear RGB of the light from straight above."""
    ground: RGB = (0.15, 0.14, 0.14)
    """Linear RGB of the light from straight below."""
    gloss: float = 0.10
    """Strength of the highlight of the key lamp."""

    def shade(
        self,
        color: np.ndarray,
        normal: np.ndarray,
        toward_eye: np.ndarray,
        openness: np.ndarray,
    ) -> np.ndarray:
        """Returns the linear RGB light [R, 3] that R surface points send to the camera.

        Args:
          color: linear RGB of the surface in [0, 1], [R, 3].
          normal: unit normals, camera frame, [R, 3].
          toward_eye: unit directions to the camera, camera frame, [R, 3].
          openness: share of the sky that each point sees, [R].
        """
        openness = openness[:, None]
        upward = (0.5 - 0.5 * normal[:, 1])[:, None]
        sky = upward * _float32(self.sky) + (1 - upward) * _float32(self.ground)
        # Real lamps have a size, so hollows lose a part of their light as well.
        lamps = sum(lamp.diffuse(normal) for lamp in (self.key, self.fill, self.rim))
        light = sky * openness + lamps * (0.45 + 0.55 * openness)
        shine = self.gloss * openness * self.key.highlight(normal, toward_eye)
        return color * light + shine


def _float32(values) -> np.ndarray:
    return np.asarray(values, np.float32)


STUDIO = LightRig()
# This rig has hardly any shadows, for colours that stand for numbers.
EVEN = LightRig(
    key=Lamp((-0.45, -0.60, -1.00), (0.34, 0.34, 0.34), wrap=0.5),
    fill=Lamp((0.80, -0.10, -0.60), (0.12, 0.12, 0.12), wrap=0.5),
    rim=Lamp((0.50, -0.70, 0.75), (0.10, 0.10, 0.10)),
    sky=(0.58, 0.58, 0.58),
    ground=(0.46, 0.46, 0.46),
    gloss=0.015,
)
