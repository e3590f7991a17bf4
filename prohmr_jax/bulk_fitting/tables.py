"""Writes and reads the table of a bulk fit: one `.npz` archive of all people.

The dataclasses here are the schema: each field is a member of the archive. Members that
`inference.results.PersonResult` has as well mean the same, for each person.
`docs/fit.md` describes the table to users.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.inference.results import array_field, schema_members
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.skeleton import JOINTS_44, SMPL_24
from prohmr_jax.solver.problem import Reason

TABLE_VERSION = 1
"""Version of the schema; it rises when a member changes its name, shape or meaning."""
_NUM_JOINTS, _NUM_KINEMATIC = len(JOINTS_44), len(SMPL_24)
# The joints of a million people take half a gigabyte.
_MAX_MEMBER_BYTES = 1 << 40
_EXTRA_MEMBERS = {
    "version": np.array(TABLE_VERSION),
    "joint_names": np.array(JOINTS_44.names),
    "kinematic_joint_names": np.array(SMPL_24.names),
    "reason_names": np.array([reason.words for reason in Reason]),
}


@dataclasses.dataclass(frozen=True)
class FitTable:
    """Holds P people before and after their fits, NumPy; `fit_*` is after the fit.

    Bodies are in metres and camera axes, before the translation is added. Positions of
    keypoints are in pixels of the photo. K hypotheses come before the fit, the mode
    first; S is the number of shape coefficients.
    """

    source: np.ndarray = array_field("P", kind="text")
    """File of the detections, relative to the input, or name of the dataset, [P]."""
    person_index: np.ndarray = array_field("P", kind="integer")
    """Position in that file's list of people, or number of the record, [P]."""
    frame: np.ndarray = array_field("P", kind="integer")
    """Number of the video frame, [P]; -1 where the file is not of a video."""
    photo: np.ndarray = array_field("P", kind="text")
    """Name of the photo, [P]: that of its file, or without a file the one that the
    detections state; empty where there is neither."""
    image_id: np.ndarray | None = array_field("P", kind="text", optional=True)
    """What the detections call the picture, [P], a name or a number; empty if nothing.
    None in a table of an older version."""
    track_id: np.ndarray | None = array_field("P", kind="text", optional=True)
    """Identity of the person across pictures, as the detections state it, [P]; empty
    if they state none. None in a table of an older version."""
    keypoints_px: np.ndarray = array_field("P", _NUM_JOINTS, 2)
    """Keypoints (JOINTS_44) that bodies were fitted to, [P, 44, 2], pixels."""
    keypoint_confidence: np.ndarray = array_field("P", _NUM_JOINTS)
    """Confidence of these keypoints, [P, 44], in [0, 1]."""
    image_size_px: np.ndarray = array_field("P", 2, kind="integer")
    """(width, height) of the photo, [P, 2], pixels; zeros where it is not known."""
    box_center_px: np.ndarray = array_field("P", 2)
    """Centre of the square around the person, [P, 2], pixels."""
    box_size_px: np.ndarray = array_field("P")
    """Side of that square, [P], pixels."""
    intrinsics: np.ndarray = array_field("P", 3, 3)
    """Matrix K of the camera that both bodies stand in front of, [P, 3, 3], pixels."""
    pose_axis_angle: np.ndarray = array_field("P", "K", _NUM_KINEMATIC, 3)
    """Poses before the fit, [P, K, 24, 3], radians; the root turns body axes to camera
    axes."""
    log_prob: np.ndarray = array_field("P", "K")
    """Natural log-density of these poses, [P, K]."""
    joints: np.ndarray = array_field("P", "K", _NUM_JOINTS, 3)
    """Joints (JOINTS_44) before the fit, [P, K, 44, 3], metres, camera axes."""
    betas: np.ndarray = array_field("P", "S")
    """Shape coefficients before the fit, [P, S]."""
    translation: np.ndarray = array_field("P", 3)
    """Translation that places these bodies in front of the camera, [P, 3], metres."""
    fit_z: np.ndarray = array_field("P", POSE_FEATURES)
    """Latent vector of the fitted pose, [P, 144]."""
    fit_pose_axis_angle: np.ndarray = array_field("P", _NUM_KINEMATIC, 3)
    """Fitted poses, [P, 24, 3], radians."""
    fit_log_prob: np.ndarray = array_field("P")
    """Natural log-density of the fitted poses, [P]."""
    fit_joints: np.ndarray = array_field("P", _NUM_JOINTS, 3)
    """Joints (JOINTS_44) of the fitted bodies, [P, 44, 3], metres, camera axes."""
    fit_betas: np.ndarray = array_field("P", "S")
    """Fitted shape coefficients, [P, S]."""
    fit_translation: np.ndarray = array_field("P", 3)
    """Translation that places the fitted bodies, [P, 3], metres, camera axes."""
    fit_start_loss: np.ndarray = array_field("P")
    """Objective (Eq. 11) of the mode, [P]."""
    fit_loss: np.ndarray = array_field("P")
    """Objective (Eq. 11) of the fit, [P]."""
    fit_steps: np.ndarray = array_field("P", kind="integer")
    """Number of accepted steps, [P]."""
    fit_evaluations: np.ndarray = array_field("P", kind="integer")
    """Number of evaluations of the objective and its gradient, [P]."""
    fit_reason: np.ndarray = array_field("P", kind="integer")
    """How the fit ended, [P]: a `Reason`, and an index into `reason_names`."""
    fit_reprojection_percent: np.ndarray | None = array_field("P", optional=True)
    """Mean distance of the fitted body from the keypoints seen, [P], percent of the
    side of the box; -1 if no keypoint was seen. This and the members below are None in
    a table of an older version."""
    fit_log_density: np.ndarray | None = array_field("P", optional=True)
    """Log-density of the fitted pose minus its mean over samples, [P]; see
    `plausibility.log_density_of`."""
    fit_largest_beta: np.ndarray | None = array_field("P", optional=True)
    """Largest absolute value of the fitted shape coefficients, [P]."""
    fit_distance_m: np.ndarray | None = array_field("P", optional=True)
    """Depth of the fitted body in front of the camera, [P], metres."""
    fit_stature_m: np.ndarray | None = array_field("P", optional=True)
    """Height of the fitted body at rest, [P], metres."""
    fit_plausible: np.ndarray | None = array_field("P", kind="integer", optional=True)
    """1 if the fitted body can be that of the person, 0 if not, [P]; see
    `plausibility.judge`."""
    fit_implausible_reason: np.ndarray | None = array_field(
        "P", kind="text", optional=True
    )
    """Why the fitted body is not plausible, [P]; empty if it is."""


def checked_columns(
    path: str | os.PathLike, schema: type, columns: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the columns of a table in the order of its schema, floats as float32.

    Args:
      path: the file that error messages name.
      schema: dataclass of the table.
      columns: columns by name; those that the schema does not have are dropped.

    Raises:
      InputError: an array has another shape than the schema says, or is not finite.
    """
    checker, in_order = Checker(path), {}
    for name, expected in schema_members(schema).items():
        array = np.asarray(columns[name])
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        checker.check_layout(name, array.shape, array.dtype, expected)
        checker.check_values(name, array)
        in_order[name] = array
    return in_order


def write_table(
    path: str | os.PathLike,
    provenance: Mapping[str, str],
    left_out: Iterable[str],
    columns: Iterable[tuple[str, np.ndarray]],
) -> None:
    """Writes a table as a whole or not at all; equal tables give equal bytes.

    Args:
      path: the `.npz` file to write.
      provenance: input, weights, body and settings that the table depends on.
      left_out: one line for each person or file that could not be used.
      columns: name and array of each column, as `checked_columns` returns them; only
        one column is in memory at a time.

    Raises:
      InputError: the file cannot be written.
    """

    def members() -> Iterator[tuple[str, np.ndarray]]:
        yield from _EXTRA_MEMBERS.items()
        yield "provenance", np.array(json.dumps(dict(provenance)))
        yield "left_out", np.array(list(left_out), dtype=np.str_)
        yield from columns

    write_npz(path, members())


def read_table(
    path: str | os.PathLike, schema: type = FitTable
) -> tuple[Any, dict[str, str], list[str]]:
    """Returns the table of a file, its provenance, and the lines on who was left out.

    Args:
      path: the `.npz` file.
      schema: dataclass of the table: `FitTable`, `ViewsTable` or `WorldTable`.

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
            **schema_members(schema),
        },
        max_member_bytes=_MAX_MEMBER_BYTES,
    )
    try:
        provenance = json.loads(str(arrays.pop("provenance")))
    except ValueError:
        raise InputError(path, "has a damaged member provenance") from None
    left_out = [str(line) for line in arrays.pop("left_out")]
    return schema(**arrays), provenance, left_out
