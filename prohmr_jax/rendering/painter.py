"""Draws bodies fast, triangle by triangle, for the many pictures of a video.

`raycast` draws smoother pictures in about twenty times the time.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from prohmr_jax.rendering.raycast import NEAR
from prohmr_jax.rendering.surface import Mesh, unit, vertex_normals
from prohmr_jax.rendering.views import View

# Bodies are drawn at this multiple of the picture's size, which smooths their edges.
_FINER = 2
# Positions have this many binary digits after the point.
_SHIFT = 4
# Direction to the light, camera frame: from above, from the left, from the camera.
_LIGHT = unit(np.array([-0.4, -0.8, -1.0]))
_AMBIENT = 0.45


def paint(picture: np.ndarray, meshes: Sequence[Mesh], view: View) -> np.ndarray:
    """Returns a picture with meshes drawn over it, the nearer triangles in front.

    Triangles are drawn from the farthest to the nearest (painter's algorithm), each in
    one colour. Those that show their back, or lie behind the camera, are left out.

    Args:
      picture: RGB uint8 [H, W, 3].
      meshes: any number of meshes in the camera frame, of one colour each.
      view: camera of the picture.
    """
    height, width = picture.shape[:2]
    triangles, colors, depths = [], [], []
    for mesh in meshes:
        corners, shades, depth = _triangles(mesh, view)
        triangles.append(corners)
        colors.append(shades)
        depths.append(depth)
    triangles = np.concatenate(triangles) if triangles else np.zeros((0, 3, 2))
    inside = np.isfinite(triangles).all(axis=(1, 2))
    # Positions far outside would not fit into the integers that OpenCV takes.
    limit = 4 * max(height, width)
    inside &= (np.abs(triangles) < limit).all(axis=(1, 2))
    inside &= (triangles.max(axis=1) >= -1).all(axis=1)
    inside &= (triangles.min(axis=1) <= (width, height)).all(axis=1)
    if not inside.any():
        return picture
    order = np.flatnonzero(inside)
    order = order[np.argsort(-np.concatenate(depths)[order], kind="stable")]
    triangles, colors = triangles[order], np.concatenate(colors)[order]
    # Only the part of the picture that shows bodies is drawn at the finer size.
    low = np.clip(np.floor(triangles.min(axis=(0, 1))) - 1, 0, None).astype(int)
    high = np.ceil(triangles.max(axis=(0, 1))).astype(int) + 2
    high = np.minimum(high, (width, height))
    size = (high - low)[::-1] * _FINER
    layer = np.zeros((*size, 4), np.uint8)
    at = (triangles - low + 0.5) * _FINER - 0.5
    at = np.rint(at * 2**_SHIFT).astype(np.int32)
    for corners, color in zip(at, colors.tolist(), strict=True):
        cv2.fillConvexPoly(layer, corners, color, cv2.LINE_8, _SHIFT)
    # Colours are zero where nothing is drawn, so that the mean of finer pixels is the
    # colour times the covered share.
    layer = cv2.resize(layer, size[::-1] // _FINER, interpolation=cv2.INTER_AREA)
    part = slice(low[1], high[1]), slice(low[0], high[0])
    under = picture[part].astype(np.uint16) * (255 - layer[..., 3:].astype(np.uint16))
    result = picture.copy()
    result[part] = under // 255 + layer[..., :3]
    return result


def _triangles(mesh: Mesh, view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns corners [F, 3, 2] in pixels, colours [F, 4] and depths [F] of faces."""
    vertices, faces = np.asarray(mesh.vertices, float), np.asarray(mesh.faces)
    in_front = vertices[:, 2] > NEAR
    safe = np.where(in_front[:, None], vertices, np.nan)
    pixels = view.project(safe)[faces]
    a, b, c = np.moveaxis(pixels, 1, 0)
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (
        c[:, 0] - a[:, 0]
    )
    # Corners are counterclockwise seen from outside, and y points down.
    seen = turn < 0
    normal = unit(vertex_normals(vertices, faces)[faces].mean(axis=1))
    bright = _AMBIENT + (1 - _AMBIENT) * np.clip(normal @ _LIGHT, 0, 1)
    color = np.rint(255 * bright[:, None] * np.asarray(mesh.color)).clip(0, 255)
    color = np.concatenate([color, np.full((len(faces), 1), 255.0)], axis=1)
    corners = np.where(seen[:, None, None], pixels, np.nan)
    return corners, color, vertices[faces, 2].mean(axis=1)
