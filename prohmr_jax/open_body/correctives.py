"""Fits pose blend shapes that undo part of the volume loss of linear blend skinning.

`build` calls it. Linear blending lets a bent or twisted limb collapse, and dual
quaternion skinning (Kavan et al., ACM TOG 2008) keeps its girth. For each joint, the
difference between both, moved back to the rest pose, is fitted as a linear function of
the joint's rotation matrix minus the identity. Such functions are SMPL's pose blend
shapes.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import RigidTransform, Rotation

from prohmr_jax.open_body.kinematics import joint_transforms, skin
from prohmr_jax.open_body.random_poses import random_rotations
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

STRENGTH = 0.6
"""Share of the difference that is fitted; with dual quaternions alone, the outside of a
bend would bulge."""
RIDGE = 2.0
"""Weight of the squared coefficients in the fit."""
SAMPLES = 120
"""Number of rotations of each joint to which the fit is made."""
SMALLEST_OFFSET = 4e-4
"""Length below which offsets become zero, metres."""

_SIGNS = np.array([-1.0, 1.0, 1.0])
_FEATURE_SIGNS = np.outer(_SIGNS, _SIGNS).ravel()


def dual_quaternion_skin(
    vertices: Float[np.ndarray, "V 3"],
    weights: Float[np.ndarray, "V J"],
    rotations: Float[np.ndarray, "J 3 3"],
    translations: Float[np.ndarray, "J 3"],
) -> Float[np.ndarray, "V 3"]:
    """Returns vertices [V, 3] moved by dual quaternion skinning, metres.

    Args:
      vertices: [V, 3], at rest, metres.
      weights: [V, J], skinning weights.
      rotations: [J, 3, 3], rotations of the joints from rest to pose, world frame.
      translations: [J, 3], translations of the joints from rest to pose, metres.
    """
    transforms = RigidTransform.from_components(
        translations, Rotation.from_matrix(rotations)
    )
    dual = transforms.as_dual_quat(scalar_first=True)
    # q and -q are the same transform; for the mean, all must be on the root's side.
    dual *= np.where(dual[:, :4] @ dual[0, :4] < 0, -1.0, 1.0)[:, None]
    # SciPy normalises the weighted mean.
    blended = RigidTransform.from_dual_quat(weights @ dual, scalar_first=True)
    return blended.apply(vertices)


def joint_corrective(
    joint: int,
    vertices: Float[np.ndarray, "V 3"],
    joints: Float[np.ndarray, "24 3"],
    weights: Float[np.ndarray, "V 24"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "V 3 9"]:
    """Returns the offsets [V, 3, 9] of one joint, metres per entry of R minus identity.

    Args:
      joint: number in SMPL_24 of the joint with the rotation R; not that of the root.
      vertices: [V, 3], mean body at rest, metres.
      joints: [24, 3], joints of the mean body, metres.
      weights: [V, 24], skinning weights.
      rng: random generator for the rotations of the joint.
    """
    offsets = np.zeros((len(vertices), 3, 9))
    share = weights[:, joint]
    moved = np.flatnonzero((share > 0) & (share < 1))
    features, residuals = [], []
    for vector in random_rotations(SMPL_24.names[joint], SAMPLES, rng):
        pose = np.zeros_like(joints)
        pose[joint] = vector
        transforms = joint_transforms(joints, pose)
        linear = skin(vertices[moved], weights[moved], *transforms)
        wanted = dual_quaternion_skin(vertices[moved], weights[moved], *transforms)
        blended = np.tensordot(weights[moved], transforms[0], 1)
        step = STRENGTH * (wanted - linear)
        residuals.append(np.linalg.solve(blended, step[..., None])[..., 0])
        features.append((transforms[0][joint] - np.eye(3)).ravel())
    design = np.array(features)
    gram = design.T @ design + RIDGE * np.eye(9)
    flat = np.array(residuals).reshape(len(design), -1)
    fitted = np.linalg.solve(gram, design.T @ flat)
    offsets[moved] = fitted.reshape(9, len(moved), 3).transpose(1, 2, 0)
    return offsets


def pose_correctives(
    vertices: Float[np.ndarray, "V 3"],
    joints: Float[np.ndarray, "24 3"],
    weights: Float[np.ndarray, "V 24"],
    mirror: Int[np.ndarray, " V"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "V 3 207"]:
    """Returns pose blend shapes [V, 3, 207], metres, which are mirror-symmetric.

    Args:
      vertices: [V, 3], mirror-symmetric mean body at rest, metres.
      joints: [24, 3], joints of the mean body, metres.
      weights: [V, 24], skinning weights.
      mirror: [V], number of the mirror image of each vertex.
      rng: random generator for the rotations of the joints.
    """

    def reflected(offsets: np.ndarray) -> np.ndarray:
        return offsets[mirror] * _SIGNS[:, None] * _FEATURE_SIGNS

    blocks = np.zeros((len(SMPL_24), len(vertices), 3, 9))
    for joint, image in enumerate(SMPL_24.mirror):
        if SMPL_PARENTS[joint] < 0 or image < joint:
            continue
        offsets = joint_corrective(joint, vertices, joints, weights, rng)
        if image == joint:
            offsets = (offsets + reflected(offsets)) / 2
        blocks[image], blocks[joint] = reflected(offsets), offsets
    blocks[np.abs(blocks).max(-1) < SMALLEST_OFFSET] = 0
    return np.concatenate(blocks[1:], axis=-1)
