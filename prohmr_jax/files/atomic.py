"""Writes files and directories in one step, so that none is ever seen half written.

Every writer of the project ends here. The standard library has no such function, and
the package `atomicwrites` is no longer maintained and does not write directories.

What is not complete has a hidden name that follows from the name of the target, and is
locked while its writer lives. So the next writer of the same target takes what a killed
one has left behind, and never what belongs to a writer that lives.
"""

import contextlib
import fcntl
import hashlib
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
        temporary, stream = _temporary_file(target)
        with stream:  # closing it releases the lock
            try:
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
        temporary, lock = _temporary_directory(target)
        try:
            fill(temporary)
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            if lock is not None:
                os.close(lock)


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


# The paths lie in the folder of the target, because only within one file system is a
# rename atomic.
def _temporary_file(target: Path) -> tuple[Path, BinaryIO]:
    """Returns the path of an empty hidden file beside the target, open and locked."""
    path = target.with_name(_hidden_name(target.name))
    with contextlib.suppress(OSError):
        stream = open(path, "wb", opener=_open_as_it_is)
        if _lock(stream.fileno(), path):
            stream.truncate(0)
            return path, stream
        stream.close()
    path = target.with_name(_hidden_name(secrets.token_hex()))
    return path, path.open("xb")


def _open_as_it_is(path: str, flags: int) -> int:
    """Opens a file that a killed writer may have left; nothing is removed from it."""
    return os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW, 0o666)


def _temporary_directory(target: Path) -> tuple[Path, int | None]:
    """Returns the path of an empty hidden folder beside the target, and its lock.

    The lock is a file descriptor, or None where the folder cannot be locked.
    """
    path = target.with_name(_hidden_name(target.name))
    with contextlib.suppress(OSError):
        path.mkdir(exist_ok=True)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if _lock(lock, path):
            for entry in list(path.iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink()
            if not any(path.iterdir()):
                return path, lock
        os.close(lock)
    path = target.with_name(_hidden_name(secrets.token_hex()))
    path.mkdir()
    return path, None


def _hidden_name(text: str) -> str:
    """Returns the name of a hidden file, the same for the same text."""
    return f".{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}.tmp"


def _lock(descriptor: int, path: Path) -> bool:
    """Returns whether a file or folder could be locked and is still at its path.

    The system releases the lock when the process ends, however it ends. Between opening
    and locking, another writer may have completed the file and moved it to its target.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), here)


@contextlib.contextmanager
def _write_errors_named(path: str | os.PathLike) -> Iterator[None]:
    """Turns errors of the file system into an InputError that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            path, f"cannot be written: {error.strerror or error}"
        ) from error
