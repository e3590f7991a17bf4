"""Results on disk: one person is one `.npz`, with the same members every time.

The schema stands here once: each array field of `PersonResult` is a member of that
name, and `stored` says its shape and kind. `docs/results.md` is the same for users.
"""

import dataclasses
import json
import os

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.skeleton import BODY_25, JOINTS_44, SMPL_24

# Counted up whenever a member changes its meaning, its shape or its name.
SCHEMA_VERSION = 1
_VERSION = {"version": Expected((), "integer")}

_JOINTS, _KINEMATIC, _KEYPOINTS = len(JOINTS_44), len(SMPL_24), len(BODY_25)
# Written for those who read without this package; read back and compared.
_NAMES = {
    "joint_names": JOINTS_44.names,
    "kinematic_joint_names": SMPL_24.names,
    "keypoint_names": BODY_25.names,
}


def stored(*shape: int | str, kind: str = "real"):
    """Returns a field that is a member of the archive, of that shape and kind."""
    return dataclasses.field(metadata={"expected": Expected(shape, kind)})


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a result was made of, and by what; names of files, not their folders."""

    source: str
    """Name of the file with the detections."""
    person_index: int
    """Position in that file's list of people."""
    photo: str
    """Name of the photo; empty where there was none."""
    weights: str
    weights_sha256: str
    """Of the arrays in memory (`fingerprint`), so of any container alike."""
    body: str
    body_sha256: str
    package_version: str
    seed: int

    def of_model(self) -> dict[str, str]:
        """Returns what of it every result of the same model shares."""
        names = "weights", "weights_sha256", "body", "body_sha256", "package_version"
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class PersonResult:
    """The distribution of bodies of one person, NumPy; hypothesis 0 is the mode.

    K hypotheses share shape and camera. Joints and vertices are in metres, in the
    axes of the camera (x right, y down, z forward), before `translation` is added.
    Pixels are the photo's, (0, 0) the centre of the first one.
    """

    provenance: Provenance
    pose_rotmat: np.ndarray = stored("K", _KINEMATIC, 3, 3)
    """Rotations relative to the parents; the root's turns body to camera axes."""
    pose_axis_angle: np.ndarray = stored("K", _KINEMATIC, 3)
    """The same as axis times angle, radians."""
    betas: np.ndarray = stored("S")
    """Shape coefficients."""
    log_prob: np.ndarray = stored("K")
    """Natural log-density of the pose, in the model's 144 6D coordinates."""
    joints: np.ndarray = stored("K", _JOINTS, 3)
    kinematic_joints: np.ndarray = stored("K", _KINEMATIC, 3)
    joints_2d_px: np.ndarray = stored("K", _JOINTS, 2)
    """`joints`, placed by `translation` and projected by `intrinsics`."""
    joint_spread: np.ndarray = stored(_JOINTS)
    """Standard deviation of `joints` over the draws, the mode left out, metres."""
    vertices: np.ndarray = stored("V", 3)
    """Of the mode."""
    vertex_spread: np.ndarray = stored("V")
    """As `joint_spread`."""
    faces: np.ndarray = stored("F", 3, kind="integer")
    weak_camera: np.ndarray = stored(3)
    """Scale, x, y: the crop's camera as the model predicts it."""
    translation: np.ndarray = stored(3)
    """Of the body in front of the photo's camera, metres."""
    intrinsics: np.ndarray = stored(3, 3)
    """K of the photo's camera: focal lengths and principal point, pixels."""
    box_center_px: np.ndarray = stored(2)
    box_size_px: np.ndarray = stored()
    """Side of the square that the model looked at."""
    image_size_px: np.ndarray = stored(2, kind="integer")
    """(width, height); zeros where it is not known, the box is then in the middle."""
    keypoints_px: np.ndarray = stored(_KEYPOINTS, 2)
    """The detections, BODY_25."""
    keypoint_confidence: np.ndarray = stored(_KEYPOINTS)

    @property
    def focal_length_px(self) -> np.ndarray:
        """(fx, fy) of the photo's camera."""
        return np.diagonal(self.intrinsics)[:2]

    @property
    def principal_point_px(self) -> np.ndarray:
        """(x, y) of the photo's camera."""
        return self.intrinsics[:2, 2]

    @property
    def placed_vertices(self) -> np.ndarray:
        """[V, 3], the mode in front of the photo's camera, metres."""
        return self.vertices + self.translation

    def seen(self, min_confidence: float) -> np.ndarray:
        """Returns [25], the keypoints above a confidence."""
        return self.keypoint_confidence > min_confidence

    def reprojection_error(self, min_confidence: float) -> float:
        """Returns the mode's mean distance from the keypoints seen, in box sides.

        NaN where none is.
        """
        seen = self.seen(min_confidence)
        if not seen.any():
            return float("nan")
        offsets = self.joints_2d_px[0, :_KEYPOINTS] - self.keypoints_px
        return float(np.linalg.norm(offsets, axis=1)[seen].mean() / self.box_size_px)


def members(schema: type) -> dict[str, Expected]:
    """Returns the `stored` fields of a dataclass: what its file must hold."""
    return {
        field.name: field.metadata["expected"]
        for field in dataclasses.fields(schema)
        if field.metadata
    }


def _extras() -> dict[str, Expected]:
    """Members that are no arrays of a person: where it came from, and names."""
    names = {key: Expected((len(names),), "text") for key, names in _NAMES.items()}
    return {"provenance": Expected((), "text"), **names}


def write_result(path: str | os.PathLike, result: PersonResult) -> None:
    """Writes a result, atomically; equal results give equal bytes.

    Raises:
      InputError: an array has another shape than the schema says or is not finite, or
        the file cannot be written; a file that was there stays as it was.
    """
    checker = Checker(path)
    arrays = {}
    for name, expected in members(PersonResult).items():
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
      InputError: the file is missing or damaged, is of another version of the schema,
        or is no result at all.
    """
    version = int(read_npz(path, _VERSION)["version"])
    if version != SCHEMA_VERSION:
        raise InputError(
            path, f"has version {version} of the schema, not {SCHEMA_VERSION}"
        )
    arrays = read_npz(path, {**members(PersonResult), **_extras()})
    for key, names in _NAMES.items():
        if tuple(arrays.pop(key)) != names:
            raise InputError(path, f"{key} are others than those of this version")
    provenance = _parse_provenance(path, str(arrays.pop("provenance")))
    return PersonResult(provenance=provenance, **arrays)


def _parse_provenance(path: str | os.PathLike, text: str) -> Provenance:
    try:
        fields = json.loads(text)
        provenance = Provenance(**fields)
    except (ValueError, TypeError, RecursionError):
        raise InputError(path, "does not say what it was made of") from None
    wrong = [
        field.name
        for field in dataclasses.fields(Provenance)
        if type(getattr(provenance, field.name)) is not field.type
    ]
    if wrong:
        raise InputError(path, f"provenance: {wrong[0]} is of another type")
    return provenance
