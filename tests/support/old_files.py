"""Unpacks the directories that an older version wrote; see tests/files_of_before."""

import functools
import pathlib
import tarfile
import tempfile

from tests.support.paths import ROOT

OLD_FILES = ROOT / "tests" / "files_of_before"


@functools.cache
def _unpacked() -> tempfile.TemporaryDirectory:
    # The object removes the folder when the process ends.
    folder = tempfile.TemporaryDirectory()
    with tarfile.open(OLD_FILES / "directories.tar.xz") as archive:
        archive.extractall(folder.name, filter="data")
    return folder


def old_file(name: str) -> pathlib.Path:
    """Returns the path of an old file, or of an old directory that was unpacked."""
    path = OLD_FILES / name
    return path if path.exists() else pathlib.Path(_unpacked().name) / name
