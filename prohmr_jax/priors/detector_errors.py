"""Says where on a body a detector puts the joints of COCO_17, and how it errs.

Synthetic detections are drawn from it, and fits compare its joints with detections. The
numbers that ship were measured on rendered people by the mode "measure_detector"; the
page `docs/detector_errors.md` describes the model.

Each joint lies at a fixed offset from a joint of the body. The offset is the sum of two
parts, each fixed to the rest frame of one bone, in units of the length of a bone. So
the same numbers serve every body in SMPL's layout.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.assets import DETECTOR_ERRORS
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.geometry.forward_kinematics import forward_kinematics
from prohmr_jax.geometry.rotations import rotate
from prohmr_jax.skeleton import BODY_25, COCO_17, SMPL_24
from prohmr_jax.structs import Body

# Of each part of the body: the two bones that carry its offset, and the two joints of
# BODY_25 whose distance is the unit of the offset. A `*` is the side of the joint.
_FRAMES = {
    "nose": ("neck", "head", "left_ear", "right_ear"),
    "eye": ("neck", "head", "left_ear", "right_ear"),
    "ear": ("neck", "head", "left_ear", "right_ear"),
    "shoulder": ("spine3", "*_shoulder", "*_shoulder", "*_elbow"),
    "elbow": ("*_shoulder", "*_elbow", "*_shoulder", "*_elbow"),
    "wrist": ("*_elbow", "*_wrist", "*_elbow", "*_wrist"),
    "hip": ("pelvis", "*_hip", "*_hip", "*_knee"),
    "knee": ("*_hip", "*_knee", "*_hip", "*_knee"),
    "ankle": ("*_knee", "*_ankle", "*_knee", "*_ankle"),
}
PARTS = tuple(_FRAMES)
"""Parts of the body to which the joints of COCO_17 belong."""
PART_OF_17 = np.array([PARTS.index(name.split("_")[-1]) for name in COCO_17.names])
"""[17], number of the part of each joint."""
SIDE_OF_17 = np.array(
    [-1.0 if name.startswith("right_") else 1.0 for name in COCO_17.names]
)
"""[17], -1 for joints of the right side, on which offsets are mirrored; else 1."""


def _of_each_joint(column: int, names) -> np.ndarray:
    sided = (
        (_FRAMES[PARTS[part]][column], COCO_17.names[joint].split("_")[0])
        for joint, part in enumerate(PART_OF_17)
    )
    return np.array([names.index(name.replace("*", side)) for name, side in sided])


_BONES = np.stack([_of_each_joint(column, SMPL_24) for column in (0, 1)], axis=1)
_UNIT = np.stack([_of_each_joint(column, BODY_25) for column in (2, 3)], axis=1)
_BASE = np.array(COCO_17.positions_in(BODY_25))

# Groups of joints of which a detector exchanges left and right together.
_GROUPS = (("eye", "ear"), ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
GROUP_MASKS_17 = np.stack(
    [np.isin(PART_OF_17, [PARTS.index(part) for part in group]) for group in _GROUPS]
)
"""[3, 17], the joints of face, arms and legs."""
SEPARATION_EDGES = np.array([0.05, 0.1, 0.2])
"""Separations of the sides of a group, in sizes of the person, between the ranges in
which rates of exchanged sides were counted."""
STATES = ("in sight", "behind the body", "out of sight")
"""What can be seen of a joint; "out of sight" is behind an object or beyond the
picture."""


NORMAL_GRID = np.linspace(-3.0, 3.0, 25)
"""Values of a standard normal variable at which quantiles are kept."""


@struct.dataclass
class DetectorErrors:
    """Describes a detector of COCO_17.

    Errors are in units of the person's size, the greater extent of the projections of
    BODY_25 in x or y. S is the number of `STATES`. Scores of a joint in a state are
    divided into N bins, in each of which errors have an ellipse and a distribution of
    the distance from its middle. Scores and distances follow normal variables, by their
    Q quantiles at `NORMAL_GRID`; these variables are correlated over the joints.
    """

    offset: Float[Array, "17 2 3"]
    """Offsets in the rest frames of the two bones, bone lengths, body axes."""
    swap_rate: Float[Array, "F D 3"]
    """Probability that the sides of face, arms and legs are exchanged, for F equal
    ranges of the angle between the chest's front and the direction to the camera, from
    0 to pi, and D ranges of the separation of the sides."""
    swap_correlation: Float[Array, ""]
    """Correlation of the normal variables behind the exchanges of a person."""
    score_quantiles: Float[Array, "S 17 Q"]
    """Quantiles of the scores."""
    score_cholesky: Float[Array, "17 17"]
    """Lower triangular factor of the correlation of the scores' normal variables."""
    score_edges: Float[Array, "S 17 N-1"]
    """Scores between the bins, ascending."""
    bias: Float[Array, "S 17 N 2"]
    """Middle (x, y) of the errors."""
    ellipse: Float[Array, "S 17 N 2 2"]
    """Lower triangular factor of the covariance of usual errors."""
    radius_quantiles: Float[Array, "S 17 N Q"]
    """Quantiles of the distance of errors from their middle, in units of the ellipse;
    those of a Gaussian error would be those of a Rayleigh distribution."""
    radius_cholesky: Float[Array, "17 17"]
    """Lower triangular factor of the correlation of the distances' normal
    variables."""


def joint_frames(
    body: Body, rotmats: Float[Array, "*b 24 3 3"]
) -> tuple[Float[Array, "*b 17 3"], Float[Array, "*b 17 2 3 3"], Float[Array, "*b 17"]]:
    """Returns what places the offsets of the joints of COCO_17.

    Args:
      body: the posed body.
      rotmats: its rotations relative to the parents, the root's first.

    Returns:
      The joints of the body that have the names of COCO_17, metres; the rotations of
      the two bones of each from rest; and the length of its unit, metres.
    """
    bones, _ = forward_kinematics(jnp.zeros((24, 3), rotmats.dtype), rotmats)
    ends = body.joints[..., _UNIT, :]
    unit = jnp.linalg.norm(ends[..., 0, :] - ends[..., 1, :], axis=-1)
    return body.joints[..., _BASE, :], bones[..., _BONES, :, :], unit


def detector_joints(
    errors: DetectorErrors, body: Body, rotmats: Float[Array, "*b 24 3 3"]
) -> Float[Array, "*b 17 3"]:
    """Returns where the detector puts the joints of COCO_17, in the body's frame.

    Args:
      errors: the detector.
      body: the posed body, metres.
      rotmats: its rotations relative to the parents, the root's first.
    """
    base, bones, unit = joint_frames(body, rotmats)
    offset = jnp.sum(rotate(bones, errors.offset), axis=-2)
    return base + unit[..., None] * offset


def facing_angle(rotmats: Float[Array, "*b 24 3 3"]) -> Float[Array, "*b"]:
    """Returns the angle between the chest's front and the direction to the camera.

    It is 0 for a person who faces the camera and pi for one seen from behind.

    Args:
      rotmats: rotations relative to the parents; the root's turns the body frame to
        the camera frame.
    """
    bones, _ = forward_kinematics(jnp.zeros((24, 3), rotmats.dtype), rotmats)
    toward = -bones[..., SMPL_24.index("spine3"), 2, 2]
    return jnp.arccos(jnp.clip(toward, -1.0, 1.0))


def person_size(xy_25: Float[Array, "*b 25 2"]) -> Float[Array, "*b"]:
    """Returns the size of a person, in the unit of the true projections of BODY_25."""
    return jnp.max(jnp.max(xy_25, axis=-2) - jnp.min(xy_25, axis=-2), axis=-1)


def mirrored_xy(vector: Float[np.ndarray, "*b 17 2"]) -> Float[np.ndarray, "*b 17 2"]:
    """Returns vectors of the picture with x of the right side's joints negated."""
    return vector * np.stack([SIDE_OF_17, np.ones(len(COCO_17))], axis=-1)


# What a file holds: one row per part, for joints of the left side.
_P = len(PARTS)
_EXPECTED = {
    "offset": Expected((_P, 2, 3)),
    "swap_rate": Expected(("F", len(SEPARATION_EDGES) + 1, len(_GROUPS))),
    "swap_correlation": Expected(()),
    "score_quantiles": Expected((len(STATES), _P, len(NORMAL_GRID))),
    "score_cholesky": Expected((len(COCO_17), len(COCO_17))),
    "score_edges": Expected((len(STATES), _P, None)),
    "bias": Expected((len(STATES), _P, "N", 2)),
    "ellipse": Expected((len(STATES), _P, "N", 2, 2)),
    "radius_quantiles": Expected((len(STATES), _P, "N", len(NORMAL_GRID))),
    "radius_cholesky": Expected((len(COCO_17), len(COCO_17))),
}


def load_detector_errors(path: str | os.PathLike | None = None) -> DetectorErrors:
    """Returns the detector in a file.

    Args:
      path: the file; None for the detector that ships with the package.

    Raises:
      InputError: the file holds something else, or its numbers contradict each other.
    """
    path = DETECTOR_ERRORS if path is None else path
    arrays = read_npz(path, _EXPECTED)
    if arrays["score_edges"].shape[-1] != arrays["bias"].shape[-2] - 1:
        raise InputError(path, "has another number of score_edges than of bins")
    for name in "score_quantiles", "radius_quantiles":
        if np.any(np.diff(arrays[name], axis=-1) < 0) or np.any(arrays[name] < 0):
            raise InputError(path, f"has {name} that are negative or do not ascend")
    for name in "swap_rate", "swap_correlation":
        if np.min(arrays[name]) < 0 or np.max(arrays[name]) > 1:
            raise InputError(path, f"has numbers of {name} that are not in [0, 1]")
    return both_sides(arrays)


def save_detector_errors(path: str | os.PathLike, parts: dict[str, np.ndarray]) -> None:
    """Writes the arrays of a detector, one row per part and for the left side.

    Args:
      path: the file.
      parts: arrays by name, as `both_sides` takes them.
    """
    write_npz(path, {name: np.float32(array) for name, array in parts.items()})


def both_sides(parts: dict[str, np.ndarray]) -> DetectorErrors:
    """Returns the detector whose right side is the mirror image of its left side.

    Args:
      parts: the fields of `DetectorErrors` with one row per part instead of a row per
        joint, for joints of the left side; those that are not of joints are whole.
    """
    side = SIDE_OF_17
    ones = np.ones_like(side)
    flip_3d = np.stack([side, ones, ones], axis=-1)[:, None]
    flip_2d = np.stack([side, ones], axis=-1)[:, None]

    def each(name: str) -> np.ndarray:
        axis = 0 if name == "offset" else 1
        return np.take(np.asarray(parts[name], np.float32), PART_OF_17, axis=axis)

    # A mirrored covariance D C D has the factor D L D, which has a positive diagonal.
    flip_factor = flip_2d[..., None] * flip_2d[..., None, :]
    arrays = DetectorErrors(
        offset=each("offset") * flip_3d,
        swap_rate=parts["swap_rate"],
        swap_correlation=parts["swap_correlation"],
        score_quantiles=each("score_quantiles"),
        score_cholesky=parts["score_cholesky"],
        score_edges=each("score_edges"),
        bias=each("bias") * flip_2d,
        ellipse=each("ellipse") * flip_factor,
        radius_quantiles=each("radius_quantiles"),
        radius_cholesky=parts["radius_cholesky"],
    )
    return jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), arrays)


def swap_place(
    angle: Float[Array, "*b"], xy: Float[Array, "*b 17 2"], num_angles: int
) -> tuple[Int[Array, "*b 1"], Int[Array, "*b 3"]]:
    """Returns where in `swap_rate` the rates of the groups of a person are.

    Args:
      angle: as `facing_angle` returns it.
      xy: joints of COCO_17, sizes of the person.
      num_angles: number of ranges of the angle.
    """
    row = jnp.floor(angle / jnp.pi * num_angles).astype(int)
    apart = jnp.linalg.norm(xy - xy[..., np.array(COCO_17.mirror), :], axis=-1)
    widest = jnp.max(jnp.where(GROUP_MASKS_17, apart[..., None, :], 0.0), axis=-1)
    column = jnp.sum(widest[..., None] > SEPARATION_EDGES, axis=-1)
    return jnp.clip(row, 0, num_angles - 1)[..., None], column


def score_bin(
    errors: DetectorErrors, state: Int[Array, " 17"], score: Float[Array, " 17"]
) -> Int[Array, " 17"]:
    """Returns the bin of each joint's score, given its state."""
    edges = errors.score_edges[state, np.arange(len(COCO_17))]
    return jnp.sum(score[:, None] > edges, axis=-1)
