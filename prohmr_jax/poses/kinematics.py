"""Computes rotations and positions of the 24 kinematic joints in NumPy and float64.

The modules that build banks of poses call it; `body` and `geometry.rotations` do the
same for training, in JAX. Rotation matrices act on column vectors. Y is up; at rest (in
a T-pose) left is +X and the face looks along +Z.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from prohmr_jax.skeleton import SMPL_24, SMPL_MIRROR, SMPL_PARENTS, mirror_name

# Joints at rest of an adult 1.69 m tall in SMPL's layout, metres, with the pelvis at
# the origin (rounded from the mean shape of the open body). They decide which places
# hands and feet can reach and which limbs collide, so that their exact values matter
# little.
_REST_XYZ = {
    "pelvis": (0.0, 0.0, 0.0),
    "spine1": (0.0, 0.111, -0.004),
    "spine2": (0.0, 0.192, -0.008),
    "spine3": (0.0, 0.317, -0.019),
    "neck": (0.0, 0.503, 0.02),
    "head": (0.0, 0.599, 0.054),
    "left_hip": (0.113, -0.055, 0.011),
    "left_knee": (0.14, -0.438, 0.01),
    "left_ankle": (0.157, -0.863, -0.002),
    "left_foot": (0.167, -0.913, 0.139),
    "left_collar": (0.085, 0.43, 0.033),
    "left_shoulder": (0.176, 0.435, 0.03),
    "left_elbow": (0.434, 0.435, 0.03),
    "left_wrist": (0.666, 0.435, 0.03),
    "left_hand": (0.766, 0.432, 0.022),
}


def _rest_joint(name: str) -> tuple[float, float, float]:
    if name in _REST_XYZ:
        return _REST_XYZ[name]
    x, y, z = _REST_XYZ[mirror_name(name)]
    return -x, y, z


REST_JOINTS = np.array([_rest_joint(name) for name in SMPL_24.names])
"""[24, 3], positions of the joints at rest, metres."""
REST_OFFSETS = REST_JOINTS - np.where(
    np.array(SMPL_PARENTS)[:, None] < 0, 0.0, REST_JOINTS[list(SMPL_PARENTS)]
)
"""[24, 3], position of each joint at rest relative to its parent, metres."""


def to_rotmat(axis_angle: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3 3"]:
    """Returns rotation matrices [*b, 3, 3] of axis-angles [*b, 3] in radians."""
    flat = Rotation.from_rotvec(np.reshape(axis_angle, (-1, 3))).as_matrix()
    return flat.reshape(*np.shape(axis_angle), 3)


def to_axis_angle(rotmat: Float[np.ndarray, "*b 3 3"]) -> Float[np.ndarray, "*b 3"]:
    """Returns axis-angles [*b, 3] in radians, at most pi, of matrices [*b, 3, 3]."""
    flat = Rotation.from_matrix(np.reshape(rotmat, (-1, 3, 3))).as_rotvec()
    return flat.reshape(np.shape(rotmat)[:-1])


def turn(axis: str, angle: np.ndarray | float) -> Float[np.ndarray, "*b 3 3"]:
    """Returns rotations [*b, 3, 3] about a coordinate axis.

    Args:
      axis: "x", "y" or "z".
      angle: [*b], radians.
    """
    angle = np.asarray(angle, dtype=np.float64)
    axis_angle = np.zeros((*angle.shape, 3))
    axis_angle[..., "xyz".index(axis)] = angle
    return to_rotmat(axis_angle)


def world_rotations(
    local: Float[np.ndarray, "*b 24 3 3"],
) -> Float[np.ndarray, "*b 24 3 3"]:
    """Returns the rotations of the joints relative to the world.

    Args:
      local: [*b, 24, 3, 3], rotations relative to the parent joints.
    """
    world = np.empty_like(local)
    for joint, parent in enumerate(SMPL_PARENTS):
        turned = local[..., joint, :, :]
        if parent >= 0:
            turned = world[..., parent, :, :] @ turned
        world[..., joint, :, :] = turned
    return world


def local_rotations(
    world: Float[np.ndarray, "*b 24 3 3"],
) -> Float[np.ndarray, "*b 24 3 3"]:
    """Returns the rotations of the joints relative to their parents.

    It is the inverse of `world_rotations`.

    Args:
      world: [*b, 24, 3, 3], rotations relative to the world.
    """
    parent_world = world[..., list(SMPL_PARENTS), :, :].copy()
    parent_world[..., SMPL_24.index("pelvis"), :, :] = np.eye(3)
    return np.swapaxes(parent_world, -1, -2) @ world


def joint_positions(
    world: Float[np.ndarray, "*b 24 3 3"],
    offsets: Float[np.ndarray, "24 3"] = REST_OFFSETS,
) -> Float[np.ndarray, "*b 24 3"]:
    """Returns joint positions [*b, 24, 3], metres, with the pelvis at the origin.

    Args:
      world: [*b, 24, 3, 3], rotations relative to the world.
      offsets: [24, 3], position of each joint at rest relative to its parent, metres.
    """
    joints = np.zeros(world.shape[:-1], dtype=world.dtype)
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            bone = world[..., parent, :, :] @ offsets[joint]
            joints[..., joint, :] = joints[..., parent, :] + bone
    return joints


def mirrored(axis_angle: Float[np.ndarray, "*b 24 3"]) -> Float[np.ndarray, "*b 24 3"]:
    """Returns the mirror images of poses [*b, 24, 3], axis-angle."""
    return axis_angle[..., list(SMPL_MIRROR), :] * np.array([1.0, -1.0, -1.0])


def split_heading(
    rotmat: Float[np.ndarray, "*b 3 3"],
) -> tuple[Float[np.ndarray, "*b"], Float[np.ndarray, "*b 3"]]:
    """Splits rotations into a swing and the turn about the vertical that follows it.

    Args:
      rotmat: [*b, 3, 3], rotations in a world with Y up.

    Returns:
      The heading [*b], an angle about +Y in [-pi, pi], and the swing [*b, 3], an
      axis-angle whose y component is 0, such that the rotation is
      `turn("y", heading) @ to_rotmat(swing)`. The heading of a body that is upside
      down is not unique; one of the valid headings is returned.
    """
    quaternion = Rotation.from_matrix(np.reshape(rotmat, (-1, 3, 3))).as_quat()
    x, y, z, w = quaternion.T
    heading = (2.0 * np.arctan2(y, w) + np.pi) % (2.0 * np.pi) - np.pi
    swing = turn("y", -heading) @ np.reshape(rotmat, (-1, 3, 3))
    swing = to_axis_angle(swing) * np.array([1.0, 0.0, 1.0])
    batch = np.shape(rotmat)[:-2]
    return heading.reshape(batch), swing.reshape(*batch, 3)


def unit(vector: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
    """Returns vectors [*b, 3] scaled to length 1; a zero vector stays zero."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.maximum(length, 1e-9)


def frame(
    along: Float[np.ndarray, "*#b 3"], toward: Float[np.ndarray, "*#b 3"]
) -> Float[np.ndarray, "*b 3 3"]:
    """Returns rotation matrices [*b, 3, 3] whose columns follow two directions.

    Args:
      along: [*b, 3], direction of the first column.
      toward: [*b, 3], direction that the third column approximates as well as it can.
    """
    along = unit(along)
    side = unit(np.cross(toward, along))
    return np.stack([along, side, np.cross(along, side)], axis=-1)


def shortest_turn(
    source: Float[np.ndarray, "*#b 3"], target: Float[np.ndarray, "*#b 3"]
) -> Float[np.ndarray, "*b 3 3"]:
    """Returns the smallest rotations [*b, 3, 3] that take one direction to another.

    Args:
      source: [*b, 3], any length.
      target: [*b, 3], any length, not opposite to the source.
    """
    source, target = np.broadcast_arrays(unit(source), unit(target))
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = np.sum(source * target, axis=-1, keepdims=True)
    return to_rotmat(unit(axis) * np.arctan2(sine, cosine))
