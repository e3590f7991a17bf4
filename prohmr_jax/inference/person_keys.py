"""Identifies people and trees of arrays by hashes, from which random keys come."""

import hashlib
import zlib
from typing import Any

import jax
import numpy as np

from prohmr_jax.files.detections import Detection


def detection_hash(person: Detection) -> int:
    """Returns a 32-bit hash of a detection, which selects the person's samples.

    The same detection gives the same samples, whoever else is in the file.
    """
    leaves = jax.tree.leaves((person.keypoints, person.box))
    values = [np.asarray(a, np.float32).tobytes() for a in leaves]
    return zlib.crc32(b"".join(values))


def person_key(seed: int, person: Detection) -> jax.Array:
    """Returns the random key of a person's samples.

    Args:
      seed: seed of the run.
      person: detection of the person; nobody else's matters.
    """
    return jax.random.fold_in(jax.random.key(seed), detection_hash(person))


def tree_sha256(tree: Any) -> str:
    """Returns the SHA-256 of a pytree's arrays: their names, types and values.

    Arrays on the host and on a device, and in files of any format, give the same one.
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        name = jax.tree_util.keystr(path)
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
