"""Makes a closed, mirror-symmetric triangle mesh of MakeHuman's body.

`build` calls it. No face of MakeHuman's body crosses the mirror plane. Therefore the
mesh is kept as its left half, whose boundary lies on that plane; the right half is its
mirror image.
"""

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from jaxtyping import Bool, Float, Int

from prohmr_jax.open_body.makehuman_files import BaseMesh

LIP_SEAM = 474
"""Vertex of the base mesh on the midline where the lips touch."""
LEFT_EYE = "helper-l-eye"
"""Name of the group of faces of the left eyeball."""
SOCKET_REACH = 1.2
"""Greatest distance of a face of the eye socket from the centre of the eyeball, in
radii of the eyeball."""


def boundary_edges(faces: Int[np.ndarray, "F C"]) -> Int[np.ndarray, "E 2"]:
    """Returns the directed edges [E, 2] at the boundary: those of one face only."""
    edges = np.concatenate(
        [np.stack([faces[:, i], np.roll(faces, -1, 1)[:, i]], 1)
         for i in range(faces.shape[1])]
    )  # fmt: skip
    size = faces.max() + 1
    forward = edges @ [size, 1]
    return edges[~np.isin(forward, edges @ [1, size])]


def eye_front(mesh: BaseMesh) -> int:
    """Returns the number of the vertex at the front of the left eyeball."""
    ball = np.unique(mesh.quads[LEFT_EYE])
    return int(ball[mesh.vertices[ball, 2].argmax()])


def left_half(mesh: BaseMesh) -> Int[np.ndarray, "F 3"]:
    """Returns the left half of the body as triangles [F, 3] of the base mesh.

    The eye socket is replaced by triangles from its rim to the front of the eyeball.
    The inside of the mouth is removed, and the lips are joined where they touch.
    """
    quads = mesh.quads["body"]
    quads = quads[mesh.vertices[quads].mean(1)[:, 0] > 0]
    socket = _eye_socket(mesh, quads)
    rim = boundary_edges(quads[socket])
    fan = np.column_stack([rim, np.full(len(rim), eye_front(mesh))])
    quads = quads[~socket]
    seam = edge_loop(quads, LIP_SEAM)
    quads = largest_part(quads, seam)
    triangles = np.concatenate([triangulated(mesh.vertices, quads), fan])
    triangles = welded(mesh.vertices, seam)[triangles]
    distinct = (triangles != np.roll(triangles, 1, axis=1)).all(1)
    return triangles[distinct]


def _eye_socket(mesh: BaseMesh, quads: np.ndarray) -> Bool[np.ndarray, " F"]:
    """Returns [F], True for faces near the left eyeball that are turned towards it."""
    ball = mesh.vertices[np.unique(mesh.quads[LEFT_EYE])]
    center = (ball.min(0) + ball.max(0)) / 2
    radius = np.linalg.norm(ball - center, axis=1).mean()
    corners = mesh.vertices[quads]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    inward = center - corners.mean(1)
    near = np.linalg.norm(inward, axis=1) < SOCKET_REACH * radius
    return near & ((normals * inward).sum(1) > 0)


def edge_loop(quads: Int[np.ndarray, "F 4"], start: int) -> Int[np.ndarray, " N"]:
    """Returns the vertices of a straight path of edges from boundary to boundary.

    Args:
      quads: [F, 4], faces of a mesh with a boundary.
      start: number of a vertex at the boundary that has one inner edge.

    Raises:
      ValueError: the path reaches a vertex where no edge goes straight on.
    """
    around: dict[int, set[int]] = {}
    next_to: dict[int, set[int]] = {}
    for face, corners in enumerate(quads.tolist()):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            around.setdefault(a, set()).add(face)
            next_to.setdefault(a, set()).add(b)
            next_to.setdefault(b, set()).add(a)
    ends = set(boundary_edges(quads).ravel().tolist())
    loop = [start]
    ways = next_to[start] - ends
    while len(ways) == 1:
        loop.append(ways.pop())
        if loop[-1] in ends:
            return np.array(loop)
        here = around[loop[-1]]
        behind = here & around[loop[-2]]
        # The edge that goes straight on belongs to no face of the last edge.
        ways = {v for v in next_to[loop[-1]] if not around[v] & here & behind}
    raise ValueError(f"no edge goes straight on from vertex {loop[-1]}")


def largest_part(
    faces: Int[np.ndarray, "F C"], cut: Int[np.ndarray, " N"]
) -> Int[np.ndarray, "G C"]:
    """Returns the faces of the largest part into which a cut divides a mesh.

    Args:
      faces: [F, C], vertex numbers of the faces.
      cut: [N], vertices of a path of edges along which the mesh is cut.
    """
    edges = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    owner = np.repeat(np.arange(len(faces)), faces.shape[1])
    size = faces.max() + 1
    code = np.sort(edges, 1) @ [size, 1]
    whole = ~np.isin(code, np.sort(np.stack([cut[:-1], cut[1:]], 1), 1) @ [size, 1])
    incidence = scipy.sparse.csr_array(
        (np.ones(whole.sum()), (owner[whole], code[whole])), (len(faces), size * size)
    )
    _, part = scipy.sparse.csgraph.connected_components(incidence @ incidence.T)
    return faces[part == np.bincount(part).argmax()]


def welded(
    vertices: Float[np.ndarray, "N 3"], seam: Int[np.ndarray, " S"]
) -> Int[np.ndarray, " N"]:
    """Returns the map [N] of vertex numbers that closes a narrow gap.

    The edge of the gap runs from the mirror plane to the vertex that is farthest from
    the plane, the corner, and back. Each vertex before the corner is replaced by the
    one after it that is nearest in x.

    Args:
      vertices: [N, 3], metres.
      seam: vertex numbers along the edge of the gap.
    """
    image = np.arange(len(vertices))
    corner = int(vertices[seam, 0].argmax())
    before, beyond = seam[:corner], seam[corner:]
    gaps = np.abs(vertices[before, None, 0] - vertices[None, beyond, 0])
    image[before] = beyond[gaps.argmin(1)]
    return image


def triangulated(
    vertices: Float[np.ndarray, "N 3"], quads: Int[np.ndarray, "F 4"]
) -> Int[np.ndarray, "2*F 3"]:
    """Returns two triangles per quad, which is cut along the shorter diagonal.

    Args:
      vertices: [N, 3], metres.
      quads: [F, 4], vertex numbers of the quads.
    """
    a, b, c, d = quads.T
    length_ac = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    length_bd = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    along_ac = (length_ac <= length_bd)[:, None]
    first = np.where(along_ac, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(along_ac, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def both_halves(
    left: Int[np.ndarray, "F 3"], mirror: Int[np.ndarray, " N"]
) -> Int[np.ndarray, "2*F 3"]:
    """Returns the triangles [2 F, 3] of the left half and of its mirror image.

    Args:
      left: [F, 3], vertex numbers of the triangles of the left half.
      mirror: [N], number of the mirror image of each vertex.
    """
    return np.concatenate([left, mirror[left][:, ::-1]])


def compacted(
    faces: Int[np.ndarray, "F 3"], mirror: Int[np.ndarray, " N"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Removes the vertices that no face uses, and renumbers the others.

    Args:
      faces: [F, 3], vertex numbers of the triangles.
      mirror: [N], number of the mirror image of each vertex.

    Returns:
      The old numbers [V] of the vertices that the faces use, the faces [F, 3] and the
      mirror map [V] in the new numbers.
    """
    used = np.unique(faces)
    position = np.full(len(mirror), -1)
    position[used] = np.arange(len(used))
    return used, position[faces], position[mirror[used]]
