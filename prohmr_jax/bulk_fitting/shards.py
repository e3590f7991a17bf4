"""Keeps the finished part of a bulk run on disk, so that a killed run can continue.

A run writes shards one after another. A shard holds the people of one batch, the lines
on who was left out, and the position in the source after them; it is written as a whole
or not at all. At the end the shards become one table and are removed. A run that is
started again continues after the last shard, and because people do not depend on each
other, its table has the same bytes as that of an uninterrupted run.

The shards are `.npz` files rather than rows of a database: `files.npz` already writes
equal arrays as equal bytes, checks what it reads, and needs no server or lock.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.person_stream import SourcePosition
from prohmr_jax.bulk_fitting.run_folder import RunFolder, remove_files
from prohmr_jax.bulk_fitting.tables import checked_columns, write_table
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.inference.results import schema_members

_FOLDER = "shards"
_SHARD_NAME = "{:06d}.npz"
_LEFT_OUT = {"left_out": Expected((None,), "text")}
_HEADER = {
    "next": Expected((2,), "integer"),
    "people": Expected((), "integer"),
    **_LEFT_OUT,
}
_MAX_MEMBER_BYTES = 1 << 40


class ShardWriter:
    """Writes the shards of one run into a folder beside its table, then the table.

    Attributes:
      table: path of the table.
      position: position in the source after the last shard.
      people: number of people in the shards.
      left_out: one line for each person or file that could not be used.
      finished: whether the table is complete, so that nothing is left to do.
    """

    def __init__(
        self, table: str | os.PathLike, schema: type, identity: Mapping[str, str]
    ):
        """Begins a run, or continues the one whose shards are there.

        Args:
          table: the `.npz` file to write at the end.
          schema: dataclass of the table.
          identity: everything that the results depend on, input and settings, under
            names that error messages can use; a run is only continued if none of it
            has changed.

        Raises:
          InputError: another run is writing here, the output belongs to a run with
            another identity, or a file is damaged.
        """
        self.table, self._schema = Path(table), schema
        self._identity = dict(identity)
        self._folder = self.table.parent / _FOLDER
        self.position, self.people = SourcePosition(), 0
        self.left_out: list[str] = []
        self._column_names = tuple(schema_members(schema))
        self._num_shards = 0
        self._filled_shards: list[Path] = []
        self._claim = RunFolder(self._folder, self._identity, self.table)
        begun = self._claim.begun
        while (shard := self._shard_path(self._num_shards)).exists():
            self._load_shard(shard)
        self.finished = begun and self.table.exists() and not self._num_shards
        if self.finished:
            # A run that was killed while it removed its shards can leave later ones.
            remove_files(self._folder.glob("*.npz"))
            first_column = self._read(self.table, self._column_names[:1])
            self.people = len(next(iter(first_column.values())))
            lines = read_npz(self.table, _LEFT_OUT)["left_out"]
            self.left_out = [str(line) for line in lines]

    def append(
        self,
        columns: Mapping[str, np.ndarray] | None,
        left_out: Sequence[str],
        after: SourcePosition,
    ) -> None:
        """Writes a shard.

        Args:
          columns: columns of the table for the shard's people; None without people.
          left_out: one line for each person or file that could not be used.
          after: position in the source after the shard.

        Raises:
          InputError: the disk is full, or an array is not as the schema says; earlier
            shards stay as they were.
        """
        path = self._shard_path(self._num_shards)
        columns = checked_columns(path, self._schema, columns) if columns else {}
        people = len(next(iter(columns.values()))) if columns else 0
        header = {
            "next": np.array([after.item, after.person]),
            "people": np.array(people),
            "left_out": np.array(list(left_out), dtype=np.str_),
        }
        write_npz(path, {**header, **columns})
        self._count(people, left_out, after)

    def finish(self) -> None:
        """Writes one table of all shards, then removes the shards."""
        provenance = {name: str(value) for name, value in self._identity.items()}
        write_table(self.table, provenance, self.left_out, self._joined_columns())
        # The first shard goes first: without it the run counts as finished, even if it
        # is killed before the others are removed.
        remove_files(self._shard_path(number) for number in range(self._num_shards))
        self.finished = True

    def close(self) -> None:
        """Releases the lock, so that another run can write here."""
        self._claim.close()

    def _shard_path(self, number: int) -> Path:
        return self._folder / _SHARD_NAME.format(number)

    def _read(self, path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
        expected = schema_members(self._schema)
        return read_npz(
            path,
            # Only finished tables of older versions may lack a member.
            {
                name: dataclasses.replace(expected[name], optional=False)
                for name in names
            },
            max_member_bytes=_MAX_MEMBER_BYTES,
        )

    def _load_shard(self, shard: Path) -> None:
        """Counts a shard of an earlier run; raises InputError if it is damaged."""
        header = read_npz(shard, _HEADER)
        people = int(header["people"])
        if people:
            # Reading everything now reports damage before the run, not at its end.
            self._read(shard, self._column_names)
        item, person = (int(number) for number in header["next"])
        left_out = [str(line) for line in header["left_out"]]
        self._count(people, left_out, SourcePosition(item, person))

    def _count(
        self, people: int, left_out: Sequence[str], after: SourcePosition
    ) -> None:
        if people:
            self._filled_shards.append(self._shard_path(self._num_shards))
        self.people += people
        self.left_out += left_out
        self.position = after
        self._num_shards += 1

    def _joined_columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields the name and array of one column of all shards after another."""
        for name in self._column_names:
            parts = [self._read(shard, [name])[name] for shard in self._filled_shards]
            yield name, np.concatenate(parts)
