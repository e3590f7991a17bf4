"""The state of a pickle while it is read, without what makes them dangerous.

Python's own unpickler imports what a file names and calls what it likes; overriding
`find_class` still leaves it attributes to set and methods to run. Here a name becomes
an inert `Global`, only functions of the caller's table are called, only `Inert`
objects are given state, and what a file can make grows with its own length alone.
"""

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

# Each instruction makes at most one small object: this bounds memory and time. Most
# honest files (checkpoints, sequences of a capture) stay far below.
_MAX_INSTRUCTIONS = 5_000_000
# Lists of many thousand small arrays do not, but have four times as many bytes.
_BYTES_PER_INSTRUCTION = 8

Construct = Callable[..., object]


class Refused(ValueError):
    """Why a pickle, or a value in it, is not accepted."""


class Inert:
    """An object that a table builds; it keeps its state and does nothing with it."""

    state: object = None

    def set_state(self, state: object) -> None:
        """Keeps what the file says of the object, unchecked."""
        self.state = state


class Global:
    """A name that stands in the file where a class or a function stood."""

    def __init__(self, name: str, construct: Construct | None):
        """Keeps the dotted name and what may be called for it; None for nothing."""
        self.name = name
        self.construct = construct


class Placeholder(Inert):
    """Stands for a name outside the table, and for whatever the file makes with it.

    It holds nothing but the name: calls of it give another placeholder, and items and
    state that the file gives it are forgotten.
    """

    def __init__(self, name: str):
        """Keeps the dotted name that the file asked for."""
        self.name = name

    def set_state(self, state: object) -> None:
        """Forgets it."""


class Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(
        self,
        stream: BinaryIO,
        table: Mapping[str, Construct | None],
        persistent: Callable[[object], object] | None,
    ):
        """Takes what `unpickle` takes."""
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
        """Refuses a file that builds more than any file of arrays does."""
        self.budget -= count
        if self.budget < 0:
            raise Refused("it has too many instructions for a file of arrays")

    def read(self, count: int) -> bytes:
        """Reads exactly so many bytes."""
        data = self.stream.read(count)
        if len(data) != count:
            raise EOFError
        self.bytes_read += count
        return data

    def read_line(self) -> bytes:
        """Reads a line and drops its end."""
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.bytes_read += len(line)
        return line[:-1]

    def number(self, layout: str) -> int | float:
        """Reads a number of the `struct` module's layout."""
        return struct.unpack(layout, self.read(struct.calcsize(layout)))[0]

    def sized(self, layout: str) -> bytes:
        """Reads bytes that follow their length."""
        return self.read(self.number(layout))

    def pop(self) -> object:
        """Takes the top of the stack, but nothing from below a mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError
        return self.stack.pop()

    def top(self) -> object:
        """Looks at the top of the stack."""
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list:
        """Takes all that lies above the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def find(self, name: str) -> Global | Placeholder:
        """Looks a name up in the table; nothing is imported."""
        if name in self.table:
            return Global(name, self.table[name])
        family = self.table.get(f"{name.partition('.')[0]}.*")
        if family is None and "*" in self.table:
            return self.table["*"](name)
        if family is None:
            raise Refused(f"it asks for {quoted(name)}, which is not harmless data")
        return Global(name, lambda *args: family(name, *args))

    def call(self, function: object, args: object) -> object:
        """Calls the table's function; what it copies counts as instructions."""
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
    """Returns a name fit for a one-line message."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def check_key(key: object) -> object:
    """Returns the key; refuses those whose hash would recurse or take long."""
    parts = key if type(key) is tuple and len(key) <= 8 else (key,)
    if not all(type(p) in _KEYS for p in parts):
        raise Refused(f"it uses a {type(key).__name__} as a key")
    return key
