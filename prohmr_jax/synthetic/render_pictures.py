"""Renders pictures of one person from several cameras with NumPy and Embree.

`dataset` calls it in processes of their own, which must not touch the accelerator.
"""

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
    draw_object,
    paint_collage,
    paint_room,
    random_room,
)
from prohmr_jax.synthetic.textures import Texture, random_texture

_JPEG_QUALITY = 92
_ROOM_RATE = 0.7
_CLUTTER_RATE = 0.4
_OCCLUDER_RATE = 0.3
# Numbers of rays per vertex and per pixel at an edge; they are small for speed.
_SKY_RAYS = 16
_EDGE_RAYS = 4
_TEXTURES_PER_PERSON = 5


@dataclasses.dataclass(frozen=True)
class PictureRequest:
    """Describes the pictures of one person."""

    seed: tuple[int, ...]
    """Seed of all random properties that are not labelled, such as clothes and room."""
    vertices: np.ndarray
    """[V, 3], vertices of the posed body in the world, metres."""
    cameras: Sequence[PictureCamera]
    """Cameras in the world, one per picture."""
    kinds: tuple[str, ...]
    """Kinds of texture that may surround the person, as in `textures`."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """Holds a rendered picture, and what in it is hidden by an object."""

    file: bytes
    """The picture as a JPEG file."""
    covered: np.ndarray
    """[size, size], True for pixels that show an object in front of the person."""


def render_pictures(body: BodyMap, request: PictureRequest) -> list[bytes]:
    """Returns a JPEG file per camera; the same request gives the same bytes.

    Args:
      body: map of the body.
      request: the person and the cameras.
    """
    return [picture.file for picture in render_covered(body, request)]


def render_covered(body: BodyMap, request: PictureRequest) -> list[Picture]:
    """Returns a picture per camera; the same request gives the same pictures.

    Args:
      body: map of the body.
      request: the person and the cameras.
    """
    rng = np.random.default_rng(request.seed)
    appearance = random_appearance(rng, body)
    # Clothes lie on the body along its normals.
    vertices = request.vertices.astype(float)
    normals = vertex_normals(vertices, body.faces)
    dressed = vertices + appearance.thickness[:, None] * normals
    mesh = Mesh(
        dressed,
        body.faces,
        appearance.color,
        openness(dressed, body.faces, num_rays=_SKY_RAYS),
    )
    textures = [random_texture(rng, request.kinds) for _ in range(_TEXTURES_PER_PERSON)]
    room = random_room(rng, textures)
    toward_light, lights = _random_lights(rng)
    pictures = []
    for number, camera in enumerate(request.cameras):
        rng = np.random.default_rng((*request.seed, number))
        if rng.random() < _ROOM_RATE:
            picture = paint_room(room, camera, dressed, toward_light)
        else:
            picture = paint_collage(rng, textures, (camera.size,) * 2)
        if rng.random() < _CLUTTER_RATE:
            for _ in range(rng.integers(2, 9)):
                place = rng.uniform(-0.1, 1.1, 2) * camera.size
                radius = np.exp(rng.uniform(-3.0, -0.9)) * camera.size
                draw_object(rng, picture, textures, place, radius)
        in_camera = dataclasses.replace(mesh, vertices=camera.to_camera(dressed))
        raster = render(
            [in_camera], camera.view, (camera.size,) * 2,
            rays_per_pixel=_EDGE_RAYS, lights=_rotate_lights(lights, camera.rotation),
        )  # fmt: skip
        alpha = raster.rgba[..., 3:] / np.float32(255)
        picture += alpha * (raster.rgba[..., :3] / np.float32(255) - picture)
        free = picture.copy()
        if rng.random() < _OCCLUDER_RATE:
            _occlude(rng, picture, camera.view.project(in_camera.vertices), textures)
        covered = np.any(picture != free, axis=-1)
        pictures.append(Picture(_encode(rng, picture), covered))
    return pictures


def _random_lights(rng: np.random.Generator) -> tuple[np.ndarray, LightRig]:
    """Returns the direction to the key lamp [3] and the lights, in the world frame."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(15, 80))
    flat = np.cos(height)
    toward = np.array([np.cos(azimuth) * flat, np.sin(height), np.sin(azimuth) * flat])

    def tint() -> np.ndarray:
        return 1 + rng.normal(scale=0.06, size=3)

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


def _rotate_lights(lights: LightRig, rotation: np.ndarray) -> LightRig:
    """Returns lights of the world frame in the axes of a camera."""

    def rotated(lamp: Lamp) -> Lamp:
        return dataclasses.replace(lamp, toward=tuple(rotation @ lamp.toward))

    return dataclasses.replace(
        lights,
        key=rotated(lights.key),
        fill=rotated(lights.fill),
        rim=rotated(lights.rim),
    )


def _occlude(
    rng: np.random.Generator,
    picture: np.ndarray,
    pixels: np.ndarray,
    textures: list[Texture],
) -> None:
    """Draws an object over a person whose vertices are at pixels [V, 2]."""
    extent = (pixels.max(axis=0) - pixels.min(axis=0)).max()
    center = pixels[rng.integers(len(pixels))] + rng.normal(scale=0.1 * extent, size=2)
    radius = extent * rng.uniform(0.06, 0.25)
    draw_object(rng, picture, textures, center, radius)


def _encode(rng: np.random.Generator, picture: np.ndarray) -> bytes:
    """Returns a JPEG file of a picture [S, S, 3] with the faults of a random camera.

    The faults are blur, wrong exposure and white balance, wrong contrast, and noise.
    """
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
