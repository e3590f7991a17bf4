"""Draws skin, hair and clothes of a person as colours of the body's vertices.

`render_pictures` calls it. Clothes are regions of the body that stand off it a little.
Front and back, and left and right, can be told apart as well as those of real people.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from prohmr_jax.rendering.colors import oklab_to_linear, to_srgb
from prohmr_jax.synthetic.body_map import BodyMap

# Colours of skin, sRGB, from fair to dark; a person's is between two neighbours.
_SKIN = np.array(
    [
        [0.96, 0.82, 0.74], [0.91, 0.74, 0.63], [0.82, 0.63, 0.50],
        [0.70, 0.50, 0.37], [0.52, 0.35, 0.25], [0.34, 0.22, 0.16],
    ]
)  # fmt: skip
_HAIR = np.array(
    [
        [0.07, 0.06, 0.06], [0.16, 0.11, 0.09], [0.30, 0.20, 0.13],
        [0.52, 0.36, 0.20], [0.80, 0.67, 0.44], [0.50, 0.22, 0.12],
        [0.62, 0.61, 0.60], [0.88, 0.87, 0.85],
    ]
)  # fmt: skip
_HAIR_WEIGHTS = np.array([0.26, 0.24, 0.18, 0.10, 0.08, 0.04, 0.06, 0.04])
_LIPS = np.array([0.70, 0.35, 0.34])


@dataclasses.dataclass(frozen=True)
class Appearance:
    """Holds the looks of a person."""

    color: np.ndarray
    """[V, 3], colours of the vertices, sRGB in [0, 1]."""
    thickness: np.ndarray
    """[V], distance of cloth and hair from the skin, metres."""


def random_appearance(rng: np.random.Generator, body: BodyMap) -> Appearance:
    """Returns the looks of a random dressed person.

    Args:
      rng: random generator.
      body: map of the body that is dressed.
    """
    between = rng.uniform(0, len(_SKIN) - 1)
    skin = np.array([np.interp(between, range(len(_SKIN)), c) for c in _SKIN.T])
    painter = _Painter(body, skin)
    _paint_face(painter, rng, skin)
    _dress(painter, rng)
    _paint_hair(painter, rng, skin)
    shade = 1 + 0.06 * _waves(rng, body.rest, 0.15)
    return Appearance(np.clip(painter.color * shade[:, None], 0, 1), painter.thickness)


def random_color(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Returns a random sRGB colour [3], more often a grey than a vivid colour."""
    lightness = rng.uniform(0.15, 0.97)
    chroma = rng.choice([0.0, 0.03, 0.10, 0.17], p=[0.2, 0.3, 0.3, 0.2])
    hue = rng.uniform(0, 2 * np.pi)
    lab = [lightness, chroma * np.cos(hue), chroma * np.sin(hue)]
    return to_srgb(oklab_to_linear(lab))


class _Painter:
    """Holds the colours of a body while layer after layer is painted on it."""

    def __init__(self, body: BodyMap, skin: np.ndarray):
        """Starts with bare skin of an sRGB colour [3]."""
        self.body = body
        self.color = np.tile(skin, (len(body.rest), 1))
        self.thickness = np.zeros(len(body.rest))

    def paint(self, where: np.ndarray, color: np.ndarray, thickness: float = 0.0):
        """Gives the vertices for which `where` [V] is true a colour, [3] or [V, 3]."""
        self.color[where] = np.broadcast_to(color, self.color.shape)[where]
        self.thickness[where] = np.maximum(self.thickness[where], thickness)


def _paint_face(painter: _Painter, rng: np.random.Generator, skin: np.ndarray):
    body = painter.body
    face = body.is_head & (body.front > 0.3)
    eyes = np.minimum(body.distance_to("left_eye"), body.distance_to("right_eye"))
    painter.paint(face & (eyes < 0.022), 0.55 * skin)
    painter.paint(face & (eyes < 0.012), rng.uniform(0.05, 0.2, 3))
    nose = body.landmark("nose")
    mouth = np.abs(body.rest - nose - [0, -0.040, -0.015]) < [0.024, 0.009, 0.03]
    painter.paint(face & mouth.all(axis=1), 0.5 * _LIPS + 0.5 * _LIPS * skin)


def _paint_hair(painter: _Painter, rng: np.random.Generator, skin: np.ndarray):
    body = painter.body
    color = rng.dirichlet(np.ones(2)) @ _HAIR[rng.choice(8, 2, p=_HAIR_WEIGHTS)]
    color = color * (1 + 0.15 * _waves(rng, body.rest, 0.03))[:, None]
    style = rng.choice(["bald", "short", "long", "cap"], p=[0.06, 0.54, 0.28, 0.12])
    # Height of the hairline from the nape over the ears to the forehead.
    nape = {"bald": -0.2, "short": -0.9, "long": -3.5, "cap": -0.7}[style]
    sides = rng.uniform(-0.3, 0.2) if style != "long" else rng.uniform(-1.6, -0.4)
    top = rng.uniform(0.40, 0.62) if style != "bald" else 2.0
    line = np.interp(body.front, [-0.7, -0.1, 0.15, 0.55], [nape, sides, sides, top])
    behind = body.is_torso & (body.front < -0.1) & (np.abs(body.rest[:, 0]) < 0.13)
    hair = (body.is_head | behind) & (body.up > line)
    volume = {"bald": 0.0, "short": 0.022, "long": 0.03, "cap": 0.01}[style]
    painter.paint(hair, color, volume * rng.uniform(0.3, 1.2))
    if style == "cap":
        painter.paint(body.is_head & (body.up > 0.45), random_color(rng), 0.02)
    if rng.random() < 0.2:
        nose = body.landmark("nose")[1]
        chin = (body.rest[:, 1] < nose - 0.02) & (body.front > 0.1) & (body.up > -1.35)
        mouth = np.abs(body.rest[:, 1] - nose + 0.040) < 0.01
        painter.paint(body.is_head & chin & ~mouth, 0.6 * color + 0.4 * skin, 0.004)
    brows = body.is_head & (body.front > 0.3) & (np.abs(body.up - 0.17) < 0.06)
    painter.paint(brows & (np.abs(body.rest[:, 0]) > 0.012), 0.7 * color + 0.3 * skin)


def _dress(painter: _Painter, rng: np.random.Generator):
    body = painter.body
    waist = rng.uniform(0.12, 0.32)
    bottoms = rng.choice(["trousers", "shorts", "skirt"], p=[0.6, 0.25, 0.15])
    hem = {
        "trousers": rng.uniform(0.85, 1.0),
        "shorts": rng.uniform(0.22, 0.55),
        "skirt": rng.uniform(0.25, 0.6),
    }[bottoms]
    legs = body.is_leg & (body.leg < hem)
    below = (body.is_torso | body.is_leg) & (body.torso < waist) & (body.leg < hem)
    cloth = _cloth(rng, body)
    loose = rng.uniform(0.002, 0.022)
    painter.paint(legs | below, cloth, loose)
    if rng.random() < 0.4:
        belt = body.is_torso & (np.abs(body.torso - waist) < 0.05)
        painter.paint(belt, random_color(rng) * 0.6, loose)

    shoes = body.is_leg & (body.leg > rng.choice([0.96, 1.0, 0.85], p=[0.6, 0.2, 0.2]))
    if rng.random() < 0.5:
        socks = body.is_leg & (body.leg > rng.uniform(0.70, 0.95))
        painter.paint(socks, random_color(rng), 0.003)
    if rng.random() < 0.9:
        painter.paint(shoes, random_color(rng), 0.008)
        ground = body.rest[:, 1] < body.rest[:, 1].min() + 0.025
        painter.paint(shoes & ground, random_color(rng), 0.01)

    if rng.random() < 0.06:  # bare to the waist
        return
    sleeve = rng.choice([0.05, rng.uniform(0.25, 0.5), rng.uniform(0.75, 0.98)],
                        p=[0.15, 0.45, 0.40])  # fmt: skip
    neckline = rng.uniform(0.86, 1.04) - 0.12 * (body.rest[:, 2] > 0) * rng.random()
    low = waist - rng.choice([0.0, 0.15, 0.45], p=[0.45, 0.35, 0.2])
    if rng.random() < 0.12 and bottoms == "skirt":
        low = -9.0  # a dress
    trunk = (body.torso > low) & (body.torso < neckline) & (body.is_torso | body.is_leg)
    trunk &= body.leg < hem
    sleeves = body.is_arm & (body.arm < sleeve)
    loose = rng.uniform(0.003, 0.025)
    painter.paint(trunk | sleeves, _cloth(rng, body), loose)
    if rng.random() < 0.2:  # sleeves of another colour
        painter.paint(sleeves, random_color(rng), loose)
    if rng.random() < 0.35:  # a print on the chest, or a rucksack's back
        x, height = body.rest[:, 0] / rng.uniform(0.06, 0.13), body.torso - 0.68
        spot = x**2 + (height / rng.uniform(0.12, 0.25)) ** 2 < 1
        side = body.rest[:, 2] > 0 if rng.random() < 0.75 else body.rest[:, 2] < 0
        painter.paint(trunk & spot & side, random_color(rng), loose)
    if rng.random() < 0.2:  # an open jacket
        opening = (np.abs(body.rest[:, 0]) < rng.uniform(0.02, 0.07)) & (
            body.rest[:, 2] > 0
        )
        painter.paint(trunk & opening, random_color(rng), loose)


def _cloth(rng: np.random.Generator, body: BodyMap) -> Float[np.ndarray, "V 3"]:
    """Returns colours [V, 3] of a fabric: plain, striped, checked or mottled."""
    first, second = random_color(rng), random_color(rng)
    x, y, z = body.rest.T
    # Coordinates along and across a limb or the trunk; at rest the arms are horizontal.
    length = np.where(body.is_arm, np.abs(x), y)
    across = np.where(body.is_arm, y, x)

    def wave(coordinate: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * coordinate / rng.uniform(0.07, 0.2)) > 0

    kind = rng.choice(["plain", "bands", "stripes", "checks", "mottled"],
                      p=[0.5, 0.18, 0.1, 0.1, 0.12])  # fmt: skip
    mask = {
        "plain": np.zeros(len(x), bool),
        "bands": wave(length),
        "stripes": wave(across),
        "checks": wave(length) ^ wave(across),
        "mottled": _waves(rng, body.rest, 0.06) > rng.uniform(-0.2, 0.6),
    }[kind]
    return np.where(mask[:, None], second, first)


def _waves(
    rng: np.random.Generator, places: np.ndarray, size: float
) -> Float[np.ndarray, " V"]:
    """Returns smooth noise [V] in [-1, 1] at places [V, 3], of wavelength `size`."""
    directions = rng.normal(size=(4, 3)) * np.pi / size
    phases = rng.uniform(0, 2 * np.pi, 4)
    return np.sin(places @ directions.T + phases).mean(axis=1)
