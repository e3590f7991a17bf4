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

from prohmr_jax.errors import InputError
from prohmr_jax.files.arrays import Expected
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.labelling.people import Position
from prohmr_jax.labelling.tables import checked, write_table
from prohmr_jax.results import members

_FOLDER = "shards"
_IDENTITY = "run.json"
_LOCK = "lock"
_SHARD = "{:06d}.npz"
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_POSITION = {"next": Expected((2,), "integer")}
_LEFT_OUT = {"left_out": Expected((None,), "text")}
_MAX_MEMBER_BYTES = 1 << 40


class Journal:
    """The shards of one run, in a folder beside its table.

    Attributes:
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
        self._table, self._schema = Path(table), schema
        self._identity = dict(identity)
        self._folder = self._table.parent / _FOLDER
        self.position, self.people = Position(), 0
        self.left_out: list[str] = []
        self._number = 0
        known = self._folder / _IDENTITY
        begun = known.exists()
        if begun:
            self._require_the_same(known)
        elif self._table.exists():
            raise InputError(self._table, "is there already, of another run")
        else:
            text = json.dumps(self._identity, indent=2) + "\n"
            write_atomically(known, lambda stream: stream.write(text.encode()))
        self._lock = self._take_lock()
        self._remove(file for folder in (self._folder, self._table.parent)
                     for file in folder.iterdir()
                     if _TEMPORARY.fullmatch(file.name))  # fmt: skip
        while (shard := self._shard(self._number)).exists():
            self._take_up(shard)
        self.finished = begun and self._table.exists() and not self._number

    def append(
        self,
        columns: Mapping[str, np.ndarray],
        left_out: Sequence[str],
        after: Position,
    ) -> None:
        """Writes people, and where in the source their successors are.

        Raises:
          InputError: the disk is full, or an array is not as the schema says; what was
            there stays.
        """
        path = self._shard(self._number)
        columns = checked(path, self._schema, columns)
        extras = {
            "next": np.array([after.unit, after.person]),
            "left_out": np.array(list(left_out), dtype=np.str_),
        }
        write_npz(path, {**extras, **columns})
        self._count(columns, left_out, after)

    def finish(self) -> None:
        """Makes one table of the shards, then removes them."""
        provenance = {name: str(value) for name, value in self._identity.items()}
        write_table(self._table, provenance, self.left_out, self._columns())
        # The first goes last: a run that is killed here finds all or none.
        numbers = range(self._number)
        self._remove(self._shard(number) for number in reversed(numbers))
        self.finished = True

    def close(self) -> None:
        """Lets other runs in."""
        self._lock.close()

    def _shard(self, number: int) -> Path:
        return self._folder / _SHARD.format(number)

    def _take_up(self, shard: Path) -> None:
        found = read_npz(shard, {**_POSITION, **_LEFT_OUT, **members(self._schema)})
        position = Position(*(int(value) for value in found["next"]))
        self._count(found, [str(line) for line in found["left_out"]], position)

    def _count(self, columns, left_out: Sequence[str], after: Position) -> None:
        self.people += len(next(iter(members(self._schema)), ()) and columns["source"])
        self.left_out += left_out
        self.position = after
        self._number += 1

    def _columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """One column of all shards at a time."""
        for name, expected in members(self._schema).items():
            parts = [
                read_npz(
                    self._shard(number),
                    {name: expected},
                    max_member_bytes=_MAX_MEMBER_BYTES,
                )[name]
                for number in range(self._number)
            ]
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
                self._table.parent,
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
            raise InputError(
                self._table.parent, "another run is writing here"
            ) from None
        return lock

    @staticmethod
    def _remove(files) -> None:
        for file in list(files):
            with contextlib.suppress(OSError):
                file.unlink()
