"""Sparse regressors of joints from the vertices of a mesh.

Each row is a convex combination of a few vertices, found by non-negative least
squares over many bodies. The left side is solved and mirrored; rows of the midline
give a vertex and its mirror image the same weight.
"""

import dataclasses

import numpy as np
from scipy.optimize import nnls

from prohmr_jax.skeleton import SMPL_PARENTS, JointSet, mirror_name

JOINT_CANDIDATES = 200
JOINT_REACH = 0.08
JOINT_SUPPORT = 32
# Weight of "the row sums to 1" against metres of error.
_SUM_WEIGHT = 100.0
# Metres of error that a row gives up to spread its weight: a few vertices that carry
# all of it would follow every dent of the skin.
_SPREAD = 2e-3


@dataclasses.dataclass(frozen=True)
class Bodies:
    """One mesh in S shapes or poses, with joints to be regressed from it."""

    vertices: np.ndarray
    """[S, V, 3], metres."""
    targets: np.ndarray
    """[S, J, 3], metres, in the order of a joint set."""


def convex_row(
    vertices: np.ndarray, target: np.ndarray, candidates: np.ndarray, support: int
) -> np.ndarray:
    """Returns weights [C] >= 0 with sum 1 that place a joint best over all bodies.

    Args:
      vertices: [S, C, 3], the candidates in S bodies, metres.
      target: [S, 3], the joint in each body, metres.
      candidates: [C], how many vertices each stands for (2 for a mirrored pair).
      support: how many vertices may have weight.
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
        # Dropping the faintest few at a time leaves room for the others to adapt.
        excess = max(1, int(size - support) // (3 * candidates.max()))
        kept = np.sort(kept[np.argsort(-weights, kind="stable")[: len(kept) - excess]])


def fit_regressor(
    joints: JointSet,
    bodies: Bodies,
    scores: np.ndarray,
    mirror: np.ndarray,
    num_candidates: int,
    support: int,
) -> np.ndarray:
    """Returns a regressor [J, V]: rows are convex, sparse and mirror each other.

    Args:
      joints: names of the targets.
      bodies: what to fit.
      scores: [J, V], how fit each vertex is to carry each joint; 0 excludes it.
      mirror: [V], mirror image of each vertex.
      num_candidates: how many of the best-scored vertices are considered.
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
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns [24, V]: near the joint, and moved by both of the bones it connects."""
    distance = np.linalg.norm(joints[:, None] - vertices, axis=-1)
    parents = [parent if parent >= 0 else 0 for parent in SMPL_PARENTS]
    return (weights * weights[:, parents]).T * np.exp(-distance / JOINT_REACH)
