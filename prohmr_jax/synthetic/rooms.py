"""Paints what is around a person: a room with floor and walls, or a flat collage.

`render_pictures` calls it.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from prohmr_jax.synthetic.picture_camera import PictureCamera
from prohmr_jax.synthetic.textures import Texture

# Size of a cell of the map of the shadow, metres, and number of cells along a side.
_SHADOW_CELL = 0.04
_SHADOW_CELLS = 96
# Number of the floor among the faces of a room.
_FLOOR = 2


@dataclasses.dataclass(frozen=True)
class Room:
    """Describes a box around the person, seen from inside.

    The room frame is the world frame, turned about the vertical by `turn`.
    """

    low: np.ndarray
    """[3], least coordinates in the room frame, metres; the floor is at y = 0."""
    high: np.ndarray
    """[3], greatest coordinates in the room frame, metres."""
    textures: tuple[Texture, ...]
    """Textures of the six faces: x low, x high, y low (the floor), y high, z low, z
    high."""
    tile_size: np.ndarray
    """[6], side of a tile of each face's texture, metres."""
    light: np.ndarray
    """[6], factor on the colours of each face."""
    turn: np.ndarray
    """[3, 3], rotation from world axes to room axes."""


def random_room(rng: np.random.Generator, textures: Sequence[Texture]) -> Room:
    """Returns a random room, from a few metres to the width of a street.

    Args:
      rng: random generator.
      textures: textures to choose from.
    """
    wall, far_wall, floor, ceiling = rng.choice(np.array(textures), 4)
    reach = np.exp(rng.uniform(np.log(1.2), np.log(25.0), 4))
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    return Room(
        low=np.array([-reach[0], 0.0, -reach[1]]),
        high=np.array([reach[2], rng.uniform(2.3, 4.0) + 0.3 * reach.mean(), reach[3]]),
        textures=(wall, far_wall, floor, ceiling, wall, far_wall),
        tile_size=np.exp(rng.uniform(np.log(0.7), np.log(5.0), 6)),
        light=rng.uniform(0.65, 1.15, 6) * rng.uniform(0.75, 1.1),
        turn=np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]),
    )


def paint_room(
    room: Room,
    camera: PictureCamera,
    vertices: Float[np.ndarray, "V 3"],
    toward_light: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "S S 3"]:
    """Returns a picture [S, S, 3], float32 sRGB, of the room without the person.

    Args:
      room: the room.
      camera: the camera that sees it.
      vertices: [V, 3], vertices of the person who casts a shadow, in the world, metres.
      toward_light: [3], direction to the key lamp, world frame.
    """
    origin, directions = camera.world_rays()
    # Single precision is fast, and its errors are below a millimetre here.
    start = np.float32(room.turn @ origin)
    step = np.float32(directions @ room.turn.T)
    step = np.where(np.abs(step) < 1e-6, 1e-6, step)
    ahead = (np.where(step > 0, *np.float32([room.high, room.low])) - start) / step
    axis = np.argmin(ahead, axis=-1)
    distance = np.maximum(np.take_along_axis(ahead, axis[..., None], axis=-1), 0.1)
    places = start + distance * step
    face = 2 * axis + np.take_along_axis(step > 0, axis[..., None], axis=-1)[..., 0]
    picture = np.empty((*axis.shape, 3), np.float32)
    for number in np.unique(face):
        seen = face == number
        across = [a for a in (0, 2, 1) if a != number // 2]
        at = places[..., across] / np.float32(room.tile_size[number])
        shown = room.textures[number].sample(at) * np.float32(room.light[number])
        if number == _FLOOR:
            ground = (places @ np.float32(room.turn))[..., [0, 2]]
            shown *= 1 - _shadow(vertices, toward_light, ground)[..., None]
        picture[seen] = shown[seen]
    return picture


def _shadow(vertices, toward_light, ground: np.ndarray) -> Float[np.ndarray, "S S"]:
    """Returns the darkness [S, S] in [0, 1] of the floor at x and z [S, S, 2]."""
    feet, height = vertices[:, [0, 2]], vertices[:, 1]
    slope = toward_light[[0, 2]] / max(toward_light[1], 0.2)
    corner = feet.mean(axis=0) - _SHADOW_CELL * _SHADOW_CELLS / 2
    edges = [c + _SHADOW_CELL * np.arange(_SHADOW_CELLS + 1) for c in corner]
    # The body shades the lamp, and close to the floor it shades the sky.
    lamp, _, _ = np.histogram2d(*(feet - height[:, None] * slope).T, edges)
    sky, _, _ = np.histogram2d(*feet.T, edges, weights=np.exp(-height / 0.12))
    density = cv2.GaussianBlur((lamp + sky).astype(np.float32), (0, 0), 1.5)
    darkness = 0.55 * (1 - np.exp(-0.8 * density))
    x, z = np.moveaxis((ground - corner) / _SHADOW_CELL - 0.5, -1, 0)
    z, x = np.float32(z), np.float32(x)
    return cv2.remap(darkness, z, x, cv2.INTER_LINEAR)


def paint_collage(
    rng: np.random.Generator, textures: Sequence[Texture], shape: tuple[int, int]
) -> Float[np.ndarray, "*shape 3"]:
    """Returns a picture [*shape, 3], float32 sRGB, of an unevenly lit flat texture.

    Args:
      rng: random generator of scale, angle, colours and light.
      textures: textures to choose from.
      shape: height and width, pixels.
    """
    texture = textures[rng.integers(len(textures))].recolored(rng)
    scale, turn = np.exp(rng.uniform(-2.0, 1.2)), _turn(rng.uniform(0, 2 * np.pi))
    columns, rows = (np.arange(n, dtype=np.float32) / max(shape) for n in shape[::-1])
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    slope = np.float32(rng.normal(scale=0.5, size=2))
    light = 1 + (grid - 0.5) @ slope
    return texture.sample(grid @ np.float32(turn * scale)) * light[..., None]


def draw_object(
    rng: np.random.Generator,
    picture: Float[np.ndarray, "H W 3"],
    textures: Sequence[Texture],
    center: Float[np.ndarray, "2"],
    radius: float,
) -> None:
    """Draws a textured box, disc or polygon onto a picture in place.

    Args:
      rng: random generator of kind, proportions, angle and texture.
      picture: [H, W, 3], float32 sRGB.
      textures: textures to choose from.
      center: [2], position in the picture, pixels.
      radius: radius of the object, pixels.
    """
    kind = rng.choice(["box", "disc", "splinter"], p=[0.55, 0.25, 0.2])
    if kind == "splinter":
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 8)))
    else:
        corners = 4 if kind == "box" else 24
        angles = (np.arange(corners) + 0.5) / corners * 2 * np.pi
    stretch = np.exp(rng.uniform(-0.9, 0.9))
    outline = np.stack([np.cos(angles) * stretch, np.sin(angles) / stretch], axis=1)
    tilt = rng.normal(scale=0.1) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    points = center + radius * outline @ _turn(tilt)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cover = mask[window][..., None] / np.float32(255)
    surface = paint_collage(rng, textures, cover.shape[:2])
    picture[window] += cover * (surface - picture[window])


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
