"""Computes the hash of a file or folder, by which reports name the weights."""

import hashlib
import pathlib


def path_sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, or of the names and contents of a folder's files.

    Args:
      path: the file or folder.
    """
    files = (
        sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path.parent).as_posix().encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
