"""Decimates a mesh by half-edge collapses (Garland and Heckbert, SIGGRAPH 1997).

`build` calls it. A vertex is merged into a neighbour that stays where it is, so that
the remaining vertices are original ones and every array per vertex is a plain subset.
The quadric error is summed over several shapes and poses of the same mesh.

The mesh is the left half of a mirror-symmetric surface. Its boundary lies on the mirror
plane and is collapsed only along itself, and no new inner edge may join two vertices of
the boundary. Therefore both halves always join to a closed manifold.

The libraries for decimation (fast-simplification, which trimesh calls, and Open3D) move
vertices, see one shape only, and cannot keep a boundary on a plane.
"""

import heapq

import numpy as np
from jaxtyping import Float, Int

MIN_NORMAL_COSINE = 0.2
"""Least cosine of the angle by which a collapse may turn the normal of a triangle."""
MIN_QUALITY = 0.05
"""Least quality of a triangle: 1 for an equilateral, 0 for a degenerate one."""
MAX_NEIGHBOURS = 9
"""Greatest number of neighbours that a vertex may get."""
LENGTH_COST = 2e-3
"""Cost of the squared length of a collapsed edge, relative to the quadric error. It
lets short edges go first on flat parts, where the quadric error is zero."""


def decimated(
    faces: Int[np.ndarray, "F 3"],
    positions: Float[np.ndarray, "K V 3"],
    importance: Float[np.ndarray, " V"],
    locked: np.ndarray,
    target: int,
) -> Int[np.ndarray, "G 3"]:
    """Returns the triangles [G, 3] of the decimated half in the old vertex numbers.

    Args:
      faces: [F, 3], consistently wound triangles of the left half of a closed,
        mirror-symmetric mesh.
      positions: [K, V, 3], vertices of the mesh in K shapes and poses, metres.
      importance: [V], factor on the error around each vertex.
      locked: numbers of the vertices that must be kept.
      target: number of vertices that both halves together shall have; more are left if
        no further collapse is allowed.
    """
    mesh = _HalfMesh(faces, positions, importance, locked)
    mesh.collapse_until(target)
    return mesh.remaining_faces()


class _HalfMesh:
    """Holds the left half while it is decimated, with a queue of collapses."""

    def __init__(self, faces, positions, importance, locked):
        self.faces = [tuple(face) for face in faces.tolist()]
        self.ring = {v: set() for v in np.unique(faces).tolist()}
        for index, face in enumerate(self.faces):
            for vertex in face:
                self.ring[vertex].add(index)
        self.points = np.ascontiguousarray(positions.transpose(1, 0, 2))
        self.locked = set(np.asarray(locked).tolist())
        self.boundary = {v for v in self.ring if self._on_boundary(v)}
        self.quadrics, self.areas = _quadrics(faces, self.points, importance)
        self.version = dict.fromkeys(self.ring, 0)
        self.heap: list[tuple[float, int, int, int]] = []
        for vertex in self.ring:
            self._push(vertex)

    def _on_boundary(self, vertex: int) -> bool:
        return len(self._neighbours(vertex)) != len(self.ring[vertex])

    def _neighbours(self, vertex: int) -> set[int]:
        corners = {v for index in self.ring[vertex] for v in self.faces[index]}
        return corners - {vertex}

    def num_vertices(self) -> int:
        """Returns the number of vertices of both halves joined together."""
        return 2 * len(self.ring) - len(self.boundary)

    def remaining_faces(self) -> np.ndarray:
        kept = sorted({index for ring in self.ring.values() for index in ring})
        return np.array([self.faces[index] for index in kept])

    def collapse_until(self, target: int) -> None:
        while self.num_vertices() > target and self.heap:
            _, vertex, version, into = heapq.heappop(self.heap)
            if self.version.get(vertex) == version:
                self._collapse(vertex, into)

    def _collapse(self, vertex: int, into: int) -> None:
        for index in self.ring.pop(vertex):
            face = self.faces[index]
            if into in face:
                for other in face:
                    if other != vertex:
                        self.ring[other].discard(index)
            else:
                self.faces[index] = tuple(into if v == vertex else v for v in face)
                self.ring[into].add(index)
        self.boundary.discard(vertex)
        self.quadrics[into] += self.quadrics[vertex]
        self.areas[into] += self.areas[vertex]
        del self.version[vertex]
        for stale in sorted({into, *self._neighbours(into)}):
            self._push(stale)

    def _push(self, vertex: int) -> None:
        """Queues the vertex with its cheapest allowed collapse, if there is one."""
        self.version[vertex] += 1
        if vertex in self.locked:
            return
        nearby = sorted(self._neighbours(vertex))
        allowed = [into for into in nearby if self._links(vertex, into)]
        if not allowed:
            return
        costs = self._costs(vertex, allowed)
        best = int(costs.argmin())
        if np.isfinite(costs[best]):
            entry = (float(costs[best]), vertex, self.version[vertex], allowed[best])
            heapq.heappush(self.heap, entry)

    def _links(self, vertex: int, into: int) -> bool:
        """Returns whether a collapse leaves a manifold that can still be mirrored."""
        shared = self.ring[vertex] & self.ring[into]
        mine, theirs = self._neighbours(vertex), self._neighbours(into)
        opposite = {v for index in shared for v in self.faces[index]} - {vertex, into}
        if mine & theirs != opposite or len(mine | theirs) - 2 > MAX_NEIGHBOURS:
            return False
        # Each of them loses a triangle, and must keep enough for a proper surface.
        if any(len(self.ring[v]) < (3 if v in self.boundary else 4) for v in opposite):
            return False
        if vertex in self.boundary:
            return into in self.boundary and len(shared) == 1
        new_edges = mine - theirs - {into}
        return into not in self.boundary or not (new_edges & self.boundary)

    def _costs(self, vertex: int, targets: list[int]) -> Float[np.ndarray, " T"]:
        """Returns the cost [T] of merging a vertex into each target.

        The cost is infinite if a triangle would turn too far or become too thin.
        """
        old, new = self.points[vertex], self.points[targets]
        homogeneous = np.concatenate([new, np.ones_like(new[..., :1])], -1)
        quadrics = self.quadrics[vertex] + self.quadrics[targets]
        error = np.einsum("tka,tkab,tkb->t", homogeneous, quadrics, homogeneous)
        length = ((new - old) ** 2).sum(-1).mean(-1)
        cost = np.maximum(error, 0) + LENGTH_COST * self.areas[vertex] * length

        ring = sorted(self.ring[vertex])
        rim = [_after(self.faces[index], vertex) for index in ring]
        a, b = self.points[[x for x, _ in rim]], self.points[[y for _, y in rim]]
        before, old_quality = _normal_and_quality(old, a, b)
        after, quality = _normal_and_quality(new[:, None], a, b)
        stays = np.array([[t not in edge for edge in rim] for t in targets])
        # The normal of a very thin triangle has no meaning, and may turn.
        turned = (before * after).sum(-1) < MIN_NORMAL_COSINE
        turned = (turned & (old_quality > MIN_QUALITY)).any(-1)
        worst = np.where(stays, quality.min(-1), 1.0).min(-1)
        too_thin = worst < min(MIN_QUALITY, old_quality.min())
        cost[(turned & stays).any(-1) | too_thin] = np.inf
        return cost / np.maximum(worst, MIN_QUALITY)


def _after(face: tuple[int, int, int], vertex: int) -> tuple[int, int]:
    """Returns the other two corners of a triangle in its winding order."""
    at = face.index(vertex)
    return face[at - 2], face[at - 1]


def _normal_and_quality(apex, a, b) -> tuple[np.ndarray, np.ndarray]:
    normal = np.cross(a - apex, b - apex)
    doubled_area = np.linalg.norm(normal, axis=-1)
    squares = sum(((p - q) ** 2).sum(-1) for p, q in ((a, apex), (b, apex), (a, b)))
    tiny = np.finfo(float).tiny
    unit = normal / np.maximum(doubled_area, tiny)[..., None]
    return unit, 2 * np.sqrt(3) * doubled_area / np.maximum(squares, tiny)


def _quadrics(faces, points, importance) -> tuple[np.ndarray, np.ndarray]:
    """Returns the quadrics [V, K, 4, 4] of the triangles around each vertex, and areas.

    A quadric gives the weighted sum of the squared distances to the triangles' planes;
    the areas [V] are weighted and averaged over the K shapes.
    """
    a, b, c = (points[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    doubled_area = np.linalg.norm(normal, axis=-1, keepdims=True)
    unit = normal / np.maximum(doubled_area, np.finfo(float).tiny)
    plane = np.concatenate([unit, -(unit * a).sum(-1, keepdims=True)], -1)
    factor = importance[faces].mean(1)[:, None, None] * doubled_area / 2
    face_quadrics = np.einsum("fka,fkb->fkab", factor * plane, plane)
    face_areas = factor.mean((1, 2))
    quadrics = np.zeros((len(points), *face_quadrics.shape[1:]))
    areas = np.zeros(len(points))
    for corner in range(3):
        np.add.at(quadrics, faces[:, corner], face_quadrics)
        np.add.at(areas, faces[:, corner], face_areas)
    return quadrics, areas
