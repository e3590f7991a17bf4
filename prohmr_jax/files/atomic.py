"""Writes files and directories in one step, so that none is ever seen half written.

Every writer of the project ends here. The standard library has no such function, and
the package `atomicwrites` is no longer maintained and does not write directories.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from prohmr_jax.errors import InputError, OutputError


def write_atomically(
    path: str | os.PathLike, write: Callable[[BinaryIO], None]
) -> None:
    """Replaces the file at `path` in one step; missing parent folders are created.

    A reader sees either the old file or the complete new one, also after a crash. If
    anything fails, the old file stays and the temporary file is removed.

    Args:
      path: file to write; a symbolic link is followed, not replaced.
      write: function that writes the content to the seekable binary stream it gets.

    Raises:
      InputError: a folder cannot be created or written to, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    with _write_errors_named(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_beside(target)
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


def make_directory_atomically(
    path: str | os.PathLike, fill: Callable[[Path], None]
) -> None:
    """Creates a directory with all of its content in one step.

    Args:
      path: directory to create; it may exist if it is empty. Missing parents are
        created.
      fill: function that writes the content into the directory whose path it gets.

    Raises:
      InputError: something other than an empty directory is at the path, or the path
        cannot be written.
    """
    target = Path(os.path.realpath(path))
    with _write_errors_named(path):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(path, "is there already and would be overwritten")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_beside(target)
        temporary.mkdir()
        try:
            fill(temporary)
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def require_writable(folder: str | os.PathLike) -> None:
    """Writes where a folder is, or where it would be created, and removes it again.

    Programs call it before long work. Nothing is left behind, not even the folder.

    Args:
      folder: folder that will be written to; it need not exist.

    Raises:
      InputError: the folder cannot be created or written to, or the disk is full.
    """
    with _write_errors_named(folder):
        nearest = Path(os.path.realpath(folder))
        while not nearest.exists():
            nearest = nearest.parent
        with tempfile.TemporaryFile(dir=nearest) as stream:
            stream.write(b"0")


def require_writable_file(path: str | os.PathLike) -> None:
    """Checks, as `require_writable` does, that a file can be written.

    Args:
      path: file that will be written or replaced; its folder need not exist.

    Raises:
      InputError: a folder is at the path, or see `require_writable`.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(path, "cannot be written: it is a folder, not a file")
    try:
        require_writable(target.parent)
    except InputError as error:
        raise type(error)(path, error.what) from error


def _temporary_beside(target: Path) -> Path:
    """Returns an unused hidden path in the same folder.

    Only within one file system is a rename atomic, so the system's temporary folder
    will not do.
    """
    return target.parent / f".{secrets.token_hex(8)}.tmp"


@contextlib.contextmanager
def _write_errors_named(path: str | os.PathLike) -> Iterator[None]:
    """Turns errors of the file system into an InputError that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            path, f"cannot be written: {error.strerror or error}"
        ) from error
