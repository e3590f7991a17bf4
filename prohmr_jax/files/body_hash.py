"""Computes a short hash of a body, by which a file of weights can name its body.

Weights are trained for the joints and the shape space of one body, and give plausible
but wrong poses with another. Writers of weights store the hash, readers compare it.
"""

import hashlib

import numpy as np

from prohmr_jax.files.body_files import BodyArrays

# Order and types are part of the hash: changing them changes every body's hash.
_FIELD_DTYPES = {
    "v_template": "<f4", "shapedirs": "<f4", "posedirs": "<f4", "weights": "<f4",
    "joint_regressor": "<f4", "extra_regressor": "<f4", "landmark_vertices": "<i4",
    "faces": "<i4",
}  # fmt: skip
_NUM_DIGITS = 16


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
