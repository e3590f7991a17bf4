"""Reads and writes the file of the open body in full, as its builder needs it.

`build` and `tools/make_open_body.py` call it. All other code reads the same file with
`files.body_files`.
"""

import dataclasses
import os

import numpy as np

from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.skeleton import EXTRA_19, LANDMARKS_21, SMPL_24

LICENCE = (
    "CC0 1.0 Universal. Derived from MakeHuman/MPFB2 assets, released under CC0 1.0."
)
NUM_BETAS = 10
"""Number of shape coefficients of the open body."""


@dataclasses.dataclass(frozen=True)
class OpenBody:
    """Holds the arrays of the file: those of SMPL, and what smplx and ProHMR add.

    The body is at rest in a T-pose, in metres, with Y up; it faces +Z, and left is +X.
    """

    v_template: np.ndarray
    """[V, 3], vertices of the mean body, metres."""
    f: np.ndarray
    """[F, 3], triangles' vertex numbers, counterclockwise as seen from outside."""
    shapedirs: np.ndarray
    """[V, 3, 10], metres per standard deviation of each shape coefficient."""
    posedirs: np.ndarray
    """[V, 3, 207], metres per entry of 23 rotation matrices minus identity."""
    weights: np.ndarray
    """[V, 24], skinning weights, of which at most 4 in a row are not zero."""
    J_regressor: np.ndarray
    """[24, V], weights of the vertices at rest in each kinematic joint."""
    kintree_table: np.ndarray
    """[2, 24], parent (-1 for the root) and own number of each joint."""
    landmark_vertices: np.ndarray
    """[21], vertex numbers in the order of LANDMARKS_21."""
    J_regressor_extra: np.ndarray
    """[19, V], weights of the posed vertices in each joint of EXTRA_19."""
    mirror_vertices: np.ndarray
    """[V], number of the mirror image of each vertex."""
    licence: np.ndarray
    """Text of the licence."""
    joint_definition: np.ndarray
    """Name of the definition of EXTRA_19's positions, `extra_joints.JOINT_DEFINITION`
    if it is the present one."""


# The arrays of the file, for `read_open_body`.
_J, _E, _L = len(SMPL_24), len(EXTRA_19), len(LANDMARKS_21)
_LAYOUT = {
    "v_template": Expected(("V", 3)), "f": Expected(("F", 3), "integer"),
    "shapedirs": Expected(("V", 3, NUM_BETAS)),
    "posedirs": Expected(("V", 3, 9 * (_J - 1))), "weights": Expected(("V", _J)),
    "J_regressor": Expected((_J, "V")), "kintree_table": Expected((2, _J), "integer"),
    "landmark_vertices": Expected((_L,), "integer"), "licence": Expected((), "text"),
    "J_regressor_extra": Expected((_E, "V")),
    "mirror_vertices": Expected(("V",), "integer"),
    "joint_definition": Expected((), "text", optional=True),
}  # fmt: skip


def read_open_body(path: str | os.PathLike) -> OpenBody:
    """Returns the open body in a file, in the precision of the file.

    Raises:
      InputError: the file cannot be read, or holds something else.
    """
    return OpenBody(**{"joint_definition": np.array(""), **read_npz(path, _LAYOUT)})


def write_open_body(path: str | os.PathLike, body: OpenBody) -> None:
    """Writes the body as a compressed `.npz` in one step.

    Args:
      path: file to write.
      body: the body.

    Raises:
      InputError: the file cannot be written.
    """
    write_npz(path, {f.name: getattr(body, f.name) for f in dataclasses.fields(body)})
