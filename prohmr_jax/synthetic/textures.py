"""Tiles of texture: small pictures that repeat without a seam."""

import cv2
import numpy as np

from prohmr_jax.synthetic.appearance import random_color

SIDE_PX = 128
_GRID = np.arange(SIDE_PX) / SIDE_PX

TRAIN_KINDS = ("plain", "noise", "stripes", "checks", "bricks", "planks")
# "rings" and "dots" are seen in the test split alone.
TEST_KINDS = (*TRAIN_KINDS, "rings", "dots")


def random_tile(rng: np.random.Generator, kinds: tuple[str, ...]) -> np.ndarray:
    """Returns [128, 128, 3] float32, sRGB in [0, 1], a texture of one of the kinds."""
    kind = rng.choice(kinds)
    first, second = random_color(rng), random_color(rng)
    # Most surfaces have little contrast.
    second = first + (second - first) * rng.choice([0.15, 0.4, 1.0], p=[0.4, 0.4, 0.2])
    share = _pattern(rng, kind)[..., None]
    grain = _noise(rng, rng.uniform(0.4, 1.2))[..., None]
    tile = first + (second - first) * share + rng.uniform(0.0, 0.12) * grain
    return np.clip(tile, 0, 1).astype(np.float32)


def _pattern(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Returns [128, 128], how much of the second colour there is."""
    x, y = np.meshgrid(_GRID, _GRID)
    count = int(rng.integers(1, 6))
    if kind == "plain":
        return np.zeros_like(x)
    if kind == "noise":
        return 0.5 + 0.5 * _noise(rng, rng.uniform(0.8, 2.0))
    if kind == "stripes":
        return (x * count % 1 < rng.uniform(0.1, 0.6)).astype(float)
    if kind == "checks":
        return ((x * count % 1 < 0.5) ^ (y * count % 1 < 0.5)).astype(float)
    if kind == "rings":
        return np.hypot(x - 0.5, y - 0.5) * 2 * count % 1
    if kind == "dots":
        return (np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5) < 0.3).astype(float)
    rows = 2 * count
    shift = np.floor(y * rows) * (0.5 if kind == "bricks" else 0.37)
    columns = count if kind == "bricks" else 1
    joint = (y * rows % 1 < 0.1) | ((x * columns + shift) % 1 < 0.05)
    wear = rng.random((rows, 1)) * 0.4 * np.ones((1, columns))
    row = np.floor(y * rows).astype(int)
    return np.where(joint, 1.0, wear[row, 0])


def _noise(rng: np.random.Generator, roughness: float) -> np.ndarray:
    """Returns [128, 128] in about [-1, 1]; a small roughness keeps small grains."""
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(SIDE_PX, 1 / SIDE_PX)]))
    spectrum = np.fft.fft2(rng.normal(size=(SIDE_PX, SIDE_PX)))
    spectrum *= np.where(frequency > 0, 1 / np.maximum(frequency, 1) ** roughness, 0)
    noise = np.fft.ifft2(spectrum).real
    return np.clip(noise / (2 * noise.std()), -1, 1)


def sample_tile(tile: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns [S, S, 3] of a tile repeated over the plane, at [S, S, 2] in tiles."""
    u, v = np.moveaxis(np.float32(at % 1 * SIDE_PX), -1, 0)
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
