"""Ray casting of triangle meshes: colour with coverage, and depth.

Embree finds which triangle a ray meets first; where exactly it meets it is then
solved in float64, so that depth does not suffer from cameras tens of metres away
(crop cameras with a focal length of 5000 px place the body there).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from prohmr_jax.rendering import colors
from prohmr_jax.rendering.lights import STUDIO, LightRig

# Nothing closer to the camera than this is drawn, metres.
NEAR = 0.01


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the camera frame, with its colour."""

    vertices: np.ndarray
    """[V, 3], metres, camera frame."""
    faces: np.ndarray
    """[F, 3] vertex numbers; both sides are drawn."""
    color: np.ndarray | tuple[float, float, float] = colors.BODY_BLUE
    """sRGB in [0, 1]: [3] for all vertices or [V, 3]."""
    occlusion: np.ndarray | None = None
    """[V] share of the sky that each vertex sees, see `sky_visibility`; None: all."""

    def __post_init__(self):
        """Refuses vertices that no picture could show."""
        vertices = np.asarray(self.vertices)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"vertices have shape {vertices.shape}, not [V, 3]")
        if not np.isfinite(vertices).all():
            raise ValueError("vertices are not finite")


@dataclasses.dataclass(frozen=True)
class Perspective:
    """A pinhole camera at the origin of the camera frame."""

    focal_length: tuple[float, float]
    """(fx, fy), pixels."""
    center: tuple[float, float]
    """Principal point (x, y), pixels; (0, 0) is the centre of the first pixel."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns the pixels [..., 2] of points [..., 3] with z > 0."""
        return points[..., :2] / points[..., 2:] * self.focal_length + self.center

    def resized(self, scale: tuple[float, float]) -> "Perspective":
        """Returns the camera of the same picture at `scale` (x, y) times the size."""
        return Perspective(*_resized(self.focal_length, self.center, scale))

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns origins on the plane z = start, and directions with z = 1."""
        slope = (pixels - self.center) / np.asarray(self.focal_length)
        directions = np.concatenate([slope, np.ones_like(slope[:, :1])], axis=1)
        return directions * start, directions


@dataclasses.dataclass(frozen=True)
class Orthographic:
    """A camera with parallel rays along z."""

    pixels_per_metre: tuple[float, float]
    """Scale (x, y)."""
    center: tuple[float, float]
    """Pixel (x, y) where x = y = 0 of the camera frame is seen."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns the pixels [..., 2] of points [..., 3]."""
        return points[..., :2] * self.pixels_per_metre + self.center

    def resized(self, scale: tuple[float, float]) -> "Orthographic":
        """Returns the camera of the same picture at `scale` (x, y) times the size."""
        return Orthographic(*_resized(self.pixels_per_metre, self.center, scale))

    def rays(self, pixels: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns origins on the plane z = start, and directions (0, 0, 1)."""
        xy = (pixels - self.center) / np.asarray(self.pixels_per_metre)
        origins = np.concatenate([xy, np.full_like(xy[:, :1], start)], axis=1)
        return origins, np.broadcast_to([0.0, 0.0, 1.0], origins.shape)


def _resized(factor, center, scale):
    # Pixel 0 covers [-0.5, 0.5], and this outer edge stays where it is.
    scale = np.asarray(scale, float)
    center = (np.asarray(center) + 0.5) * scale - 0.5
    return tuple(np.asarray(factor) * scale), tuple(center)


@dataclasses.dataclass(frozen=True)
class Raster:
    """A rendered picture."""

    rgba: np.ndarray
    """[H, W, 4] uint8 sRGB, alpha = covered share of the pixel, not premultiplied."""
    depth: np.ndarray
    """[H, W] float32 metres along z, the nearest of the pixel's samples; inf: empty."""
    mesh_index: np.ndarray
    """[H, W] which mesh that sample shows; -1: empty."""


def render(
    meshes: Sequence[Mesh],
    camera: Perspective | Orthographic,
    size: tuple[int, int],
    *,
    supersampling: int = 2,
    lights: LightRig = STUDIO,
) -> Raster:
    """Renders meshes with smooth shading; the same input gives the same bytes.

    Only pixels inside the meshes' projected bounding boxes cost time.

    Args:
      meshes: any number; occlusion between them is exact.
      camera: where the meshes' camera frame is seen from.
      size: (width, height) of the picture, pixels.
      supersampling: rays per pixel and axis, spread evenly over the pixel.
      lights: the light rig, fixed to the camera.

    Returns:
      The picture, its depth and which mesh is where; nothing behind the camera.
    """
    width, height = size
    fine = camera.resized((supersampling, supersampling))
    meshes = [mesh for mesh in meshes if len(mesh.faces) and len(mesh.vertices)]
    color = np.zeros((height * supersampling, width * supersampling, 4), np.float32)
    depth = np.full(color.shape[:2], np.inf, np.float32)
    index = np.full(color.shape[:2], -1, np.int32)
    rows, columns = np.nonzero(_boxes_to_cast(meshes, fine, color.shape[:2]))
    if len(rows):
        hits = _cast(meshes, fine, np.stack([columns, rows], axis=1))
        at = rows[hits.ray], columns[hits.ray]
        depth[at], index[at] = hits.point[:, 2], hits.mesh_index
        shaded = lights.shade(hits.color, hits.normal, hits.toward_eye, hits.occlusion)
        color[*at, :3], color[*at, 3] = shaded, 1
    return _downsample(color, depth, index, supersampling)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Returns unit normals [V, 3], the mean of the adjacent faces' by their area.

    They point outwards where faces are counterclockwise seen from outside. A vertex
    of no face, or of vanishing faces only, gets (0, 0, 0).
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    total = np.zeros((len(vertices), 3))
    for axis in range(3):
        weights = np.repeat(face_normals[:, axis], 3)
        total[:, axis] = np.bincount(faces.ravel(), weights, len(vertices))
    return _unit(total)


def sky_visibility(
    vertices: np.ndarray, faces: np.ndarray, *, num_rays: int = 48, reach: float = 0.5
) -> np.ndarray:
    """Returns [V], the share of directions in which a vertex sees past its own body.

    Directions are weighted by their cosine to the normal. It does not change when the
    mesh is turned or moved, so one result serves several views.

    Args:
      vertices: [V, 3], metres.
      faces: [F, 3].
      num_rays: rays per vertex; the same directions every time.
      reach: surfaces farther away than this do not occlude, metres.
    """
    vertices = np.asarray(vertices, float) - np.mean(vertices, axis=0)
    faces = np.asarray(faces)
    normals = vertex_normals(vertices, faces)
    # A Fibonacci spiral on the sphere; adding the normal makes it cosine-weighted.
    step = np.arange(num_rays) + 0.5
    z, turn = 1 - 2 * step / num_rays, np.pi * (1 + 5**0.5) * step
    radius = np.sqrt(1 - z**2)
    sphere = np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)
    directions = normals[:, None] + 0.98 * sphere
    directions = _unit(directions) * reach
    origins = np.broadcast_to((vertices + 2e-3 * normals)[:, None], directions.shape)
    blocked = _embree([vertices], [faces]).run(
        origins.reshape(-1, 3).astype(np.float32),
        directions.reshape(-1, 3).astype(np.float32),
        dists=np.ones(directions.size // 3, np.float32),
        query="OCCLUDED",
    )
    return 1 - (blocked >= 0).reshape(len(vertices), num_rays).mean(axis=1)


@dataclasses.dataclass(frozen=True)
class _Hits:
    """What the rays that hit something see; R of them."""

    ray: np.ndarray
    point: np.ndarray
    mesh_index: np.ndarray
    normal: np.ndarray
    toward_eye: np.ndarray
    color: np.ndarray
    occlusion: np.ndarray


def _cast(meshes, camera, pixels) -> _Hits:
    """Returns what is seen at `pixels` [R, 2]."""
    vertices = np.concatenate([np.asarray(mesh.vertices, float) for mesh in meshes])
    counts = [len(mesh.vertices) for mesh in meshes]
    starts = np.cumsum([0, *counts[:-1]])
    faces = np.concatenate(
        [np.asarray(m.faces, np.int64) + s for m, s in zip(meshes, starts, strict=True)]
    )
    face_mesh = np.repeat(np.arange(len(meshes)), [len(m.faces) for m in meshes])
    depths = vertices[:, 2]
    start = depths.min() - 1e-3
    if isinstance(camera, Perspective):
        start = max(start, NEAR)
    origins, directions = camera.rays(pixels, start)
    # Near the origin float32 is finer, and Embree computes in float32.
    middle = np.array([0, 0, start]) + camera_axis_offset(vertices, start)
    scene = _embree([vertices - middle], [faces])
    triangle = scene.run(
        (origins - middle).astype(np.float32), directions.astype(np.float32)
    )
    ray = np.flatnonzero(triangle >= 0)
    triangle = triangle[ray]
    corners = faces[triangle]
    weights, point = _meet(vertices[corners], origins[ray], directions[ray])
    ...
