"""Pictures of one person from several cameras: NumPy and Embree, no device."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from prohmr_jax.rendering.lights import Lamp, LightRig
from prohmr_jax.rendering.raycast import render
from prohmr_jax.rendering.surface import Mesh, openness, vertex_normals
from prohmr_jax.synthetic.appearance import random_appearance
from prohmr_jax.synthetic.body_map import BodyMap
from prohmr_jax.synthetic.picture_camera import PictureCamera
from prohmr_jax.synthetic.rooms import (
    draw_thing,
    paint_collage,
    paint_room,
    random_room,
)
from prohmr_jax.synthetic.textures import Texture, random_texture

_JPEG_QUALITY = 92
_ROOM_RATE = 0.7
_CLUTTER_RATE = 0.4
_OCCLUDER_RATE = 0.3
# Rays per vertex and per pixel on an edge: few, for speed.
_SKY_RAYS = 16
_EDGE_RAYS = 4
_TEXTURES_PER_PERSON = 5


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What there is to photograph."""

    seed: tuple[int, ...]
    """Of everything about the pictures that is not labelled."""
    vertices: np.ndarray
    """[V, 3], metres, world."""
    cameras: Sequence[PictureCamera]
    kinds: tuple[str, ...]
    """Kinds of texture that may surround the person."""


def take_pictures(body: BodyMap, assignment: Assignment) -> list[bytes]:
    """Returns a JPEG file per camera; the same assignment gives the same bytes."""
    rng = np.random.default_rng(assignment.seed)
    appearance = random_appearance(rng, body)
    # Clothes stand off along the normals of the body.
    vertices = assignment.vertices.astype(float)
    normals = vertex_normals(vertices, body.faces)
    dressed = vertices + appearance.thickness[:, None] * normals
    mesh = Mesh(
        dressed,
        body.faces,
        appearance.color,
        openness(dressed, body.faces, num_rays=_SKY_RAYS),
    )
    textures = [
        random_texture(rng, assignment.kinds) for _ in range(_TEXTURES_PER_PERSON)
    ]
    room = random_room(rng, textures)
    toward_light, lights = _random_lights(rng)
    files = []
    for number, camera in enumerate(assignment.cameras):
        rng = np.random.default_rng((*assignment.seed, number))
        if rng.random() < _ROOM_RATE:
            picture = paint_room(room, camera, dressed, toward_light)
        else:
            picture = paint_collage(rng, textures, (camera.size,) * 2)
        if rng.random() < _CLUTTER_RATE:
            for _ in range(rng.integers(2, 9)):
                place = rng.uniform(-0.1, 1.1, 2) * camera.size
                radius = np.exp(rng.uniform(-3.0, -0.9)) * camera.size
                draw_thing(rng, picture, textures, place, radius)
        turned = _turn_lights(lights, camera.rotation)
        seen = dataclasses.replace(mesh, vertices=camera.to_camera(dressed))
        raster = render(
            [seen], camera.view, (camera.size,) * 2,
            num_samples=_EDGE_RAYS, lights=turned,
        )  # fmt: skip
        alpha = raster.rgba[..., 3:] / np.float32(255)
        picture += alpha * (raster.rgba[..., :3] / np.float32(255) - picture)
        if rng.random() < _OCCLUDER_RATE:
            _occlude(rng, picture, camera.view.project(seen.vertices), textures)
        files.append(_develop(rng, picture))
    return files


def _random_lights(rng: np.random.Generator) -> tuple[np.ndarray, LightRig]:
    """Returns the direction to the key lamp and a rig, both in the world."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(15, 80))
    flat = np.cos(height)
    toward = np.array([np.cos(azimuth) * flat, np.sin(height), np.sin(azimuth) * flat])
    tint = lambda: 1 + rng.normal(scale=0.06, size=3)  # noqa: E731
    fill = rng.normal(size=3)
    key, sky = rng.uniform(0.4, 1.1), rng.uniform(0.3, 0.7)
    return toward, LightRig(
        key=Lamp(tuple(toward), tuple(key * tint()), wrap=rng.uniform(0, 0.5)),
        fill=Lamp(tuple(fill), tuple(rng.uniform(0, 0.3) * tint()), wrap=0.4),
        rim=Lamp(tuple(rng.normal(size=3)), tuple(rng.uniform(0, 0.3) * tint())),
        sky=tuple(sky * tint()),
        ground=tuple(rng.uniform(0.3, 0.8) * sky * tint()),
        gloss=rng.uniform(0, 0.1),
    )


def _turn_lights(lights: LightRig, rotation: np.ndarray) -> LightRig:
    """Returns a rig of the world in the axes of a camera."""
    turn = lambda lamp: dataclasses.replace(  # noqa: E731
        lamp, toward=tuple(rotation @ lamp.toward)
    )
    return dataclasses.replace(
        lights, key=turn(lights.key), fill=turn(lights.fill), rim=turn(lights.rim)
    )


def _occlude(rng, picture: np.ndarray, seen: np.ndarray, textures: list[Texture]):
    """Puts something before a part of the person, seen at pixels [V, 2]."""
    extent = (seen.max(axis=0) - seen.min(axis=0)).max()
    center = seen[rng.integers(len(seen))] + rng.normal(scale=0.1 * extent, size=2)
    radius = extent * rng.uniform(0.06, 0.25)
    draw_thing(rng, picture, textures, center, radius)


def _develop(rng: np.random.Generator, picture: np.ndarray) -> bytes:
    """Returns a JPEG file of [S, S, 3] sRGB, as cheap and as good lenses take it."""
    if rng.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.1))
    gain = rng.uniform(0.8, 1.3) * (1 + rng.normal(scale=0.05, size=3))
    picture = np.clip(picture * gain.astype(np.float32), 0, 1)
    picture **= np.float32(np.exp(rng.normal(scale=0.15)))
    noise = rng.uniform(0, 0.03) * rng.standard_normal(picture.shape, np.float32)
    pixels = np.rint(255 * np.clip(picture + noise, 0, 1)).astype(np.uint8)
    _, file = cv2.imencode(
        ".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return file.tobytes()
