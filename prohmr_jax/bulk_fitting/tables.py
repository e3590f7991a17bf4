"""What bulk labelling writes: one table of everyone, in the terms of `results`.

The schema stands here once, as in `results`: each array field is a member of the
archive, P people long, and `docs/fit.md` says the same to users. Members that
`results.PersonResult` has too mean the same, of each person.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.inference.results import members, stored
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.skeleton import JOINTS_44, SMPL_24
from prohmr_jax.solver.minimise import Reason

# Counted up whenever a member changes its meaning, its shape or its name.
TABLE_VERSION = 1
_JOINTS, _KINEMATIC = len(JOINTS_44), len(SMPL_24)
# A million people's joints are half a gigabyte.
_MAX_MEMBER_BYTES = 1 << 40
_EXTRAS = {
    "version": np.array(TABLE_VERSION),
    "joint_names": np.array(JOINTS_44.names),
    "kinematic_joint_names": np.array(SMPL_24.names),
    "reason_names": np.array([reason.name.lower() for reason in Reason]),
}


@dataclasses.dataclass(frozen=True)
class PeopleColumns:
    """Who was fitted to what, and what the model said: columns of every table."""

    source: np.ndarray = stored("P", kind="text")
    """File of the detections, relative to the input; or the dataset."""
    person_index: np.ndarray = stored("P", kind="integer")
    """Position in that file's list of people; or number of the record."""
    frame: np.ndarray = stored("P", kind="integer")
    """Number of the frame, where the file is of a video, or else -1."""
    photo: np.ndarray = stored("P", kind="text")
    """Name of the photo; empty where there was none."""
    keypoints_px: np.ndarray = stored("P", _JOINTS, 2)
    """Photo pixels, JOINTS_44."""
    keypoint_confidence: np.ndarray = stored("P", _JOINTS)
    image_size_px: np.ndarray = stored("P", 2, kind="integer")
    """(width, height); zeros where it is not known."""
    box_center_px: np.ndarray = stored("P", 2)
    box_size_px: np.ndarray = stored("P")
    intrinsics: np.ndarray = stored("P", 3, 3)
    """K of the camera that both bodies are placed in front of, photo pixels."""
    pose_axis_angle: np.ndarray = stored("P", "K", _KINEMATIC, 3)
    """Before: the mode, then draws; radians, the root turns body to camera axes."""
    log_prob: np.ndarray = stored("P", "K")
    joints: np.ndarray = stored("P", "K", _JOINTS, 3)
    """Metres, camera axes, before `translation` is added."""
    betas: np.ndarray = stored("P", "S")
    translation: np.ndarray = stored("P", 3)


@dataclasses.dataclass(frozen=True)
class FitTable(PeopleColumns):
    """P people before and after their fits, NumPy; `fit_*` is after."""

    fit_z: np.ndarray = stored("P", POSE_FEATURES)
    """Latent of the pose: with the same weights, all of it."""
    fit_pose_axis_angle: np.ndarray = stored("P", _KINEMATIC, 3)
    fit_log_prob: np.ndarray = stored("P")
    fit_joints: np.ndarray = stored("P", _JOINTS, 3)
    fit_betas: np.ndarray = stored("P", "S")
    fit_translation: np.ndarray = stored("P", 3)
    fit_start_loss: np.ndarray = stored("P")
    """Objective (Eq. 11) of the mode."""
    fit_loss: np.ndarray = stored("P")
    fit_steps: np.ndarray = stored("P", kind="integer")
    fit_evaluations: np.ndarray = stored("P", kind="integer")
    fit_reason: np.ndarray = stored("P", kind="integer")
    """Why the fit ended: an index into `reason_names`."""


def checked(
    path: str | os.PathLike, schema: type, arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the members of a table in order, floats in single precision.

    Raises:
      InputError: an array has another shape than the schema says, or is not finite.
    """
    checker, found = Checker(path), {}
    for name, expected in members(schema).items():
        array = np.asarray(arrays[name])
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        checker.check_layout(name, array.shape, array.dtype, expected)
        checker.check_values(name, array)
        found[name] = array
    return found


def write_table(
    path: str | os.PathLike,
    provenance: Mapping[str, str],
    left_out: Iterable[str],
    columns: Iterable[tuple[str, np.ndarray]],
) -> None:
    """Writes a table, atomically; the same table gives the same bytes.

    Args:
      path: `.npz` to write.
      provenance: what the table was made of.
      left_out: a line for each person, or file, that could not be used.
      columns: name and `checked` array of each member; one is in memory at a time.

    Raises:
      InputError: the file cannot be written.
    """

    def everything() -> Iterator[tuple[str, np.ndarray]]:
        yield from _EXTRAS.items()
        yield "provenance", np.array(json.dumps(dict(provenance)))
        yield "left_out", np.array(list(left_out), dtype=np.str_)
        yield from columns

    write_npz(path, everything())


def read_table(path: str | os.PathLike, schema: type = FitTable):
    """Returns the table that a file holds, provenance, and who was left out.

    Raises:
      InputError: the file is missing or damaged, or is no such table of this version.
    """
    version = read_npz(path, {"version": Expected((), "integer")})["version"]
    if version != TABLE_VERSION:
        raise InputError(path, f"has version {version}, not {TABLE_VERSION}")
    arrays = read_npz(
        path,
        {
            "provenance": Expected((), "text"),
            "left_out": Expected((None,), "text"),
            **members(schema),
        },
        max_member_bytes=_MAX_MEMBER_BYTES,
    )
    try:
        provenance = json.loads(str(arrays.pop("provenance")))
    except ValueError:
        raise InputError(path, "does not say what it was made of") from None
    left_out = [str(line) for line in arrays.pop("left_out")]
    return schema(**arrays), provenance, left_out
