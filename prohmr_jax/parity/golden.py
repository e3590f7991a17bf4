"""Reads golden files, which remember what was used of them.

All checks are given a `GoldenFile`.
"""

import dataclasses
import fnmatch
import functools
import io
import json
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prohmr_jax.errors import InputError

_COMPRESSED = ".xz"
_DAMAGED = zipfile.BadZipFile, lzma.LZMAError


class GoldenFile:
    """Holds the entries of one file by name, and remembers how each was used.

    Attributes:
      name: name of the file.
      directory: directory of the file, in which other files are found.
      inputs: names of entries that were used in a computation.
      compared: names of entries that were compared with a result of ours.
      later: names of entries that a later part of the project will compare.
    """

    def __init__(self, directory: "GoldenDirectory", name: str, entries: dict):
        """Keeps entries that `GoldenDirectory.open` has read.

        Args:
          directory: directory of the file.
          name: name of the file.
          entries: name -> value of each entry.
        """
        self.directory = directory
        self.name = name
        self._entries = entries
        self.inputs: set[str] = set()
        self.compared: set[str] = set()
        self.later: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Returns whether the file has this entry."""
        return key in self._entries

    def __len__(self) -> int:
        """Returns the number of entries."""
        return len(self._entries)

    def input(self, key: str) -> Any:
        """Returns an entry, and counts it as used in a computation.

        Raises:
          InputError: the file has no such entry.
        """
        value = self._get(key)
        self.inputs.add(key)
        return value

    def optional_input(self, key: str) -> Any | None:
        """Returns an entry as `input` does, or None if the file has no such entry."""
        return self.input(key) if key in self else None

    def golden(self, key: str) -> Any:
        """Returns an entry, and counts it as compared.

        Raises:
          InputError: the file has no such entry.
        """
        value = self._get(key)
        self.compared.add(key)
        return value

    def keys(self, prefix: str = "") -> list[str]:
        """Returns the names of the entries that start with `prefix`."""
        return [key for key in self._entries if key.startswith(prefix)]

    def groups(self) -> list[str]:
        """Returns the first parts of names with a slash, up to it, each once."""
        return list(dict.fromkeys(k.split("/")[0] for k in self.keys() if "/" in k))

    def state(self, prefix: str) -> dict[str, np.ndarray]:
        """Returns the entries whose names start with a prefix, by the rest of the name.

        They are counted as used in a computation.
        """
        return {key.removeprefix(prefix): self.input(key) for key in self.keys(prefix)}

    def forgotten(self) -> list[str]:
        """Returns the names of the entries that were neither used nor compared."""
        done = self.inputs | self.compared | self.later
        return [key for key in self._entries if key not in done]

    def _get(self, key: str) -> Any:
        if key not in self._entries:
            raise InputError(self.directory.path / self.name, f"has no entry {key!r}")
        return self._entries[key]


@dataclasses.dataclass(frozen=True)
class GoldenDirectory:
    """Opens the files of a golden directory.

    It is hashable, so that functions of it can be cached.
    """

    path: Path
    """Path of the directory."""

    def names(self, pattern: str = "*") -> list[str]:
        """Returns the names of the files that match a pattern, sorted.

        Folders in the directory, which other parts of the project compare, are left
        out.

        Raises:
          InputError: the path is not a directory.
        """
        if not self.path.is_dir():
            raise InputError(self.path, "is not a directory")
        files = (path for path in self.path.iterdir() if path.is_file())
        names = {path.name.removesuffix(_COMPRESSED) for path in files}
        return sorted(fnmatch.filter(names, pattern))

    def open(self, name: str) -> GoldenFile:
        """Returns a file with its entries.

        These are the arrays of an `.npz` file, the entries of a `.json` file, and the
        bytes of any other file as the entry "content". A file can also be compressed by
        xz, and has the ending `.xz` then.

        Raises:
          InputError: the file is missing or damaged.
        """
        path = self.path / name
        if not path.exists() and path.with_name(name + _COMPRESSED).exists():
            path = path.with_name(name + _COMPRESSED)
        try:
            return GoldenFile(self, name, _read_entries(path))
        except OSError as error:
            raise InputError(path, error.strerror or "is not an npz file") from error
        except (ValueError, EOFError, KeyError, *_DAMAGED) as error:
            raise InputError(path, f"cannot be read: {error}") from error

    @functools.cached_property
    def seed(self) -> int:
        """Seed of the full-size weights."""
        return int(self._recipe.input("seed"))

    @functools.cached_property
    def pose_sigma(self) -> float:
        """Standard deviation of the 6D entries that these weights sample."""
        return float(self._recipe.input("pose_sigma"))

    @functools.cached_property
    def _recipe(self) -> GoldenFile:
        return self.open("recipe_check.json")


def _read_entries(path: Path) -> dict[str, Any]:
    is_compressed = path.suffix == _COMPRESSED
    source = io.BytesIO(lzma.decompress(path.read_bytes())) if is_compressed else path
    kind = path.with_suffix("").suffix if is_compressed else path.suffix
    if kind == ".npz":
        with np.load(source, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    content = source.getvalue() if is_compressed else path.read_bytes()
    if kind == ".json":
        return dict(_flatten(json.loads(content)))
    return {"content": content}


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the entries of nested tables under joined names.

    A table that describes a tensor is an entry itself.
    """
    for key, value in tree.items():
        if isinstance(value, dict) and "shape" not in value:
            yield from _flatten(value, f"{prefix}{key}/")
        else:
            yield prefix + key, value
