"""What of a long run is finished, so that a killed one goes on where it was.

A run writes *shards*, one after another, each whole or not at all: people, who was left
out, and the position in the source after them. At the end they become one table, and
go. Whatever kills the run, its restart finds a whole number of shards and continues;
since nothing of a person depends on the others, the table is the same bytes.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.person_stream import Position
from prohmr_jax.bulk_fitting.tables import checked, write_table
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.inference.results import members

_FOLDER = "shards"
_IDENTITY = "run.json"
_LOCK = "lock"
_SHARD = "{:06d}.npz"
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_LEFT_OUT = {"left_out": Expected((None,), "text")}
_HEADER = {
    "next": Expected((2,), "integer"),
    "people": Expected((), "integer"),
    **_LEFT_OUT,
}
_MAX_MEMBER_BYTES = 1 << 40


class Journal:
    """The shards of one run, in a folder beside its table.

    Attributes:
      table: path of the table.
      position: where in the source to go on.
      people: number of people in the shards.
      left_out: a line per person, or file, that could not be used.
      finished: the table is written, nothing is to be done.
    """

    def __init__(
        self, table: str | os.PathLike, schema: type, identity: Mapping[str, str]
    ):
        """Begins a run, or takes up the one that was here.

        Args:
          table: `.npz` to write in the end.
          schema: of the table.
          identity: of input and settings, by names that messages can use; the results
            are those of a run from the start only if nothing of it has changed.

        Raises:
          InputError: another run works here or has been here, or files are damaged.
        """
        self.table, self._schema = Path(table), schema
        self._identity = dict(identity)
        self._folder = self.table.parent / _FOLDER
        self.position, self.people = Position(), 0
        self.left_out: list[str] = []
        self._members = tuple(members(schema))
        self._number = 0
        self._filled: list[Path] = []
        known = self._folder / _IDENTITY
        begun = known.exists()
        if begun:
            self._require_the_same(known)
        elif self.table.exists():
            raise InputError(self.table, "is there already, of another run")
        else:
            text = json.dumps(self._identity, indent=2) + "\n"
            write_atomically(known, lambda stream: stream.write(text.encode()))
        self._lock = self._take_lock()
        self._remove(file for folder in (self._folder, self.table.parent)
                     for file in folder.iterdir()
                     if _TEMPORARY.fullmatch(file.name))  # fmt: skip
        while (shard := self._shard(self._number)).exists():
            self._take_up(shard)
        self.finished = begun and self.table.exists() and not self._number
        if self.finished:
            self._remove(self._folder.glob("*.npz"))
            first = self._read(self.table, self._members[:1])
            self.people = len(next(iter(first.values())))
            lines = read_npz(self.table, _LEFT_OUT)["left_out"]
            self.left_out = [str(line) for line in lines]

    def append(
        self,
        columns: Mapping[str, np.ndarray] | None,
        left_out: Sequence[str],
        after: Position,
    ) -> None:
        """Writes people, and where in the source their successors are.

        Args:
          columns: of the table; None for nobody.
          left_out: lines to add.
          after: where to go on.

        Raises:
          InputError: the disk is full, or an array is not as the schema says; what was
            there stays.
        """
        path = self._shard(self._number)
        columns = checked(path, self._schema, columns) if columns else {}
        people = len(next(iter(columns.values()))) if columns else 0
        header = {
            "next": np.array([after.unit, after.person]),
            "people": np.array(people),
            "left_out": np.array(list(left_out), dtype=np.str_),
        }
        write_npz(path, {**header, **columns})
        self._count(people, left_out, after)

    def finish(self) -> None:
        """Makes one table of the shards, then removes them."""
        provenance = {name: str(value) for name, value in self._identity.items()}
        write_table(self.table, provenance, self.left_out, self._columns())
        # In order: without the first, a run that is killed here has finished.
        self._remove(self._shard(number) for number in range(self._number))
        self.finished = True

    def close(self) -> None:
        """Lets other runs in."""
        self._lock.close()

    def _shard(self, number: int) -> Path:
        return self._folder / _SHARD.format(number)

    def _read(self, path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
        expected = members(self._schema)
        return read_npz(
            path,
            {name: expected[name] for name in names},
            max_member_bytes=_MAX_MEMBER_BYTES,
        )

    def _take_up(self, shard: Path) -> None:
        header = read_npz(shard, _HEADER)
        people = int(header["people"])
        if people:
            self._read(shard, self._members)  # names a damaged one now, not at the end
        unit, person = (int(number) for number in header["next"])
        left_out = [str(line) for line in header["left_out"]]
        self._count(people, left_out, Position(unit, person))

    def _count(self, people: int, left_out: Sequence[str], after: Position) -> None:
        if people:
            self._filled.append(self._shard(self._number))
        self.people += people
        self.left_out += left_out
        self.position = after
        self._number += 1

    def _columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """One column of all shards at a time."""
        for name in self._members:
            parts = [self._read(shard, [name])[name] for shard in self._filled]
            yield name, np.concatenate(parts)

    def _require_the_same(self, known: Path) -> None:
        try:
            before = json.loads(known.read_text(encoding="utf-8"))
            changed = [
                name
                for name in sorted({*before, *self._identity})
                if before.get(name) != self._identity.get(name)
            ]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InputError(known, f"cannot be read: {error}") from error
        if changed:
            name = changed[0]
            was, now = before.get(name), self._identity.get(name)
            raise InputError(
                self.table.parent,
                f"holds a run with another {name} ({was}, now {now}): choose another "
                f"output, or remove it and start again",
            )

    def _take_lock(self):
        lock = (self._folder / _LOCK).open("w")
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise InputError(self.table.parent, "another run is writing here") from None
        return lock

    @staticmethod
    def _remove(files) -> None:
        for file in list(files):
            with contextlib.suppress(OSError):
                file.unlink()
