"""Merges MakeHuman's 163 bones into SMPL's 24 joints, and poses the result."""

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.open_body.makehuman_files import Rig
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

# Which bones, by the beginning of their names, each joint drives. The sided ones are
# bones of both sides; the head takes the many bones of the face that are left.
_MIDLINE = {
    "pelvis": ("root", "pelvis", "spine05", "spine04"),
    "spine1": ("spine03",),
    "spine2": ("spine02", "breast"),
    "spine3": ("spine01",),
    "neck": ("neck",),
}
_SIDED = {
    "hip": ("upperleg",),
    "knee": ("lowerleg",),
    "ankle": ("foot",),
    "foot": ("toe",),
    "collar": ("clavicle", "shoulder"),
    "shoulder": ("upperarm",),
    "elbow": ("lowerarm",),
    "wrist": ("wrist", "metacarpal", "finger1"),
    "hand": ("finger",),
}
_TOE_BASES = tuple(f"toe{i}-1" for i in range(1, 6))
_FINGER_BASES = tuple(f"finger{i}-1" for i in range(2, 6))
_SIDE_SUFFIX = {"left_": ".L", "right_": ".R"}

# MakeHuman sets the hip joints wide; SMPL's, and real ones, are nearer to each other.
HIP_INSET = 0.1

MIN_WEIGHT = 0.004
MAX_INFLUENCES = 4


def driving_joint(bone: str) -> int:
    """Returns the SMPL joint that a bone of the default rig is merged into."""
    stem, _, side = bone.partition(".")
    for joint, prefixes in _MIDLINE.items():
        if stem.startswith(prefixes):
            return SMPL_24.index(joint)
    for joint, prefixes in _SIDED.items():
        if stem.startswith(prefixes):
            return SMPL_24.index(("left_" if side == "L" else "right_") + joint)
    return SMPL_24.index("head")


def joint_heads(rig: Rig) -> np.ndarray:
    """Returns [24, B], SMPL's joints as affine combinations of the bones' heads."""

    def mean(*names: str) -> np.ndarray:
        row = np.zeros(len(rig.bones))
        row[[rig.bones.index(name) for name in names]] = 1 / len(names)
        return row

    rows = {
        "pelvis": mean("spine05", "spine04"),
        "spine1": mean("spine03"),
        "spine2": mean("spine02"),
        "spine3": mean("spine01"),
        "neck": mean("neck01"),
        "head": mean("head"),
    }
    for prefix, side in _SIDE_SUFFIX.items():
        other = ".R" if side == ".L" else ".L"
        hip, far_hip = mean("upperleg01" + side), mean("upperleg01" + other)
        clavicle, arm = mean("clavicle" + side), mean("upperarm01" + side)
        rows |= {
            prefix + "hip": (1 - HIP_INSET) * hip + HIP_INSET * far_hip,
            prefix + "knee": mean("lowerleg01" + side),
            prefix + "ankle": mean("foot" + side),
            prefix + "foot": mean(*(toe + side for toe in _TOE_BASES)),
            prefix + "collar": 0.6 * clavicle + 0.4 * arm,
            prefix + "shoulder": arm,
            prefix + "elbow": mean("lowerarm01" + side),
            prefix + "wrist": mean("wrist" + side),
            prefix + "hand": mean(*(finger + side for finger in _FINGER_BASES)),
        }
    return np.stack([rows[name] for name in SMPL_24.names])


def merged_weights(rig: Rig, vertices: np.ndarray) -> np.ndarray:
    """Returns skinning weights [V, 24] of the chosen base vertices, rows sum to 1."""
    merge = np.zeros((len(rig.bones), len(SMPL_24)))
    merge[np.arange(len(rig.bones)), [driving_joint(b) for b in rig.bones]] = 1
    weights = rig.weights[vertices] @ merge
    weights[weights < MIN_WEIGHT] = 0
    # Of equal weights, the mirror image must drop the mirror image: both or none.
    faintest_dropped = np.sort(weights, axis=1)[:, [-MAX_INFLUENCES - 1]]
    weights[weights <= faintest_dropped] = 0
    return weights / weights.sum(1, keepdims=True)


def joint_transforms(
    joints: np.ndarray, axis_angle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns world rotations [24, 3, 3] and translations [24, 3] from rest to pose.

    Args:
      joints: [24, 3], metres, at rest.
      axis_angle: [24, 3], each joint relative to its parent.
    """
    local = Rotation.from_rotvec(axis_angle).as_matrix()
    world, posed = local.copy(), joints.copy()
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            world[joint] = world[parent] @ local[joint]
            step = world[parent] @ (joints[joint] - joints[parent])
            posed[joint] = posed[parent] + step
    return world, posed - np.einsum("jab,jb->ja", world, joints)


def skin(
    vertices: np.ndarray,
    weights: np.ndarray,
    rotations: np.ndarray,
    translations: np.ndarray,
) -> np.ndarray:
    """Returns vertices [V, 3] moved by linear blend skinning.

    Args:
      vertices: [V, 3], at rest.
      weights: [V, J].
      rotations: [J, 3, 3].
      translations: [J, 3].
    """
    blended = np.tensordot(weights, rotations, 1)
    return np.einsum("vab,vb->va", blended, vertices) + weights @ translations
