"""Identifies a body by a short hash, by which a file of weights can name its body.

Weights are trained for the joints and the shape space of one body, and give plausible
but wrong poses with another. Writers of weights store the hash, readers compare it.
"""

import dataclasses
import hashlib
import os

import numpy as np

from prohmr_jax.body import BodyModel, make_body_model
from prohmr_jax.files.body_files import BodyArrays, read_body_arrays
from prohmr_jax.files.find_body import OPEN_BODY, find_body

# Order and types are part of the hash: changing them changes every body's hash.
_FIELD_DTYPES = {
    "v_template": "<f4", "shapedirs": "<f4", "posedirs": "<f4", "weights": "<f4",
    "joint_regressor": "<f4", "extra_regressor": "<f4", "landmark_vertices": "<i4",
    "faces": "<i4",
}  # fmt: skip
_NUM_DIGITS = 16


@dataclasses.dataclass(frozen=True)
class BodyIdentity:
    """Identifies the body that weights were trained on."""

    name: str
    """Name for messages: "open" for the body that ships, else the name of a file."""
    hash: str
    """Hash of the arrays, see `body_hash`; empty where the arrays are not known."""
    num_vertices: int
    """Number of vertices of the mesh."""

    def __str__(self) -> str:
        """Returns the name and the hash, for messages."""
        return f"{self.name!r} ({self.hash or 'of unknown hash'})"

    def is_other_than(self, body: "BodyIdentity") -> bool:
        """Returns whether the two are certainly not the same body."""
        if self.hash and body.hash:
            return self.hash != body.hash
        return self.num_vertices != body.num_vertices


def read_identified_body(
    path: str | os.PathLike = OPEN_BODY,
) -> tuple[BodyModel, BodyIdentity]:
    """Returns the body model of a file, and what identifies it.

    Args:
      path: see `read_body_arrays`, whose errors are raised.
    """
    arrays = read_body_arrays(path)
    name = OPEN_BODY if os.fspath(path) == OPEN_BODY else find_body(path).name
    identity = BodyIdentity(name, body_hash(arrays), len(arrays.v_template))
    return make_body_model(**vars(arrays)), identity


def body_hash(body: BodyArrays) -> str:
    """Returns the first 16 hexadecimal digits of the SHA-256 of a body's arrays.

    The hash covers the template, the shape and pose directions, the skinning weights,
    both joint regressors, the landmark vertices and the faces, with their shapes, as
    float32 and int32 in a fixed order and byte order. It does not depend on the file:
    an official `.pkl` and the `.npz` converted from it have the same hash.

    Args:
      body: the arrays that `read_body_arrays` returns.
    """
    digest = hashlib.sha256()
    for name, dtype in _FIELD_DTYPES.items():
        # Adding zero makes -0.0 and 0.0, which are the same number, the same bytes.
        array = np.asarray(getattr(body, name)).astype(dtype) + np.zeros((), dtype)
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, dtype).tobytes())
    return digest.hexdigest()[:_NUM_DIGITS]
