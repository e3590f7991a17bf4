"""Reads and writes body files: the open body and the official SMPL files.

Every file becomes a `BodyArrays`, whether it is a pickle (which is never executed), an
`.npz`, or a folder that holds one of them. A body of another family, such as SMPL-H or
SMPL-X, is refused with a message that names the family. Official files lack two things,
which are added here: the vertices that serve as landmarks, and the regressor of the 19
extra joints (`SMPL_to_J19.pkl`).
"""

import dataclasses
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from prohmr_jax.body import BodyModel, make_body_model
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.find_body import (
    OPEN_BODY,
    WHERE_TO_GET_BODY,
    WHERE_TO_GET_DATA,
    find_body,
    find_extra_regressor,
)
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import BODY_TABLE, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle, unpickle_file
from prohmr_jax.skeleton import EXTRA_19, LANDMARKS_21, SMPL_24, SMPL_PARENTS

_NUM_BETAS = 10
_NUM_POSE_DIRECTIONS = 9 * (len(SMPL_24) - 1)

# The vertices of SMPL's mesh that the package smplx uses as joints.
_SMPL_NUM_VERTICES = 6890
SMPL_LANDMARK_VERTICES = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071,
    "left_ear": 583, "left_big_toe": 3216, "left_small_toe": 3226, "left_heel": 3387,
    "right_big_toe": 6617, "right_small_toe": 6624, "right_heel": 6787,
    "left_thumb_tip": 2746, "left_index_tip": 2319, "left_middle_tip": 2445,
    "left_ring_tip": 2556, "left_pinky_tip": 2673, "right_thumb_tip": 6191,
    "right_index_tip": 5782, "right_middle_tip": 5905, "right_ring_tip": 6016,
    "right_pinky_tip": 6133,
}  # fmt: skip

# Other families of bodies, by their numbers of joints and of pose directions.
_OTHER_FAMILIES = {
    (52, 459): "SMPL-H", (55, 486): "SMPL-X", (24, 93): "STAR",
    (16, 135): "MANO (a hand)", (5, 36): "FLAME (a head)",
}  # fmt: skip

# The arrays of an SMPL file. J and P are left open because they tell families apart.
_EXPECTED = {
    "v_template": Expected(("V", 3)),
    "shapedirs": Expected(("V", 3, "S")),
    "posedirs": Expected(("V", 3, "P")),
    "weights": Expected(("V", "J")),
    "J_regressor": Expected(("J", "V")),
    "kintree_table": Expected((2, "J"), "integer"),
    "f": Expected(("F", 3), "integer"),
    "landmark_vertices": Expected((len(LANDMARKS_21),), "integer", optional=True),
    "J_regressor_extra": Expected((len(EXTRA_19), "V"), optional=True),
}


@dataclasses.dataclass(frozen=True)
class BodyArrays:
    """Holds the checked arrays of a body in SMPL's layout, for `make_body_model`."""

    v_template: np.ndarray
    """[V, 3] float32, vertices of the mean shape at rest, metres, body frame."""
    shapedirs: np.ndarray
    """[V, 3, S] float32, metres per unit of each shape coefficient; S is at most 10."""
    posedirs: np.ndarray
    """[V, 3, 207] float32, metres per entry of 23 rotation matrices minus identity."""
    weights: np.ndarray
    """[V, 24] float32, skinning weights; each row sums to 1."""
    joint_regressor: np.ndarray
    """[24, V] float32, weights of the rest vertices in each kinematic joint."""
    faces: np.ndarray
    """[F, 3] int32, vertex numbers of each triangle."""
    landmark_vertices: np.ndarray
    """[21] int32, vertex numbers in the order of LANDMARKS_21."""
    extra_regressor: np.ndarray
    """[19, V] float32, weights of the posed vertices, in the order of EXTRA_19."""


def read_body(
    path: str | os.PathLike = OPEN_BODY,
    *,
    extra_regressor: str | os.PathLike | None = None,
) -> BodyModel:
    """Returns the body model of a file; arguments and errors as `read_body_arrays`."""
    return make_body_model(
        **vars(read_body_arrays(path, extra_regressor=extra_regressor))
    )


def read_body_arrays(
    path: str | os.PathLike = OPEN_BODY,
    *,
    extra_regressor: str | os.PathLike | None = None,
) -> BodyArrays:
    """Reads a body file of any kind.

    Args:
      path: "open" for the body that ships with the package; an official SMPL file,
        `.pkl` or `.npz`; a file written by `write_body`; or a folder that holds one.
      extra_regressor: path of `SMPL_to_J19.pkl`, which is needed if the body file has
        no regressor of the extra joints; by default it is looked for in the folder of
        the body file and in the folder above.

    Returns:
      The arrays as float32 and int32. If the file has more than 10 shape directions,
      the first 10 are returned.

    Raises:
      InputError: a file is missing, damaged or not in SMPL's layout, or it is a pickle
        that asks for more than arrays.
    """
    file = find_body(path)
    fields = _read_fields(file)
    _check_family(file, fields)
    _check_content(file, fields)
    num_vertices = len(fields["v_template"])
    if "landmark_vertices" not in fields:
        if num_vertices != _SMPL_NUM_VERTICES:
            raise InputError(
                file,
                f"has {num_vertices} vertices, and no landmark_vertices to name the "
                f"nose and others; only SMPL's {_SMPL_NUM_VERTICES} are known",
            )
        fields["landmark_vertices"] = np.array(
            [SMPL_LANDMARK_VERTICES[name] for name in LANDMARKS_21.names]
        )
    if extra_regressor is not None or "J_regressor_extra" not in fields:
        fields["J_regressor_extra"] = _read_extra_regressor(
            file, extra_regressor, num_vertices
        )
    return BodyArrays(
        v_template=fields["v_template"].astype(np.float32),
        shapedirs=fields["shapedirs"][..., :_NUM_BETAS].astype(np.float32),
        posedirs=fields["posedirs"].astype(np.float32),
        weights=fields["weights"].astype(np.float32),
        joint_regressor=fields["J_regressor"].astype(np.float32),
        faces=fields["f"].astype(np.int32),
        landmark_vertices=fields["landmark_vertices"].astype(np.int32),
        extra_regressor=fields["J_regressor_extra"].astype(np.float32),
    )


def write_body(path: str | os.PathLike, body: BodyArrays) -> None:
    """Writes a body as an `.npz` with SMPL's array names; it needs no second file.

    Args:
      path: file to write.
      body: the arrays to write.

    Raises:
      InputError: the file cannot be written.
    """
    parents = np.array([SMPL_PARENTS, range(len(SMPL_24))], np.int32)
    write_npz(
        path,
        {
            "v_template": body.v_template,
            "f": body.faces,
            "shapedirs": body.shapedirs,
            "posedirs": body.posedirs,
            "weights": body.weights,
            "J_regressor": body.joint_regressor,
            "kintree_table": parents,
            "landmark_vertices": body.landmark_vertices,
            "J_regressor_extra": body.extra_regressor,
        },
    )


def read_mean_params(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Reads the file `smpl_mean_params.npz`, from which the regression starts.

    Returns:
      The mean shape coefficients [10] and the mean weak-perspective camera [3] (scale,
      x, y), both float32.

    Raises:
      InputError: the file is missing or damaged, or an array has another size.
    """
    if not Path(path).exists():
        raise InputError(path, f"does not exist; {WHERE_TO_GET_DATA}")
    expected = {"shape": Expected((_NUM_BETAS,)), "cam": Expected((3,))}
    fields = read_npz(path, expected)
    return fields["shape"].astype(np.float32), fields["cam"].astype(np.float32)


def _read_fields(file: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an `.npz` or a pickle and checks shapes and finiteness."""
    if _is_archive(file):
        return read_npz(file, _EXPECTED, read_objects=lambda s: _read_pickled(file, s))
    content = unpickle_file(file, BODY_TABLE)
    if not isinstance(content, dict):
        raise InputError(file, "is a pickle, but not of a body: it is no dictionary")
    checker = Checker(file)
    fields = {}
    for name, want in _EXPECTED.items():
        if name not in content:
            if want.optional:
                continue
            raise InputError(file, f"has no array {name!r}")
        try:
            array = to_numpy(content[name])
        except Refused as error:
            raise InputError(file, f"{name} {error}") from error
        checker.check_layout(name, array.shape, array.dtype, want)
        checker.check_values(name, array)
        fields[name] = array
    return fields


def _is_archive(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(2) == b"PK"
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}") from error


def _read_pickled(file: Path, stream: BinaryIO | None = None) -> np.ndarray:
    """Reads one array that was pickled, as a file or as a member of an archive."""
    try:
        if stream is None:
            return to_numpy(unpickle_file(file, BODY_TABLE))
        return to_numpy(unpickle(stream, file, BODY_TABLE))
    except Refused as error:
        raise InputError(file, f"its array {error}") from error


def _check_family(file: Path, fields: dict[str, np.ndarray]) -> None:
    joints, directions = fields["weights"].shape[1], fields["posedirs"].shape[2]
    if (joints, directions) != (len(SMPL_24), _NUM_POSE_DIRECTIONS):
        family = _OTHER_FAMILIES.get((joints, directions))
        name = f"is a body of {family}" if family else "is no body of SMPL"
        raise InputError(
            file,
            f"{name}: it has {joints} joints and {directions} pose directions, SMPL "
            f"has {len(SMPL_24)} and {_NUM_POSE_DIRECTIONS}; {WHERE_TO_GET_BODY}",
        )


def _check_content(file: Path, fields: dict[str, np.ndarray]) -> None:
    num_vertices = len(fields["v_template"])
    # The root's parent is -1 as uint32 in official files, so it is not compared.
    parents, children = fields["kintree_table"].astype(np.int64)
    if (
        tuple(parents[1:]) != SMPL_PARENTS[1:]
        or (children != range(len(SMPL_24))).any()
    ):
        raise InputError(file, "kintree_table does not join the joints as SMPL does")
    if np.abs(fields["weights"].sum(axis=1, dtype=np.float64) - 1).max() > 1e-3:
        raise InputError(file, "weights of a vertex do not add up to 1")
    if not fields["shapedirs"].shape[2]:
        raise InputError(file, "shapedirs has no shape direction")
    for name in ("f", "landmark_vertices"):
        ids = fields.get(name, np.zeros(0, int))
        if (ids < 0).any() or (ids >= num_vertices).any():
            raise InputError(file, f"{name} names vertices that are not there")


def _read_extra_regressor(
    body: Path, path: str | os.PathLike | None, num_vertices: int
) -> np.ndarray:
    path = find_extra_regressor(body) if path is None else Path(path)
    if not path.is_file():
        raise InputError(
            path, f"does not exist, and {body.name} needs it; {WHERE_TO_GET_DATA}"
        )
    array = _read_pickled(path)
    checker = Checker(path)
    expected = Expected((len(EXTRA_19), num_vertices))
    checker.check_layout("the joint regressor", array.shape, array.dtype, expected)
    checker.check_values("the joint regressor", array)
    return array
