"""Files and directories appear whole or not at all."""

import contextlib
import os
import secrets
import shutil
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


def make_directory_atomically(
    path: str | os.PathLike, fill: Callable[[Path], None]
) -> None:
    """Makes a directory appear with all that `fill` puts into it, in one step.

    Args:
      path: directory to make; it may be there, but empty. Missing parents are made.
      fill: gets the path of a directory that it is to fill.

    Raises:
      InputError: there is something at the path, or it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(path, "is there already and would be overwritten")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            fill(temporary)
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(
            path, f"cannot be written: {error.strerror or error}"
        ) from error
