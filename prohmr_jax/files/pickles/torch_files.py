"""Reads files of `torch.save`: the zip archive, and the format before PyTorch 1.6.

Both hold a pickle and, apart from it, the storages of its tensors. Only the storages
that the state dict needs are read; those of the optimiser, which are twice as large,
stay on the disk. Sizes are checked against the size of the file before memory is taken.
"""

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles.machine import Placeholder, Refused, quoted
from prohmr_jax.files.pickles.torch_tensors import (
    PickledTensor,
    Storage,
    state_dict_of,
    storage_of,
    torch_table,
)
from prohmr_jax.files.pickles.unpickle import unpickle

_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")
_LEGACY_PROTOCOL = 1001
# Names and shapes of a model and of its optimiser take a megabyte or two.
_MAX_PICKLE_BYTES = 1 << 26
# Tensors may share a storage, so that their arrays take more memory than the file.
_SHARED_FACTOR, _SHARED_BYTES = 2, 1 << 24

State = tuple[dict[str, np.ndarray], tuple[str, ...]]


def read_zip_torch(path: Path) -> State:
    """Reads the state dict of a zip archive.

    Returns:
      The arrays by name, and the sorted names of ignored classes.

    Raises:
      InputError: the archive or its pickle is damaged or refused.
    """
    with _faults_named(path), zipfile.ZipFile(path) as archive:
        members = _members(archive, path.stat().st_size)
        pickles = [n for n in members if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("is a zip archive without data.pkl, so not of torch.save")
        root = pickles[0].removesuffix("data.pkl")
        order = members.get(f"{root}byteorder")  # written since PyTorch 2.1
        order = archive.read(order) if order else b"little"
        if order not in (b"little", b"big"):
            raise Refused("does not say its byte order")
        if members[pickles[0]].file_size > _MAX_PICKLE_BYTES:
            raise Refused("has a pickle too large for names and shapes")
        machine = _Pickle(path, io.BytesIO(archive.read(pickles[0])))
        state = state_dict_of(machine.load())

        def read(storage: Storage) -> bytes:
            info = members.get(f"{root}data/{storage.key}")
            if info is None or info.file_size != storage.num_bytes:
                raise Refused("has a storage that is missing or of another size")
            return archive.read(info)

        arrays = _to_arrays(path, state, read, order == b"big")
        return arrays, tuple(sorted(machine.unknown))


def _members(archive: zipfile.ZipFile, file_size: int) -> dict[str, zipfile.ZipInfo]:
    """Returns the members by name; all are uncompressed and fit into the file."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in members:
            raise Refused(f"has two members {quoted(name)}")
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise Refused(f"has a member {quoted(name)}, outside of itself")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise Refused(
                f"has {quoted(name)} compressed or encrypted; torch does neither"
            )
        members[name] = info
    if sum(info.file_size for info in members.values()) > file_size:
        raise Refused("claims to hold more than its own size")
    return members


def read_legacy_torch(path: Path) -> State:
    """Reads the state dict of a file in the format before PyTorch 1.6.

    Five pickles follow each other: a magic number, the protocol, properties of the
    machine, the value, and the keys of the storages. Then come the storages in
    little-endian order, each after the number of its entries.

    Returns:
      The arrays by name, and the sorted names of ignored classes.

    Raises:
      InputError: the file is damaged or refused.
    """
    with _faults_named(path), path.open("rb") as stream:
        machine = _Pickle(path, io.BytesIO(stream.read(_MAX_PICKLE_BYTES)))
        magic, protocol, _ = (machine.load() for _ in range(3))
        if magic != _MAGIC or protocol != _LEGACY_PROTOCOL:
            raise Refused("is of an unknown version of torch.save")
        state = state_dict_of(machine.load())
        starts = _legacy_starts(stream, machine)

        def read(storage: Storage) -> bytes:
            if storage.key not in starts:
                raise Refused("has a storage that is missing")
            stream.seek(starts[storage.key])
            return stream.read(storage.num_bytes)

        return _to_arrays(path, state, read), tuple(sorted(machine.unknown))


def _legacy_starts(stream: BinaryIO, machine: "_Pickle") -> dict[str, int]:
    """Returns the position of each storage, found by skipping those before it."""
    keys = machine.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused("does not list its storages")
    starts: dict[str, int] = {}
    place, size = machine.stream.tell(), os.fstat(stream.fileno()).st_size
    for key in keys:
        if key in starts:
            raise Refused("lists a storage twice")
        storage = machine.storages.get(key)
        if storage is None:
            raise Refused(f"has a storage {quoted(key)} of unknown type")
        stream.seek(place)
        (count,) = struct.unpack("<q", stream.read(8))
        starts[key] = place + 8
        place = starts[key] + storage.num_bytes
        if count != storage.count or place > size:
            raise Refused("is cut short, or has a storage of another size than it says")
    return starts


class _Pickle:
    """Reads the pickles of one file and collects the names and storages in them."""

    def __init__(self, path: Path, stream: io.BytesIO):
        self.path = path
        self.stream = stream
        self.unknown: set[str] = set()
        self.storages: dict[str, Storage] = {}

    def load(self) -> object:
        """Reads the pickle at the stream's position."""
        table = torch_table(self._note_unknown)
        return unpickle(self.stream, self.path, table, self._note_storage)

    def _note_unknown(self, name: str) -> Placeholder:
        self.unknown.add(name)
        return Placeholder(name)

    def _note_storage(self, identity: object) -> Storage | Placeholder:
        storage = storage_of(identity)
        if isinstance(storage, Storage):
            if self.storages.setdefault(storage.key, storage) != storage:
                raise Refused(f"it describes storage {quoted(storage.key)} in two ways")
        return storage


def _to_arrays(
    path: Path,
    state: dict[str, PickledTensor],
    read: Callable[[Storage], bytes],
    big_endian: bool = False,
) -> dict[str, np.ndarray]:
    """Returns every tensor as an array; sizes are checked before anything is read."""
    layouts = {name: _named(name, tensor.layout) for name, tensor in state.items()}
    total = sum(layout.num_bytes for layout in layouts.values())
    if total > _SHARED_FACTOR * path.stat().st_size + _SHARED_BYTES:
        raise Refused("claims tensors far larger than itself")
    by_storage: dict[Storage, list[str]] = {}
    for name, layout in layouts.items():
        by_storage.setdefault(layout.storage, []).append(name)
    arrays = {}
    for storage, names in by_storage.items():
        raw = _named(names[0], read, storage)
        if len(raw) != storage.num_bytes:
            raise Refused("is cut short")
        for name in names:
            arrays[name] = layouts[name].to_numpy(raw, big_endian)
    return {name: arrays[name] for name in state}


def _named(name: str, function: Callable, *args: object) -> object:
    """Calls a function, and adds the name of the tensor to what it refuses."""
    try:
        return function(*args)
    except Refused as error:
        raise Refused(f"has a tensor {quoted(name)} that {error}") from error


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    """Turns every fault of a file into an InputError that names it."""
    try:
        yield
    except Refused as error:
        raise InputError(path, str(error)) from error
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError,
            MemoryError, ValueError, struct.error) as error:  # fmt: skip
        raise InputError(path, "is damaged or cut short") from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from error
