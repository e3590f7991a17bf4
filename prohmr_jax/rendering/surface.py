"""Coloured triangle meshes and what shading needs to know about their surface."""

import dataclasses

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from prohmr_jax.rendering.colors import BODY_BLUE


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the camera frame, with its colour."""

    vertices: np.ndarray
    """[V, 3], metres, camera frame."""
    faces: np.ndarray
    """[F, 3] vertex numbers; both sides are drawn."""
    color: np.ndarray | tuple[float, float, float] = BODY_BLUE
    """sRGB in [0, 1]: [3] for all vertices, or [V, 3]."""
    openness: np.ndarray | None = None
    """[V] from the function of that name; None: every vertex sees the whole sky."""

    def __post_init__(self):
        """Refuses what no picture could show."""
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
        """Returns sRGB [V, 3]."""
        return np.broadcast_to(self.color, np.shape(self.vertices))

    def vertex_openness(self) -> np.ndarray:
        """Returns [V] in [0, 1]."""
        full = np.ones(len(self.vertices))
        return full if self.openness is None else np.asarray(self.openness)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Returns unit normals [V, 3], the mean of the adjacent faces' by their area.

    They point outwards where faces run counterclockwise seen from outside. A vertex of
    no face, or of faces without area only, gets (0, 0, 0).
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
    """Returns [V] in [0, 1], how much of the sky each vertex sees past its own body.

    Directions weigh by their cosine to the normal, as diffuse light does. The result
    does not change when the body is turned or moved: one serves several views.

    Args:
      vertices: [V, 3], metres.
      faces: [F, 3], counterclockwise seen from outside.
      num_rays: rays per vertex, in the same directions every time.
      reach: surfaces farther away than this hide nothing, metres.
    """
    vertices = np.asarray(vertices, float) - np.mean(vertices, axis=0)
    faces = np.asarray(faces, np.int64)
    normals = vertex_normals(vertices, faces)
    # A Fibonacci spiral on the sphere; adding the normal makes it cosine-weighted.
    step = np.arange(num_rays) + 0.5
    z, turn = 1 - 2 * step / num_rays, np.pi * (1 + 5**0.5) * step
    ring = np.sqrt(1 - z**2)
    sphere = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    directions = reach * unit(normals[:, None] + 0.98 * sphere)
    # Two millimetres above the surface, so that no ray meets its own triangle.
    origins = np.broadcast_to((vertices + 2e-3 * normals)[:, None], directions.shape)
    met = embree_scene(vertices, faces).run(
        origins.reshape(-1, 3).astype(np.float32),
        directions.reshape(-1, 3).astype(np.float32),
        dists=np.ones(directions.size // 3, np.float32),
        query="OCCLUDED",
    )
    return 1 - (met >= 0).reshape(len(vertices), num_rays).mean(axis=1)


def embree_scene(vertices: np.ndarray, faces: np.ndarray) -> EmbreeScene:
    """Returns a scene of one mesh, ready for rays; Embree computes in float32."""
    scene = EmbreeScene()
    TriangleMesh(scene, vertices.astype(np.float32), faces.astype(np.int32))
    return scene


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors [..., 3] at length 1, and 0 where they are 0."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.where(length > 0, length, 1)
