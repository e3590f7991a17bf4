"""Files appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from prohmr_jax.errors import InputError


def write_atomically(
    path: str | os.PathLike, write: Callable[[BinaryIO], None]
) -> None:
    """Replaces `path` by what `write` puts into a stream, in one step.

    A reader sees the old file or the new one, also after a crash; if anything fails
    the old file stays and the temporary one is removed. Missing folders are made.

    Args:
      path: file to write; a symbolic link is followed, not replaced.
      write: gets a binary stream that can seek.

    Raises:
      InputError: the folder cannot be made or written, or the disk is full.
    """
    # The temporary file is a neighbour: only within a file system is a rename atomic.
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise InputError(
            path, f"cannot be written: {error.strerror or error}"
        ) from error
