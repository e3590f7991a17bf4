"""Keeps the parts of a run in a folder that belongs to this run alone.

`shards` and the mode "video" continue killed runs with it: the folder remembers what
the results depend on, and no second run can write to it at the same time.
"""

import contextlib
import fcntl
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.npz import read_npz, write_npz

_IDENTITY_FILE = "run.json"
_LOCK_FILE = "lock"
_MAX_MEMBER_BYTES = 1 << 40
# Names that `write_atomically` gives to files that are not complete yet.
_TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{16}\.tmp")


class RunFolder:
    """Keeps a folder for one run.

    Attributes:
      path: the folder.
      begun: whether an earlier run with the same identity has begun here.
    """

    def __init__(self, path: Path, identity: Mapping[str, str], result: Path):
        """Begins a run, or continues the one that the folder belongs to.

        Args:
          path: the folder, inside that of the results.
          identity: everything that the results depend on, input and settings, under
            names that error messages can use; a run is only continued if none of it
            has changed.
          result: a file that the run writes at its end.

        Raises:
          InputError: another run is writing here, the folder belongs to a run with
            another identity, or the result exists and belongs to no run.
        """
        self.path, self._identity = path, dict(identity)
        file = path / _IDENTITY_FILE
        self.begun = file.exists()
        if self.begun:
            self._require_same_identity(file)
        elif result.exists():
            raise InputError(result, "exists already and belongs to another run")
        else:
            text = json.dumps(self._identity, indent=2) + "\n"
            write_atomically(file, lambda stream: stream.write(text.encode()))
        self._lock = self._take_lock()
        remove_files(
            file
            for folder in (path, path.parent)
            for file in folder.iterdir()
            if _TEMPORARY_NAME.fullmatch(file.name)
        )

    def has(self, name: str) -> bool:
        """Returns whether a part is finished."""
        return (self.path / f"{name}.npz").exists()

    def kept(
        self,
        name: str,
        expected: Mapping[str, Expected],
        compute: Callable[[], Mapping[str, np.ndarray]],
    ) -> dict[str, np.ndarray]:
        """Returns the arrays of a part, which is computed only if it is not there yet.

        Args:
          name: name of the part, without ending.
          expected: shape and kind of each array.
          compute: computes the arrays; floats are kept as float32.

        Raises:
          InputError: the part is damaged, or cannot be written.
        """
        file = self.path / f"{name}.npz"
        if not file.exists():
            arrays = {key: np.asarray(value) for key, value in compute().items()}
            write_npz(
                file,
                {
                    key: a.astype(np.float32) if a.dtype.kind == "f" else a
                    for key, a in arrays.items()
                },
            )
        # What was just written is read too, so that both cases have the same bits.
        return read_npz(file, expected, max_member_bytes=_MAX_MEMBER_BYTES)

    def close(self) -> None:
        """Releases the lock, so that another run can write here."""
        self._lock.close()

    def _require_same_identity(self, file: Path) -> None:
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
            changed = [
                name
                for name in sorted({*before, *self._identity})
                if before.get(name) != self._identity.get(name)
            ]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InputError(file, f"cannot be read: {error}") from error
        if changed:
            name = changed[0]
            was, now = before.get(name), self._identity.get(name)
            raise InputError(
                self.path.parent,
                f"holds a run with another {name} ({was}, now {now}): choose another "
                f"output, or remove it and start again",
            )

    def _take_lock(self) -> TextIO:
        lock = (self.path / _LOCK_FILE).open("w")
        try:
            # The system releases the lock when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise InputError(self.path.parent, "another run is writing here") from None
        return lock


def remove_files(files: Iterable[Path]) -> None:
    """Removes files; those that cannot be removed stay."""
    for file in list(files):
        with contextlib.suppress(OSError):
            file.unlink()
