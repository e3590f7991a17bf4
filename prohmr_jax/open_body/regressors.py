"""Fits sparse regressors of joints from the vertices of a mesh.

`build` and `extra_joints` call it. Each row is a convex combination of a few vertices,
fitted by non-negative least squares to many bodies. Rows of the left side are solved
and mirrored; rows of the midline give a vertex and its mirror image the same weight.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

from prohmr_jax.skeleton import SMPL_PARENTS, JointSet, mirror_name

JOINT_CANDIDATES = 200
"""Number of vertices that are considered for each kinematic joint."""
JOINT_REACH = 0.08
"""Distance over which the score of a vertex falls by a factor e, metres."""
JOINT_SUPPORT = 32
"""Greatest number of vertices in a row of the regressor of the kinematic joints."""
# Weight of the condition that a row sums to 1, relative to an error in metres.
_SUM_WEIGHT = 100.0
# Weight of the squared weights of a row, relative to squared errors in metres. It
# spreads the weight over many vertices; a joint that depends on few of them follows
# every dent there.
_SPREAD = 2e-3


@dataclasses.dataclass(frozen=True)
class Bodies:
    """Holds one mesh in S shapes or poses, with the joints to fit."""

    vertices: np.ndarray
    """[S, V, 3], vertices of the mesh, metres."""
    targets: np.ndarray
    """[S, J, 3], positions of the joints in the order of a joint set, metres."""


def convex_row(
    vertices: Float[np.ndarray, "S C 3"],
    target: Float[np.ndarray, "S 3"],
    candidates: Int[np.ndarray, " C"],
    support: int,
) -> Float[np.ndarray, " C"]:
    """Returns the weights [C] of candidates that place a joint best in all bodies.

    The weights are not negative and sum to 1.

    Args:
      vertices: [S, C, 3], positions of the candidates in S bodies, metres.
      target: [S, 3], position of the joint in each body, metres.
      candidates: [C], number of vertices that each candidate stands for: 2 for a
        mirrored pair, and else 1.
      support: greatest number of vertices whose weight is not zero.
    """
    offsets = (vertices - target[:, None]).swapaxes(1, 2).reshape(-1, len(candidates))
    scale = np.sqrt(len(target))
    kept = np.arange(len(candidates))
    while True:
        rows = np.concatenate(
            [
                offsets[:, kept],
                _SPREAD * scale * np.eye(len(kept)),
                _SUM_WEIGHT * scale * np.ones((1, len(kept))),
            ]
        )
        wanted = np.zeros(len(rows))
        wanted[-1] = _SUM_WEIGHT * scale
        weights, _ = nnls(rows, wanted)
        kept, weights = kept[weights > 0], weights[weights > 0]
        size = candidates[kept].sum()
        if size <= support:
            row = np.zeros(len(candidates))
            row[kept] = weights / weights.sum()
            return row
        # Only a few of the smallest weights are dropped before the others are fitted
        # again, so that these can adapt.
        excess = max(1, int(size - support) // (3 * candidates.max()))
        kept = np.sort(kept[np.argsort(-weights, kind="stable")[: len(kept) - excess]])


def fit_regressor(
    joints: JointSet,
    bodies: Bodies,
    scores: Float[np.ndarray, "J V"],
    mirror: Int[np.ndarray, " V"],
    num_candidates: int,
    support: int,
) -> Float[np.ndarray, "J V"]:
    """Returns a regressor [J, V] whose rows are convex, sparse and mirror-symmetric.

    Args:
      joints: joint set of the targets.
      bodies: the meshes and targets.
      scores: [J, V], suitability of each vertex for each joint; a vertex with 0 is not
        used.
      mirror: [V], number of the mirror image of each vertex.
      num_candidates: number of vertices with the highest scores that are considered.
      support: greatest number of vertices in a row.
    """
    regressor = np.zeros_like(scores)
    for j, name in enumerate(joints.names):
        if name.startswith("right_"):
            continue
        midline = mirror_name(name) == name
        score = scores[j] + scores[j, mirror] if midline else scores[j]
        best = np.argsort(-score, kind="stable")[:num_candidates]
        best = best[score[best] > 0]
        if midline:
            best = best[best <= mirror[best]]
        images = mirror[best] if midline else best
        points = (bodies.vertices[:, best] + bodies.vertices[:, images]) / 2
        sizes = 1 + (best != images)
        weights = convex_row(points, bodies.targets[:, j], sizes, support)
        np.add.at(regressor[j], best, weights / 2)
        np.add.at(regressor[j], images, weights / 2)
    for j, name in enumerate(joints.names):
        if name.startswith("right_"):
            regressor[j] = regressor[joints.index(mirror_name(name)), mirror]
    return regressor


def joint_scores(
    vertices: Float[np.ndarray, "V 3"],
    joints: Float[np.ndarray, "24 3"],
    weights: Float[np.ndarray, "V 24"],
) -> Float[np.ndarray, "24 V"]:
    """Returns scores [24, V] of the vertices for the kinematic joints.

    A vertex has a high score if it is near the joint and is moved by the joint and by
    its parent.

    Args:
      vertices: [V, 3], mean body at rest, metres.
      joints: [24, 3], kinematic joints of the mean body, metres.
      weights: [V, 24], skinning weights.
    """
    distance = np.linalg.norm(joints[:, None] - vertices, axis=-1)
    parents = [parent if parent >= 0 else 0 for parent in SMPL_PARENTS]
    return (weights * weights[:, parents]).T * np.exp(-distance / JOINT_REACH)
