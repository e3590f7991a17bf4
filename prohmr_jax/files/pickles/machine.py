"""Holds the state of a pickle while it is read, so restricted that it can do no harm.

Python's own unpickler imports what a file names and calls what the file likes; even if
`find_class` is overridden, a file can set attributes and run methods. Here a name in
the file becomes an inert `Global`, only functions of the caller's table are called,
only `Inert` objects receive state, and the memory that a file can take is bounded by
the file's own length. `instructions.execute` runs the machine.
"""

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

# Each instruction creates at most one small object, so this bounds memory and time.
# Most real files (checkpoints, sequences of a capture) need far fewer.
_MAX_INSTRUCTIONS = 5_000_000
# Files with lists of many thousand small arrays need more instructions, but have more
# than four times as many bytes as this allows.
_BYTES_PER_INSTRUCTION = 8

Construct = Callable[..., object]


class Refused(ValueError):
    """Says why a pickle, or a value in it, is not accepted."""


class Inert:
    """Stands for an object of the file; it keeps its state and does nothing with it."""

    state: object = None
    """Unchecked state that the file gives the object, or None before it does."""

    def set_state(self, state: object) -> None:
        """Keeps the state that the file gives the object, unchecked."""
        self.state = state


class Global:
    """Stands for a class or a function that the file names."""

    def __init__(self, name: str, construct: Construct | None):
        """Keeps the name and its substitute.

        Args:
          name: dotted name in the file.
          construct: function that is called in its place, or None if the name may not
            be called.
        """
        self.name = name
        self.construct = construct


class Placeholder(Inert):
    """Stands for a name outside the table, and for every object derived from it.

    It holds nothing but the name: calling it gives another placeholder, and items and
    state that the file gives it are dropped.
    """

    def __init__(self, name: str):
        """Keeps the dotted name that the file asked for."""
        self.name = name

    def set_state(self, state: object) -> None:
        """Drops the state."""


class Machine:
    """Holds the stack, the marks and the memo while one pickle is read."""

    def __init__(
        self,
        stream: BinaryIO,
        table: Mapping[str, Construct | None],
        persistent: Callable[[object], object] | None,
    ):
        """Starts with an empty stack at the stream's position.

        Args:
          stream: seekable binary stream in memory.
          table: names that the pickle may use, as `unpickle` describes it.
          persistent: function that resolves persistent ids, or None to refuse them.
        """
        self.stream = stream
        self.table = table
        self.persistent = persistent
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        start = stream.tell()
        size = stream.seek(0, 2) - start
        stream.seek(start)
        self.budget = max(_MAX_INSTRUCTIONS, size // _BYTES_PER_INSTRUCTION)
        self.bytes_read = 0
        self.bytes_made = 0

    def spend(self, count: int) -> None:
        """Counts instructions, and raises Refused if the pickle has too many."""
        self.budget -= count
        if self.budget < 0:
            raise Refused("it has too many instructions for a file of arrays")

    def read(self, count: int) -> bytes:
        """Reads exactly `count` bytes; EOFError if there are fewer."""
        data = self.stream.read(count)
        if len(data) != count:
            raise EOFError
        self.bytes_read += count
        return data

    def read_line(self) -> bytes:
        """Reads a line and returns it without its line break."""
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.bytes_read += len(line)
        return line[:-1]

    def number(self, layout: str) -> int | float:
        """Reads one number in a layout of the module `struct`."""
        return struct.unpack(layout, self.read(struct.calcsize(layout)))[0]

    def sized(self, layout: str) -> bytes:
        """Reads a length in a layout of the module `struct`, then so many bytes."""
        return self.read(self.number(layout))

    def pop(self) -> object:
        """Removes and returns the top of the stack, but nothing from below a mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError
        return self.stack.pop()

    def top(self) -> object:
        """Returns the top of the stack and leaves it there."""
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list:
        """Removes and returns all that lies above the last mark, and the mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def find(self, name: str) -> Global | Placeholder:
        """Looks a name up in the table; nothing is imported.

        Args:
          name: dotted name that the file asks for.

        Raises:
          Refused: the table does not cover the name.
        """
        if name in self.table:
            return Global(name, self.table[name])
        family = self.table.get(f"{name.partition('.')[0]}.*")
        if family is None and "*" in self.table:
            return self.table["*"](name)
        if family is None:
            raise Refused(f"it asks for {quoted(name)}, which is not harmless data")
        return Global(name, lambda *args: family(name, *args))

    def call(self, function: object, args: object) -> object:
        """Calls the function that the table holds for a name.

        The arguments, and the items of containers among them, which a function may
        copy, count as instructions.

        Args:
          function: what the file calls; only a `Global` or a `Placeholder` can be.
          args: tuple of arguments.

        Raises:
          Refused: nothing may be called for the name, or the arguments are wrong.
        """
        if isinstance(function, Placeholder):
            return Placeholder(function.name)
        if not isinstance(function, Global) or not isinstance(args, tuple):
            raise Refused("it calls something that is not a name of its table")
        if function.construct is None:
            raise Refused(f"it calls {quoted(function.name)}")
        copied = (a for a in args if isinstance(a, list | tuple | dict | set))
        self.spend(len(args) + sum(map(len, copied)))
        try:
            value = function.construct(*args)
        except Refused:
            raise
        except (TypeError, ValueError, LookupError) as error:
            fault = f"it gives {quoted(function.name)} what that cannot take"
            raise Refused(fault) from error
        if isinstance(value, bytes):
            self.bytes_made += len(value)
            if self.bytes_made > self.bytes_read:
                raise Refused("it multiplies its own bytes")
        return value


_KEYS = (str, bytes, int, float, bool, type(None), Placeholder)


def quoted(name: str) -> str:
    """Returns a name in quotes, cut to a length that fits into a one-line message."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def check_key(key: object) -> object:
    """Returns a key of a dictionary or a set after checking its type.

    Raises:
      Refused: hashing the key could recurse or take long.
    """
    parts = key if type(key) is tuple and len(key) <= 8 else (key,)
    if not all(type(p) in _KEYS for p in parts):
        raise Refused(f"it uses a {type(key).__name__} as a key")
    return key
