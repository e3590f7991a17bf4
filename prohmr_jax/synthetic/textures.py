"""Draws textures that repeat without a seam: patterns of two colours.

`rooms` covers walls, floors and objects with them.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float

from prohmr_jax.synthetic.appearance import random_color

_SIDE_PX = 128
_GRID = np.meshgrid(*2 * [np.arange(_SIDE_PX, dtype=np.float32) / _SIDE_PX])
_FREQUENCY = np.hypot(
    *np.meshgrid(np.fft.rfftfreq(_SIDE_PX), np.fft.fftfreq(_SIDE_PX))
) * _SIDE_PX  # fmt: skip

TRAIN_KINDS = ("plain", "noise", "stripes", "checks", "bricks", "planks")
"""Kinds of texture in the split "train"."""
TEST_KINDS = (*TRAIN_KINDS, "rings", "dots")
"""Kinds of texture in the split "test", of which two are not in "train"."""


@dataclasses.dataclass(frozen=True)
class Texture:
    """Holds one tile of a pattern of two colours."""

    pattern: np.ndarray
    """[128, 128, 2] float32, share of the second colour in [0, 1], and a brightness
    that is added to the colour."""
    colors: np.ndarray
    """[2, 3], sRGB in [0, 1]."""

    def sample(self, at: Float[np.ndarray, "S T 2"]) -> Float[np.ndarray, "S T 3"]:
        """Returns float32 sRGB colours [S, T, 3] of points of the tiled plane.

        Args:
          at: [S, T, 2], coordinates of the points, in sides of a tile.
        """
        u, v = np.moveaxis((at % 1 * _SIDE_PX).astype(np.float32), -1, 0)
        share, grain = np.moveaxis(
            cv2.remap(self.pattern, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP),
            -1, 0,
        )  # fmt: skip
        first, second = self.colors.astype(np.float32)
        return first + share[..., None] * (second - first) + grain[..., None]

    def recolored(self, rng: np.random.Generator) -> "Texture":
        """Returns the same pattern in two random colours."""
        return dataclasses.replace(self, colors=_random_colors(rng))


def random_texture(rng: np.random.Generator, kinds: tuple[str, ...]) -> Texture:
    """Returns a random texture.

    Args:
      rng: random generator.
      kinds: kinds of texture to choose from.
    """
    share = _share(rng, rng.choice(kinds))
    grain = rng.uniform(0.0, 0.1) * _noise(rng, rng.uniform(0.4, 1.2))
    return Texture(
        np.stack([share, grain], axis=-1, dtype=np.float32), _random_colors(rng)
    )


def _random_colors(rng: np.random.Generator) -> np.ndarray:
    first, second = random_color(rng), random_color(rng)
    # Most surfaces are pale and have little contrast.
    pale = rng.choice([0.0, 0.5, 0.8], p=[0.3, 0.4, 0.3])
    first = first + pale * (first.mean() - first)
    contrast = rng.choice([0.15, 0.4, 1.0], p=[0.5, 0.35, 0.15])
    return np.stack([first, first + (second - first) * contrast])


def _share(rng: np.random.Generator, kind: str) -> Float[np.ndarray, "128 128"]:
    """Returns the share of the second colour [128, 128] in a random pattern."""
    x, y = _GRID
    count = int(rng.integers(1, 6))
    match kind:
        case "plain":
            return np.zeros_like(x)
        case "noise":
            return 0.5 + 0.5 * _noise(rng, rng.uniform(0.8, 2.0))
        case "stripes":
            return (x * count % 1 < rng.uniform(0.1, 0.6)).astype(float)
        case "checks":
            return ((x * count % 1 < 0.5) ^ (y * count % 1 < 0.5)).astype(float)
        case "rings":
            return np.hypot(x - 0.5, y - 0.5) * 2 * count % 1
        case "dots":
            off = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
            return (off < 0.3).astype(float)
        case "bricks" | "planks":
            rows, columns = 2 * count, count if kind == "bricks" else 1
            row = np.floor(y * rows).astype(int)
            shift = row * (0.5 if kind == "bricks" else 0.37)
            joint = (y * rows % 1 < 0.1) | ((x * columns + shift) % 1 < 0.05)
            return np.where(joint, 1.0, 0.4 * rng.random(rows)[row])
    raise ValueError(f"no texture {kind!r}")


def _noise(rng: np.random.Generator, roughness: float) -> Float[np.ndarray, "128 128"]:
    """Returns noise [128, 128] in [-1, 1] with the spectrum frequency ** -roughness."""
    phases = np.exp(2j * np.pi * rng.random(_FREQUENCY.shape))
    spectrum = phases / np.maximum(_FREQUENCY, 1) ** roughness
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (_SIDE_PX, _SIDE_PX))
    return np.clip(noise / (2 * noise.std()), -1, 1)
