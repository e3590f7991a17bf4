"""Reads pickles as data: they may use the names of a table, and nothing else is run."""

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
    """Holds a dictionary; attributes that the file gives it are kept but ignored."""


def unpickle_file(
    path: str | os.PathLike, table: Mapping[str, Construct | None]
) -> object:
    """Returns the value of a pickle file.

    Args:
      path: the file.
      table: names that the pickle may use, as `unpickle` describes it.

    Raises:
      InputError: the file cannot be read or is empty, or the pickle is damaged or asks
        for anything outside the table.
    """
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
    """Returns the value of the pickle at the stream's position, and moves past it.

    Args:
      stream: stream in memory (`io.BytesIO`), so that a wrong length takes no memory.
      path: path of the file, for messages.
      table: the function that is called in place of each dotted name. None means that
        the name may only be passed as a value; it is then a `Global`. The function of
        `"package.*"` serves all names of a package and gets the full name as its first
        argument. The function of `"*"` returns a `Placeholder` for every other name.
        Built-in containers are always understood.
      persistent: function that returns the object for a persistent id; if None, a
        pickle with persistent ids is refused.

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


def _reconstructor(cls: object, base: object, state: object) -> object:
    """Returns an object of a class without `__reduce__`, as protocols 0 and 1 ask."""
    if isinstance(cls, Placeholder):
        return Placeholder(cls.name)
    if not isinstance(cls, Global) or cls.construct is None:
        raise Refused("it makes an object of something that is no class")
    if not isinstance(base, Global) or not base.name.endswith(".object") or state:
        raise Refused(f"it makes a {cls.name!r} from a built-in value")
    return cls.construct()


def _encode(text: str, encoding: str) -> bytes:
    """Returns the bytes that Python 3 writes as text in protocols 0 to 2."""
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
