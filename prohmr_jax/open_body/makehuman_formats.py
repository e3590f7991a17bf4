"""Parses MakeHuman's formats: base mesh, mirror map, blend shapes, rig and weights.

`makehuman_files` calls it. The mesh is parsed here because trimesh would split its
quads and join its groups.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import scipy.sparse
from jaxtyping import Int

METRES_PER_DECIMETRE = 0.1


@dataclasses.dataclass(frozen=True)
class BaseMesh:
    """Holds MakeHuman's base mesh, with Y up, facing +Z, and left at +X."""

    vertices: np.ndarray
    """[N, 3], vertices of the body, of helper geometry and of joint cubes, metres."""
    quads: dict[str, np.ndarray]
    """[F, 4], vertex numbers of the faces of each named group."""
    mirror: np.ndarray
    """[N], number of the mirror image of each vertex."""


def _records(text: str) -> Iterator[list[str]]:
    """Yields the words of each line that is not empty or a comment."""
    for line in text.splitlines():
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            yield fields


def parse_obj(text: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Parses a mesh of quads.

    Args:
      text: content of a Wavefront OBJ file in decimetres.

    Returns:
      The vertices [N, 3], metres, and the vertex numbers [F, 4] of each group of faces.

    Raises:
      ValueError: a face does not have four corners, or refers to a missing vertex.
    """
    vertices, quads, group = [], {}, ""
    for kind, *fields in _records(text):
        if kind == "v":
            vertices.append([float(x) for x in fields[:3]])
        elif kind == "g":
            group = fields[0]
        elif kind == "f":
            corners = [int(field.split("/")[0]) - 1 for field in fields]
            if len(corners) != 4:
                raise ValueError(f"a face of {len(corners)} corners in group {group}")
            quads.setdefault(group, []).append(corners)
    points = np.array(vertices, float).reshape(-1, 3) * METRES_PER_DECIMETRE
    faces = {name: np.array(rows, np.int64) for name, rows in quads.items()}
    for name, rows in faces.items():
        if rows.min() < 0 or rows.max() >= len(points):
            raise ValueError(f"group {name} refers to a missing vertex")
    return points, faces


def parse_target(text: str, num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Parses a blend shape.

    Args:
      text: lines `index dx dy dz` in decimetres; without lines, nothing moves.
      num_vertices: number of vertices of the base mesh.

    Returns:
      The numbers [M] of the vertices that move, and their offsets [M, 3], metres.

    Raises:
      ValueError: a line does not have four numbers, or an index is out of range.
    """
    rows = np.array(list(_records(text)), float).reshape(-1, 4)
    indices = rows[:, 0].astype(np.int64)
    if len(rows) and not 0 <= indices.min() <= indices.max() < num_vertices:
        raise ValueError(f"an index is not below {num_vertices}")
    return indices, (rows[:, 1:] * METRES_PER_DECIMETRE).astype(np.float32)


def parse_mirror(text: str, num_vertices: int) -> Int[np.ndarray, " N"]:
    """Returns the number [N] of the mirror image of each vertex.

    Args:
      text: lines `index image side`.
      num_vertices: number N of vertices of the base mesh.

    Raises:
      ValueError: a vertex has no image, or the image of an image is another vertex.
    """
    mirror = np.full(num_vertices, -1)
    for fields in _records(text):
        mirror[int(fields[0])] = int(fields[1])
    if mirror.min() < 0 or (mirror[mirror] != np.arange(num_vertices)).any():
        raise ValueError("the mirror map does not pair all vertices")
    return mirror


def parse_rig(
    table: dict, mesh: BaseMesh
) -> tuple[tuple[str, ...], np.ndarray, scipy.sparse.csr_array]:
    """Parses a skeleton, in which parents then come before their children.

    Args:
      table: content of the JSON file of the rig. The head of a bone is one vertex, the
        mean of some vertices, or the centre of a named joint cube.
      mesh: the base mesh.

    Returns:
      The names of the B bones, the numbers [B] of their parents (-1 for the root), and
      the regressor [B, N] of the heads of the bones from the vertices.

    Raises:
      ValueError: the parents form a loop, or a head is defined in an unknown way.
    """
    order: list[str] = []
    while len(order) < len(table):
        ready = [
            name
            for name in table
            if name not in order and table[name]["parent"] in ["", None, *order]
        ]
        if not ready:
            raise ValueError("the bones' parents form a loop")
        order += ready
    heads = scipy.sparse.lil_array((len(order), len(mesh.vertices)))
    for row, name in enumerate(order):
        support = _head_support(table[name]["head"], mesh)
        heads[row, support] = 1 / len(support)
    parents = [table[n]["parent"] for n in order]
    parent_rows = np.array([order.index(p) if p else -1 for p in parents])
    return tuple(order), parent_rows, heads.tocsr()


def _head_support(head: dict, mesh: BaseMesh) -> np.ndarray:
    """Returns the numbers of the vertices whose mean is the head of a bone."""
    match head["strategy"]:
        case "VERTEX":
            return np.array([head["vertex_index"]])
        case "MEAN":
            return np.unique(head["vertex_indices"])
        case "CUBE":
            return np.unique(mesh.quads[head["cube_name"]])
        case other:
            raise ValueError(f"unknown strategy {other} for a bone's head")


def parse_weights(
    table: dict, bones: tuple[str, ...], num_vertices: int
) -> scipy.sparse.csr_array:
    """Returns skinning weights [N, B].

    Args:
      table: list of pairs (vertex, weight) for each name of a bone.
      bones: names of the B bones.
      num_vertices: number N of vertices of the base mesh.
    """
    weights = scipy.sparse.lil_array((num_vertices, len(bones)))
    for name, pairs in table.items():
        if pairs:
            rows, values = zip(*pairs, strict=True)
            weights[list(rows), [bones.index(name)] * len(rows)] = values
    return weights.tocsr()
