"""Holds coloured meshes, and computes the normals and openness for their shading."""

import dataclasses

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from prohmr_jax.rendering.colors import BODY_BLUE


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Holds a coloured triangle mesh."""

    vertices: np.ndarray
    """Vertices, [V, 3], metres, camera frame."""
    faces: np.ndarray
    """Vertex numbers of the triangles, [F, 3]; both sides of them are drawn."""
    color: np.ndarray | tuple[float, float, float] = BODY_BLUE
    """sRGB colour in [0, 1]: [3] for all vertices, or [V, 3]."""
    openness: np.ndarray | None = None
    """Share of the sky that each vertex sees, [V], from the function `openness`; None
    if every vertex sees the whole sky."""

    def __post_init__(self):
        """Raises ValueError if the vertices or the faces cannot be drawn."""
        shape = np.shape(self.vertices)
        if len(shape) != 2 or shape[1] != 3:
            raise ValueError(f"vertices have shape {shape}, not [V, 3]")
        if not np.isfinite(self.vertices).all():
            raise ValueError("vertices are not finite")
        if np.size(self.faces) and not (
            0 <= np.min(self.faces) and np.max(self.faces) < shape[0]
        ):
            raise ValueError(f"faces name vertices outside 0..{shape[0] - 1}")

    def vertex_colors(self) -> np.ndarray:
        """Returns the sRGB colours of the vertices in [0, 1], [V, 3]."""
        return np.broadcast_to(self.color, np.shape(self.vertices))

    def vertex_openness(self) -> np.ndarray:
        """Returns the share of the sky that each vertex sees, [V]."""
        full = np.ones(len(self.vertices))
        return full if self.openness is None else np.asarray(self.openness)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Returns the unit normals of vertices, [V, 3].

    A normal is the mean of the adjacent faces' normals, weighted by their areas. It
    points outwards where faces run counterclockwise seen from outside. Vertices without
    a face of positive area have the normal (0, 0, 0).

    Args:
      vertices: [V, 3].
      faces: vertex numbers of the triangles, [F, 3].
    """
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    total = [
        np.bincount(faces.ravel(), np.repeat(along, 3), len(vertices))
        for along in normals.T
    ]
    return unit(np.stack(total, axis=1))


def openness(
    vertices: np.ndarray, faces: np.ndarray, *, num_rays: int = 64, reach: float = 0.6
) -> np.ndarray:
    """Returns the share of the sky that each vertex sees past its own body, [V].

    Directions are weighted by their cosine to the normal, as in diffuse light. The
    result does not change when the body is turned or moved, so it serves several views.

    Args:
      vertices: [V, 3], metres.
      faces: vertex numbers of the triangles, [F, 3], counterclockwise seen from
        outside.
      num_rays: number of rays per vertex, always in the same directions.
      reach: distance beyond which surfaces hide nothing, metres.
    """
    vertices = np.asarray(vertices, float) - np.mean(vertices, axis=0)
    faces = np.asarray(faces, np.int64)
    normals = vertex_normals(vertices, faces)
    # The directions of a Fibonacci spiral on the sphere plus the normal are distributed
    # by their cosine to the normal.
    step = np.arange(num_rays) + 0.5
    z, turn = 1 - 2 * step / num_rays, np.pi * (1 + 5**0.5) * step
    ring = np.sqrt(1 - z**2)
    sphere = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    directions = reach * unit(normals[:, None] + 0.98 * sphere)
    # Rays start two millimetres above the surface, so that none meets its own triangle.
    origins = np.broadcast_to((vertices + 2e-3 * normals)[:, None], directions.shape)
    met = embree_scene(vertices, faces).run(
        origins.reshape(-1, 3).astype(np.float32),
        directions.reshape(-1, 3).astype(np.float32),
        dists=np.ones(directions.size // 3, np.float32),
        query="OCCLUDED",
    )
    return 1 - (met >= 0).reshape(len(vertices), num_rays).mean(axis=1)


def embree_scene(vertices: np.ndarray, faces: np.ndarray) -> EmbreeScene:
    """Returns a scene of one mesh through which Embree can cast rays, in float32.

    Args:
      vertices: [V, 3].
      faces: vertex numbers of the triangles, [F, 3].
    """
    scene = EmbreeScene()
    TriangleMesh(scene, vertices.astype(np.float32), faces.astype(np.int32))
    return scene


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors [..., 3] at length 1; the zero vector stays zero."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.where(length > 0, length, 1)
