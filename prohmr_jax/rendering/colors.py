"""Defines the palette and the colour map of the spread, and converts colours."""

import numpy as np

BODY_BLUE = (0.68, 0.80, 0.93)
BODY_PINK = (0.96, 0.74, 0.75)
# Colours of the people in a picture, in this order, repeated as often as needed.
PEOPLE = (
    BODY_BLUE,
    BODY_PINK,
    (0.76, 0.87, 0.74),
    (0.95, 0.85, 0.66),
    (0.82, 0.76, 0.92),
    (0.68, 0.87, 0.86),
)
INK = (38, 42, 51)
FAINT_INK = (122, 128, 140)
CANVAS = (241, 243, 246)
WHITE = (255, 255, 255)
WARNING = (200, 30, 40)

# OKLab colours (L, a, b) from no spread to large spread: light blue, sand, orange,
# crimson and plum. Lightness always decreases, so that the order is visible without
# colour too, and large spread stands out on white paper.
_SPREAD_STOPS = np.array(
    [
        [0.900, -0.022, -0.034],
        [0.810, 0.012, 0.060],
        [0.720, 0.068, 0.118],
        [0.630, 0.150, 0.098],
        [0.540, 0.182, 0.044],
        [0.450, 0.158, -0.010],
        [0.360, 0.110, -0.044],
    ]
)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Returns the linear light in [0, 1] of sRGB colours in [0, 1] (IEC 61966-2-1)."""
    srgb = np.asarray(srgb)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Returns the sRGB colours in [0, 1] of linear light clipped to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )


def oklab_to_linear(lab: np.ndarray) -> np.ndarray:
    """Returns the linear RGB [..., 3] of OKLab colours [..., 3] (Ottosson, 2020).

    The result is not clipped.
    """
    to_cones = [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
    to_rgb = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    cones = (np.asarray(lab) @ np.transpose(to_cones)) ** 3
    return cones @ np.transpose(to_rgb)


def spread_color(share: np.ndarray) -> np.ndarray:
    """Returns the sRGB colours [..., 3] in [0, 1] that stand for a spread.

    Equal steps of the share are equal distances in OKLab.

    Args:
      share: spread divided by the upper end of the scale, [...]; it is clipped to
        [0, 1].
    """
    steps = np.linalg.norm(np.diff(_SPREAD_STOPS, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(steps) / steps.sum()])
    share = np.asarray(share, float)
    lab = np.stack([np.interp(share, at, stop) for stop in _SPREAD_STOPS.T], axis=-1)
    return to_srgb(oklab_to_linear(lab))
