"""Names the joints on which a protocol measures errors, and finds who lacks them.

The evaluations call it, and `tools/make_dataset.py` tells with it what a new dataset
can be used for.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.skeleton import (
    EVAL_H36M_14,
    EVAL_H36M_17,
    EXTRA_19,
    JOINTS_44,
    JointSet,
)

# The list of the official ProHMR for MPI-INF-3DHP: the top of the head as LSP has it.
_MPI_INF_17 = JointSet(
    "MPI_INF_17",
    EXTRA_19.names[: EXTRA_19.index("pelvis_mpii") + 1] + ("spine_h36m", "jaw_h36m"),
)

EVALUATED_JOINTS: Mapping[str, JointSet] = {
    "h36m_14": EVAL_H36M_14,
    "h36m_17": EVAL_H36M_17,
    "mpi_inf_17": _MPI_INF_17,
}
"""Joints by the name that configs give to the list."""


def has_joints(
    confidence: Float[np.ndarray, "*b 44"], joints: JointSet
) -> Bool[np.ndarray, "*b"]:
    """Returns whether all joints of a list and the pelvis have a label.

    The pelvis is needed because errors are relative to it, in every list.

    Args:
      confidence: confidence of the labels of JOINTS_44.
      joints: the list.
    """
    return (np.asarray(confidence)[..., _needed(joints)] > 0).all(axis=-1)


def describe_missing(confidence: Float[np.ndarray, "N 44"], joints: JointSet) -> str:
    """Returns how many people lack the label of each joint, or an empty text.

    Args:
      confidence: confidence of the labels of JOINTS_44.
      joints: the list whose joints, and the pelvis, are needed.
    """
    needed = _needed(joints)
    lacking = np.sum(np.asarray(confidence)[:, needed] <= 0, axis=0)
    names = [JOINTS_44.names[joint] for joint in needed]
    if lacking.size and lacking.min() > 0 and lacking.min() == lacking.max():
        return f"{lacking[0]} lack the 3D labels of all {len(needed)} joints"
    counts = [
        f"{number} lack the 3D label of {name}"
        for name, number in zip(names, lacking.tolist(), strict=True)
        if number
    ]
    return ", ".join(counts)


def _needed(joints: JointSet) -> list[int]:
    return sorted({*joints.positions_in(JOINTS_44), skeleton.PELVIS_44})
