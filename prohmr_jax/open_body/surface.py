"""The closed, mirror-symmetric triangle mesh, kept as its left half.

No face of MakeHuman's body crosses the mirror plane. So the left half, whose boundary
lies on that plane, says all there is to say; the right half is its mirror image.
"""

import numpy as np

from prohmr_jax.open_body.sources import BaseMesh

LEFT_EYE = "helper-l-eye"
# Faces of the eye socket: this near to the eye ball's centre (in its radii) and
# turned towards it.
SOCKET_REACH = 1.2


def boundary_edges(faces: np.ndarray) -> np.ndarray:
    """Returns the directed edges [E, 2] that no face runs in the other direction."""
    edges = np.concatenate(
        [np.stack([faces[:, i], np.roll(faces, -1, 1)[:, i]], 1)
         for i in range(faces.shape[1])]
    )  # fmt: skip
    size = faces.max() + 1
    forward = edges @ [size, 1]
    return edges[~np.isin(forward, edges @ [1, size])]


def eye_front(mesh: BaseMesh) -> int:
    """Returns the vertex at the front of the left eye ball."""
    ball = np.unique(mesh.quads[LEFT_EYE])
    return int(ball[mesh.vertices[ball, 2].argmax()])


def left_half(mesh: BaseMesh) -> np.ndarray:
    """Returns the left half of the body as triangles [F, 3] of base vertices.

    The socket behind the eye ball is replaced by a fan to the front of the ball.
    """
    quads = mesh.quads["body"]
    quads = quads[mesh.vertices[quads].mean(1)[:, 0] > 0]
    ball = mesh.vertices[np.unique(mesh.quads[LEFT_EYE])]
    center = (ball.min(0) + ball.max(0)) / 2
    radius = np.linalg.norm(ball - center, axis=1).mean()
    corners = mesh.vertices[quads]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    inward = center - corners.mean(1)
    near = np.linalg.norm(inward, axis=1) < SOCKET_REACH * radius
    socket = near & ((normals * inward).sum(1) > 0)
    rim = boundary_edges(quads[socket])
    fan = np.column_stack([rim, np.full(len(rim), eye_front(mesh))])
    return np.concatenate([triangulated(mesh.vertices, quads[~socket]), fan])


def triangulated(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Returns two triangles per quad, cut along the shorter diagonal."""
    a, b, c, d = quads.T
    length_ac = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    length_bd = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    along_ac = (length_ac <= length_bd)[:, None]
    first = np.where(along_ac, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(along_ac, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def both_halves(left: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Returns the triangles of the left half and of its mirror image."""
    return np.concatenate([left, mirror[left][:, ::-1]])


def compacted(
    faces: np.ndarray, mirror: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the used vertices [V], and faces and mirror map in their numbering."""
    used = np.unique(faces)
    position = np.full(len(mirror), -1)
    position[used] = np.arange(len(used))
    return used, position[faces], position[mirror[used]]


def sharp_creases(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Returns the share of interior edges whose faces nearly lie on each other."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]))
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    pairs = owner[order].reshape(-1, 2)
    return float(((normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(1) < -0.9).mean())
