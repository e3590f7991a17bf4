"""Reads NumPy's `.npz` and `.npy` files from any source safely, and writes archives.

`np.load` would allocate whatever size a header claims, trust compressed members of any
size, and report damage by a dozen exceptions; here the header is checked first and
every fault is one `InputError`. Archives are written in one step; `np.savez` would
store the time of writing.
"""

import contextlib
import dataclasses
import io
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.atomic import write_atomically

# The largest array of a real file takes 50 MB: 300 shape directions in float64.
_MAX_MEMBER_BYTES = 1 << 28
# Tables of bodies shrink to a half or so. An archive that unpacks to more than both of
# these is made to fill the memory.
_MAX_TOTAL_BYTES, _MAX_TIMES_PACKED = 1 << 30, 100

ReadObjects = Callable[[BinaryIO], np.ndarray]


def read_npz(
    path: str | os.PathLike,
    expected: Mapping[str, Expected],
    *,
    read_objects: ReadObjects | None = None,
    max_member_bytes: int = _MAX_MEMBER_BYTES,
) -> dict[str, np.ndarray]:
    """Reads the named arrays of an archive; other members are not unpacked.

    Args:
      path: the archive.
      expected: shape and kind of each array, by name; optional ones may be absent.
      read_objects: function that reads an array of Python objects, which NumPy stores
        as a pickle, from a stream in memory that starts with the pickle; if None,
        such arrays are refused.
      max_member_bytes: largest size of an unpacked array, in bytes.

    Returns:
      The arrays by name, in C order and in the machine's byte order.

    Raises:
      InputError: the file is no archive or is truncated, or an array is missing, has
        another shape or kind, is not finite, or claims more bytes than it has.
    """
    reader = _Reader(Checker(path), read_objects, max_member_bytes)
    with (
        _one_line_faults(path, "is a damaged .npz archive"),
        zipfile.ZipFile(path) as archive,
    ):
        members = {info.filename: info for info in archive.infolist()}
        reader.check_total(members, expected)
        arrays = {}
        for name, want in expected.items():
            info = members.get(f"{name}.npy")
            if info is not None:
                arrays[name] = reader.read(archive, info, name, want)
            elif not want.optional:
                raise InputError(path, f"has no array {name!r}")
        return arrays


def read_npy(path: str | os.PathLike, expected: Expected) -> np.ndarray:
    """Returns the array of a `.npy` file, in C order and in the machine's byte order.

    Args:
      path: the file.
      expected: shape and kind of the array.

    Raises:
      InputError: the file is no `.npy` file or is truncated, or the array has another
        shape or kind, is not finite, or holds Python objects.
    """
    reader = _Reader(Checker(path), None, _MAX_MEMBER_BYTES)
    fault = "is no .npy file, or a damaged one"
    with _one_line_faults(path, fault), open(path, "rb") as stream:
        return reader.read_array(stream, "the array", expected)


@contextlib.contextmanager
def _one_line_faults(path: str | os.PathLike, damaged: str) -> Iterator[None]:
    """Turns what readers raise into an InputError that says what is wrong with a file.

    Args:
      path: the file.
      damaged: what is said of a file that is not in NumPy's format.
    """
    try:
        yield
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise InputError(path, "is no .npz archive, or a damaged one") from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from error
    except (
        EOFError, MemoryError, RecursionError, RuntimeError, SyntaxError, TypeError,
        ValueError, tokenize.TokenError, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(path, damaged) from error


def write_npz(
    path: str | os.PathLike,
    arrays: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]],
) -> None:
    """Writes a compressed archive in one step; equal arrays give equal bytes.

    Args:
      path: the archive to write.
      arrays: the arrays by name; from an iterable of pairs, only one array at a time
        has to be in memory.

    Raises:
      InputError: the file cannot be written.
      ValueError: an array holds Python objects.
    """

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            items = arrays.items() if isinstance(arrays, Mapping) else arrays
            for name, array in items:
                # A new ZipInfo is always dated 1980, so the file does not depend on
                # the time of writing.
                member = zipfile.ZipInfo(f"{name}.npy")
                member.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(member, "w", force_zip64=True) as out:
                    np.lib.format.write_array(
                        out, np.asanyarray(array), allow_pickle=False
                    )

    write_atomically(path, write)


@dataclasses.dataclass(frozen=True)
class _Reader:
    checker: Checker
    read_objects: ReadObjects | None
    max_bytes: int

    def check_total(
        self, members: Mapping[str, zipfile.ZipInfo], names: Iterable[str]
    ) -> None:
        """Raises InputError if arrays would take far more memory than the file."""
        total = sum(
            members[f"{name}.npy"].file_size
            for name in names
            if f"{name}.npy" in members
        )
        packed = os.path.getsize(self.checker.path)
        if total > max(_MAX_TOTAL_BYTES, _MAX_TIMES_PACKED * packed):
            what = f"{packed} bytes claim to unpack to {total}"
            raise self._fault(f"is no sound archive: its {what}")

    def read(
        self,
        archive: zipfile.ZipFile,
        info: zipfile.ZipInfo,
        name: str,
        want: Expected,
    ) -> np.ndarray:
        """Reads one array; no memory is taken before its header is checked."""
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._fault(f"{name} is compressed in a way that NumPy does not use")
        if info.file_size > self.max_bytes:
            raise self._fault(f"{name} claims {info.file_size} bytes")
        with archive.open(info) as stream:
            return self.read_array(stream, name, want)

    def read_array(self, stream: BinaryIO, name: str, want: Expected) -> np.ndarray:
        """Reads one array from a stream that starts with its header."""
        shape, fortran_order, dtype = _read_header(stream)
        if dtype.hasobject and self.read_objects is None:
            raise self._fault(f"{name} is an array of Python objects")
        if not dtype.hasobject:
            self.checker.check_layout(name, shape, dtype, want)
        data = stream.read()
        if dtype.hasobject:
            array = self.read_objects(io.BytesIO(data))
            self.checker.check_layout(name, array.shape, array.dtype, want)
        elif len(data) != math.prod(shape) * dtype.itemsize:
            raise self._fault(f"{name} is of another size than its shape")
        else:
            flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
            array = flat.reshape(shape, order="F" if fortran_order else "C")
        array = array.astype(array.dtype.newbyteorder("="), order="C")
        self.checker.check_values(name, array, want.kind)
        return array

    def _fault(self, what: str) -> InputError:
        return InputError(self.checker.path, what)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError("unknown version")
