"""Writes movements in the layout of AMASS (Mahmood et al., 2019), an `.npz` archive.

Programs for SMPL read it. The poses are those of the body that was fitted: with the
open body, another body of SMPL's layout has similar poses and other proportions.
"""

import os

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.files.motion.movement import Movement
from prohmr_jax.files.npz import write_npz
from prohmr_jax.skeleton import SMPL_24

# AMASS has Z up: (x, y, z) of mesh files becomes (x, -z, y).
Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Joints of SMPL+H without those of the fingers, and all of its joints.
_NUM_BODY_JOINTS, _NUM_JOINTS, _NUM_BETAS = 22, 52, 16

ENDING = "_amass.npz"
"""How names of these files end, by which they are told from results."""


def write_amass(path: str | os.PathLike, movement: Movement) -> None:
    """Writes `trans`, `poses`, `betas`, `mocap_framerate` and `gender`.

    `poses` is [T, 156], axis-angle in radians: the joints of SMPL up to the wrists,
    then the fingers at rest. `trans` is [T, 3], metres, Z up. `betas` has 16
    coefficients, filled up with zeros. Vertices are those of the body, plus `trans`.

    Args:
      path: file to write.
      movement: the poses.

    Raises:
      InputError: the file cannot be written.
    """
    rotmats = movement.rotmats.copy()
    root = SMPL_24.index("pelvis")
    rotmats[:, root] = Y_UP_TO_Z_UP @ rotmats[:, root]
    poses = np.zeros((len(movement), _NUM_JOINTS, 3))
    body = rotmats[:, :_NUM_BODY_JOINTS].reshape(-1, 3, 3)
    poses[:, :_NUM_BODY_JOINTS] = (
        Rotation.from_matrix(body).as_rotvec().reshape(len(movement), -1, 3)
    )
    betas = np.zeros(max(_NUM_BETAS, len(movement.skeleton.betas)))
    betas[: len(movement.skeleton.betas)] = movement.skeleton.betas
    # SMPL turns a body about its rest pelvis.
    trans = movement.root @ Y_UP_TO_Z_UP.T - movement.skeleton.joints[root]
    write_npz(
        path,
        {
            "trans": trans,
            "poses": poses.reshape(len(movement), -1),
            "betas": betas,
            "mocap_framerate": np.array(movement.frame_rate),
            "gender": np.array("neutral"),
        }.items(),
    )
