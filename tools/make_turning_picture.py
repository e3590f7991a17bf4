"""Makes a moving picture of a result: the mode and its samples, turning once around.

python tools/make_turning_picture.py outputs/demo/astronaut_person0.npz \
    --photo photo.jpg --output turning.webp

The photo is at the left, the mode among samples in the middle, and the spread of the
samples at the right. The picture is an animated WebP.
"""

import argparse
import sys

import numpy as np
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.images import read_image
from prohmr_jax.rendering.color_bar import spread_scale
from prohmr_jax.rendering.colors import spread_color
from prohmr_jax.rendering.lights import EVEN
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.viewer.readers import read_people
from prohmr_jax.viewer.scene import MAX_GHOSTS, PosedBodies


def main(arguments: list[str] | None = None) -> int:
    """Draws and writes the picture; returns 0, or 2 for unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", help="result of the demo, .npz")
    parser.add_argument("--photo", help="photo to show at the left")
    parser.add_argument("--output", required=True, help=".webp file to write")
    parser.add_argument("--body", default="open")
    parser.add_argument("--frames", type=int, default=32, help="a multiple of four")
    parser.add_argument("--height", type=int, default=240, help="pixels")
    parser.add_argument("--quality", type=int, default=45, help="of WebP, 0 to 100")
    args = parser.parse_args(arguments)
    if args.frames < 4 or args.frames % 4:
        parser.error("--frames must be a multiple of four")
    try:
        photo = None if args.photo is None else read_image(args.photo)
        posed = PosedBodies(read_body(args.body), args.body)
        (person,) = read_people(args.result)
        vertices = posed(person, person.bodies[: 1 + MAX_GHOSTS])
        spread = posed.spread(person)
        if spread is None:
            raise InputError(args.result, "has no samples")
        pictures = turning_pictures(
            vertices, posed.faces, spread, args.frames, args.height
        )
        if photo is not None:
            left = _of_height(photo, args.height)
            pictures = [np.concatenate([left, each], axis=1) for each in pictures]
        first, *others = map(Image.fromarray, pictures)
        write_atomically(
            args.output,
            lambda stream: first.save(
                stream, format="WEBP", save_all=True, append_images=others,
                duration=4000 // args.frames, loop=0, quality=args.quality, method=6,
                minimize_size=True,
            ),
        )  # fmt: skip
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def turning_pictures(
    vertices: np.ndarray,
    faces: np.ndarray,
    spread: np.ndarray,
    num_frames: int,
    height_px: int,
) -> list[np.ndarray]:
    """Returns pictures [h, w, 3] uint8 of bodies that turn about the vertical.

    Args:
      vertices: vertices [N, V, 3] of the mode and samples, metres, camera axes.
      faces: triangles [F, 3] of vertex numbers.
      spread: spread [V] of the vertices, metres.
      num_frames: number of pictures of one turn, a multiple of four.
      height_px: height of the pictures, pixels.
    """
    bodies = np.asarray(vertices, float)
    bodies = bodies - (bodies[0].min(axis=0) + bodies[0].max(axis=0)) / 2
    colors = spread_color(spread / spread_scale(spread))
    angles = 2 * np.pi * np.arange(16) / 16
    everywhere = [_turned(bodies, angle) for angle in angles]
    stage = Stage.around(np.concatenate(everywhere), height_px)
    # Both panels of a stage are used: the second shows the body a quarter further.
    quarter = num_frames // 4
    pictures: list = [None] * num_frames
    for number in (*range(quarter), *range(2 * quarter, 3 * quarter)):
        turned = _turned(bodies, 2 * np.pi * number / num_frames)
        among = stage.ghost_panels(Mesh(turned[0], faces), turned[1:])
        painted = stage.panels(Mesh(turned[0], faces, colors), EVEN)
        for later, panels in enumerate(zip(among, painted, strict=True)):
            place = number + later * quarter
            pictures[place] = _of_height(np.concatenate(panels, axis=1), height_px)
    return pictures


def _turned(bodies: np.ndarray, angle: float) -> np.ndarray:
    """Returns bodies [..., 3] that are turned about the y axis, as the stage turns."""
    c, s = np.cos(angle), np.sin(angle)
    return bodies @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def _of_height(picture: np.ndarray, height_px: int) -> np.ndarray:
    width = round(picture.shape[1] * height_px / picture.shape[0])
    image = Image.fromarray(picture).resize((width, height_px), Image.LANCZOS)
    return np.asarray(image)


if __name__ == "__main__":
    sys.exit(main())
