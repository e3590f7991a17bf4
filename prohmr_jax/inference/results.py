"""Writes and reads results: one `.npz` archive for each person.

`PersonResult` is the schema: each of its array fields is a member of the archive, and
`array_field` declares the shape and kind. `docs/result_files.md` describes it to
users. The demo writes results; `bulk_fitting.tables` declares its tables likewise.
"""

import dataclasses
import json
import os
from typing import Any

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.skeleton import BODY_25, JOINTS_44, SMPL_24

SCHEMA_VERSION = 1
"""Version of the schema; it rises when a member changes its name, shape or meaning."""
_VERSION = {"version": Expected((), "integer")}

_JOINTS, _KINEMATIC, _KEYPOINTS = len(JOINTS_44), len(SMPL_24), len(BODY_25)
# Names that readers without this package need. Reading compares them with ours.
_NAMES = {
    "joint_names": JOINTS_44.names,
    "kinematic_joint_names": SMPL_24.names,
    "keypoint_names": BODY_25.names,
}


def array_field(*shape: int | str, kind: str = "real", optional: bool = False) -> Any:
    """Returns a dataclass field that declares an array member of an archive.

    Args:
      *shape: size of each axis; axes with the same letter have the same size.
      kind: kind of the array's values, see `Expected`.
      optional: whether archives of older versions lack the member; the field is then
        None. Such a field is set by keyword alone.
    """
    metadata = {"expected": Expected(shape, kind, optional)}
    if optional:
        return dataclasses.field(metadata=metadata, default=None, kw_only=True)
    return dataclasses.field(metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Says which input, weights and body a result comes from; files without folders."""

    source: str
    """Name of the file with the detections."""
    person_index: int
    """Position in that file's list of people."""
    photo: str
    """Name of the photo: that of its file, or without a file the one that the
    detections state; empty where there is neither."""
    weights: str
    """Name of the weights file or directory."""
    weights_sha256: str
    """SHA-256 of the weights in memory, the same for every file format."""
    body: str
    """Name of the body file, or "open"."""
    body_sha256: str
    """SHA-256 of the body model in memory."""
    package_version: str
    """Version of this package."""
    seed: int
    """Seed of the samples."""
    image_id: str = ""
    """What the detections call the picture, a name or a number; empty if nothing."""
    frame: int = -1
    """Number of the video frame; -1 where the file is not of a video."""
    track_id: str = ""
    """Identity of the person across pictures, as the detections state it; empty if they
    state none."""

    def model_fields(self) -> dict[str, str]:
        """Returns the fields that all results of one model have in common."""
        names = "weights", "weights_sha256", "body", "body_sha256", "package_version"
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class PersonResult:
    """Holds the distribution of bodies of one person, NumPy; hypothesis 0 is the mode.

    The K hypotheses have the same shape and camera. Joints and vertices are in metres,
    in the axes of the camera (x right, y down, z forward), before `translation` is
    added. Pixels are those of the photo, with (0, 0) at the centre of the first one.
    """

    provenance: Provenance
    """Input, weights and body that the result comes from."""
    pose_rotmat: np.ndarray = array_field("K", _KINEMATIC, 3, 3)
    """Rotation matrices [K, 24, 3, 3] relative to the parents; the root turns body
    axes to camera axes."""
    pose_axis_angle: np.ndarray = array_field("K", _KINEMATIC, 3)
    """The same rotations as axis times angle, [K, 24, 3], radians."""
    betas: np.ndarray = array_field("S")
    """Shape coefficients [S]."""
    log_prob: np.ndarray = array_field("K")
    """Natural log-density [K] of the pose, in the model's 144 coordinates (6D)."""
    joints: np.ndarray = array_field("K", _JOINTS, 3)
    """Joints (JOINTS_44) [K, 44, 3], metres, camera axes."""
    kinematic_joints: np.ndarray = array_field("K", _KINEMATIC, 3)
    """Kinematic joints (SMPL_24) [K, 24, 3], metres, camera axes."""
    joints_2d_px: np.ndarray = array_field("K", _JOINTS, 2)
    """Joints [K, 44, 2], placed by `translation` and projected by `intrinsics`, in
    pixels."""
    joint_spread: np.ndarray = array_field(_JOINTS)
    """Spread [44] of `joints` over the samples, the mode left out, metres: the root
    mean square distance from their mean."""
    vertices: np.ndarray = array_field("V", 3)
    """Vertices [V, 3] of the mode, metres, camera axes."""
    vertex_spread: np.ndarray = array_field("V")
    """Spread [V] of the vertices over the samples, metres, as `joint_spread`."""
    faces: np.ndarray = array_field("F", 3, kind="integer")
    """Triangles [F, 3] of vertex numbers, counterclockwise from outside."""
    weak_camera: np.ndarray = array_field(3)
    """Camera [3] of the crop as the model predicts it: scale, x and y."""
    translation: np.ndarray = array_field(3)
    """Translation [3] of the body in front of the photo's camera, metres."""
    intrinsics: np.ndarray = array_field(3, 3)
    """Matrix K [3, 3] of the photo's camera, pixels."""
    box_center_px: np.ndarray = array_field(2)
    """Centre (x, y) of the square around the person, pixels."""
    box_size_px: np.ndarray = array_field()
    """Side of that square, pixels."""
    image_size_px: np.ndarray = array_field(2, kind="integer")
    """(width, height) of the photo, pixels; zeros where it is not known, and the
    camera then looks at the middle of the box."""
    keypoints_px: np.ndarray = array_field(_KEYPOINTS, 2)
    """Detected keypoints (BODY_25) [25, 2], pixels."""
    keypoint_confidence: np.ndarray = array_field(_KEYPOINTS)
    """Confidences [25] of the keypoints, in [0, 1]."""
    reprojection_percent: np.ndarray | None = array_field(optional=True)
    """Mean distance of the mode from the keypoints seen, percent of the side of the
    box; -1 if no keypoint was seen."""
    log_density: np.ndarray | None = array_field(optional=True)
    """Log-density of the mode minus its mean over samples; see
    `plausibility.log_density_of`."""
    largest_beta: np.ndarray | None = array_field(optional=True)
    """Largest absolute value of `betas`."""
    distance_m: np.ndarray | None = array_field(optional=True)
    """Depth of the body in front of the camera, metres."""
    stature_m: np.ndarray | None = array_field(optional=True)
    """Height of the body at rest, metres."""
    plausible: np.ndarray | None = array_field(kind="integer", optional=True)
    """1 if the body can be that of the person, 0 if not; `plausibility.judge`."""
    implausible_reason: np.ndarray | None = array_field(kind="text", optional=True)
    """Why the body is not plausible; empty if it is."""

    @property
    def is_implausible(self) -> bool:
        """Returns whether the body was judged, and found to be implausible."""
        return self.plausible is not None and not self.plausible

    @property
    def focal_length_px(self) -> np.ndarray:
        """Returns the focal lengths (fx, fy) of the photo's camera, pixels."""
        return np.diagonal(self.intrinsics)[:2]

    @property
    def principal_point_px(self) -> np.ndarray:
        """Returns the principal point (x, y) of the photo's camera, pixels."""
        return self.intrinsics[:2, 2]

    @property
    def placed_vertices(self) -> np.ndarray:
        """Returns the mode's vertices [V, 3] in front of the camera, metres."""
        return self.vertices + self.translation

    def seen(self, min_confidence: float) -> np.ndarray:
        """Returns which keypoints have more than a confidence, [25] bool."""
        return self.keypoint_confidence > min_confidence

    def reprojection_error(self, min_confidence: float) -> float:
        """Returns the mean distance of the mode from the keypoints seen, in box sides.

        It is NaN if no keypoint was seen.

        Args:
          min_confidence: confidence above which a keypoint counts as seen.
        """
        seen = self.seen(min_confidence)
        if not seen.any():
            return float("nan")
        offsets = self.joints_2d_px[0, :_KEYPOINTS] - self.keypoints_px
        return float(np.linalg.norm(offsets, axis=1)[seen].mean() / self.box_size_px)


def schema_members(schema: type) -> dict[str, Expected]:
    """Returns the members that the file of a schema must hold, by name.

    Args:
      schema: dataclass with fields made by `array_field`.
    """
    return {
        field.name: field.metadata["expected"]
        for field in dataclasses.fields(schema)
        if field.metadata
    }


def _extras() -> dict[str, Expected]:
    """Returns the members that are not arrays of a person: provenance and names."""
    names = {key: Expected((len(names),), "text") for key, names in _NAMES.items()}
    return {"provenance": Expected((), "text"), **names}


def write_result(path: str | os.PathLike, result: PersonResult) -> None:
    """Writes a result as a whole or not at all; equal results give equal bytes.

    Args:
      path: the `.npz` file to write; if writing fails, an existing file stays.
      result: the result.

    Raises:
      InputError: an array has another shape than the schema says or is not finite, or
        the file cannot be written.
    """
    checker = Checker(path)
    arrays = {}
    for name, expected in schema_members(PersonResult).items():
        if expected.optional and getattr(result, name) is None:
            continue
        array = np.asarray(getattr(result, name))
        checker.check_layout(name, array.shape, array.dtype, expected)
        checker.check_values(name, array)
        arrays[name] = array
    extras = {
        "version": np.array(SCHEMA_VERSION),
        "provenance": np.array(json.dumps(dataclasses.asdict(result.provenance))),
        **{key: np.array(names) for key, names in _NAMES.items()},
    }
    write_npz(path, {**extras, **arrays})


def read_result(path: str | os.PathLike) -> PersonResult:
    """Returns the result that a file holds.

    Raises:
      InputError: the file is missing or damaged, has another version of the schema, or
        is no result at all.
    """
    version = int(read_npz(path, _VERSION)["version"])
    if version != SCHEMA_VERSION:
        raise InputError(
            path, f"has version {version} of the schema, not {SCHEMA_VERSION}"
        )
    arrays = read_npz(path, {**schema_members(PersonResult), **_extras()})
    for key, names in _NAMES.items():
        if tuple(arrays.pop(key)) != names:
            raise InputError(path, f"{key} are not those of this version")
    provenance = _parse_provenance(path, str(arrays.pop("provenance")))
    return PersonResult(provenance=provenance, **arrays)


def _parse_provenance(path: str | os.PathLike, text: str) -> Provenance:
    try:
        fields = json.loads(text)
        provenance = Provenance(**fields)
    except (ValueError, TypeError, RecursionError):
        raise InputError(path, "has a damaged member provenance") from None
    wrong = [
        field.name
        for field in dataclasses.fields(Provenance)
        if type(getattr(provenance, field.name)) is not field.type
    ]
    if wrong:
        raise InputError(path, f"provenance: {wrong[0]} has the wrong type")
    return provenance
