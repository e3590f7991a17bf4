"""Renders triangle meshes by ray casting: colour with coverage, and depth.

Embree finds the triangle that a ray meets first. Where the ray meets it is then solved
in float64, so that depth is exact for bodies tens of metres away, where crop cameras
with focal lengths of thousands of pixels place them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from prohmr_jax.rendering.colors import to_linear, to_srgb
from prohmr_jax.rendering.lights import STUDIO, LightRig
from prohmr_jax.rendering.surface import Mesh, embree_scene, unit, vertex_normals
from prohmr_jax.rendering.views import Perspective, View

# Distance from a perspective camera below which nothing is drawn, metres.
NEAR = 0.01
# Largest number of rays that are cast at once, which bounds the memory.
_RAYS_PER_CAST = 1 << 18


@dataclasses.dataclass(frozen=True)
class Raster:
    """Holds a rendered picture."""

    rgba: np.ndarray
    """sRGB and the covered share of each pixel, [H, W, 4] uint8; colours are not
    premultiplied by the share."""
    depth: np.ndarray
    """Depth (z) of the nearest sample of each pixel, [H, W] float32, metres; infinity
    where there is no mesh."""
    mesh_index: np.ndarray
    """Number of the mesh that this sample shows, [H, W] int32; -1 where there is
    none."""


def render(
    meshes: Sequence[Mesh],
    view: View,
    size: tuple[int, int],
    *,
    rays_per_pixel: int = 9,
    lights: LightRig = STUDIO,
) -> Raster:
    """Returns a picture of meshes with smooth shading.

    The same input gives the same bytes. Rays are cast only inside the bounding boxes of
    the projected meshes, and more than one ray only through pixels that differ from a
    neighbour. Parts behind the camera are not drawn.

    Args:
      meshes: any number of meshes in the camera frame; the nearer one hides the other.
      view: the camera.
      size: (width, height) of the picture, pixels.
      rays_per_pixel: number of rays through pixels on edges; 1 for hard edges.
      lights: the lights, which are fixed to the camera.
    """
    canvas = _Canvas(size)
    inside = _pixels_to_cast(meshes, view, size)
    if inside.any():
        scene = _Scene(list(meshes), view)
        canvas.cast(scene, lights, inside, np.zeros((1, 2)))
        if rays_per_pixel > 1:
            canvas.cast(scene, lights, canvas.edges(), _ray_offsets(rays_per_pixel))
    color = to_srgb(canvas.light / np.maximum(canvas.coverage, 1e-9)[..., None])
    rgba = np.concatenate([color, canvas.coverage[..., None]], axis=2)
    return Raster(np.rint(255 * rgba).astype(np.uint8), canvas.depth, canvas.mesh_index)


class _Canvas:
    """Holds the picture in linear light while rays are cast."""

    def __init__(self, size: tuple[int, int]):
        """Starts with an empty picture of (width, height) pixels."""
        shape = size[1], size[0]
        self.light = np.zeros((*shape, 3), np.float32)
        self.coverage = np.zeros(shape, np.float32)
        self.depth = np.full(shape, np.inf, np.float32)
        self.mesh_index = np.full(shape, -1, np.int32)

    def cast(self, scene, lights: LightRig, mask: np.ndarray, offsets: np.ndarray):
        """Sets the pixels of a mask to the mean over rays at offsets [S, 2], pixels."""
        self.light[mask] = self.coverage[mask] = 0
        self.depth[mask], self.mesh_index[mask] = np.inf, -1
        light, coverage = self.light.reshape(-1, 3), self.coverage.reshape(-1)
        depth, mesh_index = self.depth.reshape(-1), self.mesh_index.reshape(-1)
        todo = np.flatnonzero(mask)
        for start in range(0, len(todo), _RAYS_PER_CAST):
            chunk = todo[start : start + _RAYS_PER_CAST]
            rows, columns = np.divmod(chunk, mask.shape[1])
            pixels = np.stack([columns, rows], axis=1)
            for offset in offsets:
                seen = scene.cast(pixels + offset)
                at = chunk[seen.ray]
                shaded = lights.shade(
                    seen.color, seen.normal, seen.toward_eye, seen.openness
                )
                light[at] += shaded / len(offsets)
                coverage[at] += 1 / len(offsets)
                nearer = seen.depth < depth[at]
                depth[at[nearer]] = seen.depth[nearer]
                mesh_index[at[nearer]] = seen.mesh_index[nearer]

    def edges(self) -> np.ndarray:
        """Returns [H, W] bool: which pixels differ from one of their eight neighbours.

        Pixels differ if they show another mesh, or if their brightness differs visibly.
        """
        brightness = np.einsum("hwc->hw", self.light)
        edges = np.zeros(self.coverage.shape, bool)
        for drow, dcolumn in ((0, 1), (1, 0), (1, 1), (1, -1)):
            a, b = _neighbours(drow, dcolumn)
            differs = self.mesh_index[a] != self.mesh_index[b]
            differs |= np.abs(brightness[a] - brightness[b]) > 0.1
            edges[a] |= differs
            edges[b] |= differs
        return edges


def _neighbours(drow: int, dcolumn: int) -> tuple[tuple, tuple]:
    """Returns two windows of a picture; the second is shifted by (drow, dcolumn)."""
    ahead = {0: slice(None), 1: slice(1, None), -1: slice(None, -1)}
    return (ahead[-drow], ahead[-dcolumn]), (ahead[drow], ahead[dcolumn])


def _pixels_to_cast(meshes: Sequence[Mesh], view: View, size) -> np.ndarray:
    """Returns [H, W] bool: the union of the bounding boxes of the projected meshes."""
    width, height = size
    mask = np.zeros((height, width), bool)
    for mesh in meshes:
        if not len(mesh.faces):
            continue
        low, high = np.zeros(2), np.array(size)
        depth = mesh.vertices[:, 2]
        if not isinstance(view, Perspective) or depth.min() > NEAR:
            projected = view.project(np.asarray(mesh.vertices, float))
            low = np.clip(np.floor(projected.min(axis=0)), 0, size)
            high = np.clip(np.ceil(projected.max(axis=0)) + 1, 0, size)
        elif depth.max() <= NEAR:
            continue
        (left, top), (right, bottom) = low.astype(int), high.astype(int)
        mask[top:bottom, left:right] = True
    return mask


def _ray_offsets(rays_per_pixel: int) -> np.ndarray:
    """Returns positions of rays in a pixel, [S, 2] in (-0.5, 0.5), centred on 0.

    They form a golden-ratio lattice, in which no two of them share a row or a column;
    it smooths nearly upright or level edges better than a square grid.
    """
    step = np.arange(rays_per_pixel) + 0.5
    offsets = np.stack([step / rays_per_pixel, step * (5**0.5 - 1) / 2 % 1], axis=1)
    return offsets - offsets.mean(axis=0)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """Holds what the R rays see that meet a surface; see `LightRig.shade`."""

    ray: np.ndarray
    depth: np.ndarray
    mesh_index: np.ndarray
    normal: np.ndarray
    toward_eye: np.ndarray
    color: np.ndarray
    openness: np.ndarray


class _Scene:
    """Holds all meshes as one, with the attributes that triangles interpolate."""

    def __init__(self, meshes: list[Mesh], view: View):
        """Joins meshes, which have at least one face, as `view` sees them."""
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        faces = [np.asarray(mesh.faces, np.int64).reshape(-1, 3) for mesh in meshes]
        normals = [
            vertex_normals(np.asarray(mesh.vertices, float), mesh_faces)
            for mesh, mesh_faces in zip(meshes, faces, strict=True)
        ]
        columns = (
            np.concatenate(normals),
            to_linear(np.concatenate([mesh.vertex_colors() for mesh in meshes])),
            np.concatenate([mesh.vertex_openness() for mesh in meshes])[:, None],
        )
        joined_faces = np.concatenate(
            [face + start for face, start in zip(faces, starts[:-1], strict=True)]
        )
        # Attributes [F, 3, 7] are stored by face, so that a ray reads one place.
        attributes = np.concatenate(columns, axis=1).astype(np.float32)
        self._corner_attributes = attributes[joined_faces]
        self._face_mesh = np.repeat(np.arange(len(meshes)), [len(f) for f in faces])
        vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(float)
        self._planes = _Planes(vertices[joined_faces])
        self._view = view
        self._start = vertices[:, 2].min() - 1e-3
        if isinstance(view, Perspective):
            self._start = max(self._start, NEAR)
        # Embree computes in float32, which is most exact around 0.
        self._middle = vertices.mean(axis=0)
        self._embree = embree_scene(vertices - self._middle, joined_faces)

    def cast(self, pixels: np.ndarray) -> _Seen:
        """Returns what the rays through pixels [R, 2] see."""
        origins, directions = self._view.rays(pixels, self._start)
        triangle = self._embree.run(
            (origins - self._middle).astype(np.float32), directions.astype(np.float32)
        )
        ray = np.flatnonzero(triangle >= 0)
        triangle, directions = triangle[ray], directions[ray]
        weights, distance = self._planes.meet(triangle, origins[ray], directions)
        smooth = np.einsum(
            "rc,rcd->rd",
            weights.astype(np.float32),
            self._corner_attributes[triangle],
        )
        toward_eye = -unit(directions).astype(np.float32)
        # A surface that is seen from behind is lit on that side.
        away = _dot(self._planes.normal[triangle], directions) > 0
        return _Seen(
            ray=ray,
            depth=self._start + distance,
            mesh_index=self._face_mesh[triangle],
            normal=unit(smooth[:, :3]) * np.where(away, -1, 1)[:, None],
            toward_eye=toward_eye,
            color=smooth[:, 3:6],
            openness=smooth[:, 6],
        )


class _Planes:
    """Holds the planes of triangles, to intersect them with rays in float64."""

    def __init__(self, corners: np.ndarray):
        """Prepares the planes of triangles with corners [F, 3, 3], metres."""
        self._corner = corners[:, 0]
        edge_b, edge_c = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        self.normal = np.cross(edge_b, edge_c)
        area = np.maximum(_dot(self.normal, self.normal), 1e-30)[:, None]
        # The products of a point with these two are its barycentric weights.
        self._dual_b = np.cross(edge_c, self.normal) / area
        self._dual_c = np.cross(self.normal, edge_b) / area

    def meet(self, triangle, origins, directions) -> tuple[np.ndarray, np.ndarray]:
        """Returns barycentric weights [R, 3] and distances [R] in direction lengths."""
        normal = self.normal[triangle]
        from_corner = origins - self._corner[triangle]
        # Embree reported a hit, so the slope can only be 0 by rounding.
        slope = _dot(directions, normal)
        slope = np.where(np.abs(slope) > 1e-15, slope, 1e-15)
        distance = -_dot(from_corner, normal) / slope
        from_corner += distance[:, None] * directions
        weight_b = _dot(from_corner, self._dual_b[triangle])
        weight_c = _dot(from_corner, self._dual_c[triangle])
        weights = np.stack([1 - weight_b - weight_c, weight_b, weight_c], axis=1)
        weights = np.clip(weights, 0, 1)
        return weights / weights.sum(axis=1, keepdims=True), distance


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ri,ri->r", a, b)
