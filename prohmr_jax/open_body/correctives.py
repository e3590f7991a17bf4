"""Pose blend shapes that undo part of the volume loss of linear blend skinning.

Dual quaternion skinning (Kavan et al., ACM TOG 2008) keeps the girth of a bent or
twisted limb, where linear blending lets it collapse. Per joint, the difference
between both, at rest, is fitted as a linear function of the joint's rotation matrix
minus the identity, which is what SMPL's pose blend shapes are.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.open_body.kinematics import joint_transforms, skin
from prohmr_jax.open_body.random_poses import random_rotations
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

# Dual quaternions bulge at the outside of a bend; a part of them looks best.
STRENGTH = 0.6
RIDGE = 2.0
SAMPLES = 120
SMALLEST_OFFSET = 4e-4

_SIGNS = np.array([-1.0, 1.0, 1.0])
_FEATURE_SIGNS = np.outer(_SIGNS, _SIGNS).ravel()


def _quaternion_product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions [*batch, 4], scalar first."""
    pw, pv, qw, qv = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    scalar = pw * qw - (pv * qv).sum(-1, keepdims=True)
    return np.concatenate([scalar, pw * qv + qw * pv + np.cross(pv, qv)], -1)


def dual_quaternion_skin(
    vertices: np.ndarray,
    weights: np.ndarray,
    rotations: np.ndarray,
    translations: np.ndarray,
) -> np.ndarray:
    """Returns vertices [V, 3] moved by dual quaternion skinning.

    Args:
      vertices: [V, 3], at rest.
      weights: [V, J].
      rotations: [J, 3, 3].
      translations: [J, 3].
    """
    real = Rotation.from_matrix(rotations).as_quat(scalar_first=True)
    # q and -q are the same rotation: all take the root's side.
    real *= np.where(real @ real[0] < 0, -1.0, 1.0)[:, None]
    zero = np.zeros_like(translations[:, :1])
    dual = _quaternion_product(np.concatenate([zero, translations], 1), real) / 2
    real, dual = weights @ real, weights @ dual
    norm = np.linalg.norm(real, axis=1, keepdims=True)
    real, dual = real / norm, dual / norm
    conjugate = real * [1.0, -1.0, -1.0, -1.0]
    shift = 2 * _quaternion_product(dual, conjugate)[:, 1:]
    matrices = Rotation.from_quat(real, scalar_first=True)
    return matrices.apply(vertices) + shift


def joint_corrective(
    joint: int,
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns offsets [V, 3, 9] per entry of one joint's rotation minus identity.

    Args:
      joint: which of the 24; not the root.
      vertices: [V, 3], mean body at rest.
      joints: [24, 3], its joints.
      weights: [V, 24], skinning weights.
      rng: source of the sampled rotations.
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
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    mirror: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns pose blend shapes [V, 3, 207] that mirror left and right.

    Args:
      vertices: [V, 3], mean body at rest, mirror-symmetric.
      joints: [24, 3], its joints.
      weights: [V, 24], skinning weights.
      mirror: [V], mirror image of each vertex.
      rng: source of the sampled rotations.
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
