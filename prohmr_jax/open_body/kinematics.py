"""Merges MakeHuman's 163 bones into SMPL's 24 joints, and poses bodies.

The other modules of the package call it. It works in NumPy and float64.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from prohmr_jax.open_body.makehuman_files import Rig
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

# Bones that are merged into each joint, by the beginning of their names. The second
# table applies to both sides. All other bones belong to the face and go to the head.
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

HIP_INSET = 0.1
"""Share of the distance between the hips by which each is moved toward the other:
MakeHuman's hip joints are farther apart than SMPL's and real ones."""
MIN_WEIGHT = 0.004
"""Skinning weight below which it becomes zero."""
MAX_INFLUENCES = 4
"""Greatest number of joints that move a vertex."""


def driving_joint(bone: str) -> int:
    """Returns the number in SMPL_24 of the joint into which a bone is merged."""
    stem, _, side = bone.partition(".")
    for joint, prefixes in _MIDLINE.items():
        if stem.startswith(prefixes):
            return SMPL_24.index(joint)
    for joint, prefixes in _SIDED.items():
        if stem.startswith(prefixes):
            return SMPL_24.index(("left_" if side == "L" else "right_") + joint)
    return SMPL_24.index("head")


def joint_heads(rig: Rig) -> Float[np.ndarray, "24 B"]:
    """Returns the regressor [24, B] of SMPL's joints from the heads of the bones.

    A head is the end of a bone at its joint. Rows sum to 1.
    """

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


def merged_weights(
    rig: Rig, vertices: Int[np.ndarray, " V"]
) -> Float[np.ndarray, "V 24"]:
    """Returns skinning weights [V, 24] for SMPL's joints; rows sum to 1.

    Args:
      rig: MakeHuman's rig.
      vertices: [V], numbers of the vertices in the base mesh.
    """
    merge = np.zeros((len(rig.bones), len(SMPL_24)))
    merge[np.arange(len(rig.bones)), [driving_joint(b) for b in rig.bones]] = 1
    weights = rig.weights[vertices] @ merge
    weights[weights < MIN_WEIGHT] = 0
    # Equal weights are dropped together, so that left and right stay mirror images.
    faintest_dropped = np.sort(weights, axis=1)[:, [-MAX_INFLUENCES - 1]]
    weights[weights <= faintest_dropped] = 0
    return weights / weights.sum(1, keepdims=True)


def joint_transforms(
    joints: Float[np.ndarray, "24 3"], axis_angle: Float[np.ndarray, "24 3"]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the transforms of the joints from rest to a pose.

    Args:
      joints: [24, 3], positions at rest, metres.
      axis_angle: [24, 3], rotations relative to the parent joints, radians.

    Returns:
      World rotations [24, 3, 3] and translations [24, 3], metres.
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
    vertices: Float[np.ndarray, "V 3"],
    weights: Float[np.ndarray, "V J"],
    rotations: Float[np.ndarray, "J 3 3"],
    translations: Float[np.ndarray, "J 3"],
) -> Float[np.ndarray, "V 3"]:
    """Returns vertices [V, 3] moved by linear blend skinning, metres.

    Args:
      vertices: [V, 3], at rest, metres.
      weights: [V, J], skinning weights.
      rotations: [J, 3, 3], rotations of the joints from rest to pose, world frame.
      translations: [J, 3], translations of the joints from rest to pose, metres.
    """
    blended = np.tensordot(weights, rotations, 1)
    return np.einsum("vab,vb->va", blended, vertices) + weights @ translations
