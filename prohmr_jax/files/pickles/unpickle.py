"""Pickles read as data: what they may name is a table, and nothing else is run."""

import io
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles.instructions import execute
from prohmr_jax.files.pickles.machine import (
    Construct,
    Global,
    Inert,
    Machine,
    Placeholder,
    Refused,
    check_key,
)


class InertDict(dict, Inert):
    """A dictionary whose attributes, if the file gives any, mean nothing."""


def unpickle_file(
    path: str | os.PathLike, table: Mapping[str, Construct | None]
) -> object:
    """Returns the value of a pickle file; see `unpickle`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    if not data:
        raise InputError(path, "is empty")
    return unpickle(io.BytesIO(data), path, table)


def unpickle(
    stream: BinaryIO,
    path: str | os.PathLike,
    table: Mapping[str, Construct | None],
    persistent: Callable[[object], object] | None = None,
) -> object:
    """Returns the value of the pickle at the stream's position, and moves behind it.

    Args:
      stream: in memory (`io.BytesIO`), so that a false length cannot allocate.
      path: the file that messages name.
      table: dotted name -> function called in its place, or None where the name may
        only be passed around (it arrives as a `Global`). `"package.*"` covers all
        names of a package: its function gets the full name first. `"*"` covers every
        other name: its function makes a `Placeholder` of it. Built-in containers are
        understood without it.
      persistent: what to put for a persistent id; without it they are refused.

    Raises:
      InputError: the pickle is damaged, or asks for anything outside the table.
    """
    machine = Machine(stream, {**_CONTAINERS, **table}, persistent)
    try:
        return execute(machine)
    except Refused as error:
        raise InputError(path, f"is a pickle that is refused: {error}") from error
    except EOFError as error:
        raise InputError(path, "is a truncated pickle, or none") from error
    except (
        ArithmeticError, AttributeError, LookupError, MemoryError,
        RecursionError, TypeError, ValueError, struct.error,
    ) as error:  # fmt: skip
        raise InputError(path, "is a damaged pickle, or none") from error


def _reconstructor(of: object, base: object, state: object) -> object:
    """What protocols 0 and 1 call for an object of a class without `__reduce__`."""
    if isinstance(of, Placeholder):
        return Placeholder(of.name)
    if not isinstance(of, Global) or of.construct is None:
        raise Refused("it makes an object of something that is no class")
    if not isinstance(base, Global) or not base.name.endswith(".object") or state:
        raise Refused(f"it makes a {of.name!r} from a built-in value")
    return of.construct()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in protocols 0 to 2."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused("it encodes text by other rules than Latin-1")
    return text.encode("latin-1")


def _ordered_dict(pairs: list = ()) -> InertDict:
    return InertDict((check_key(key), value) for key, value in pairs)


def _empty_bytes() -> bytes:
    return b""


def _set_of(items: list = ()) -> set:
    if not isinstance(items, list | tuple):
        raise Refused(f"it makes a set of a {type(items).__name__}")
    return set(map(check_key, items))


_CONTAINERS: dict[str, Construct | None] = {
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _ordered_dict,
    **{f"{module}.{name}": construct
       for module in ("builtins", "__builtin__")
       for name, construct in (
           ("object", None), ("set", _set_of), ("frozenset", _set_of),
           ("bytes", _empty_bytes), ("slice", lambda *ends: None),
       )},
}  # fmt: skip
