"""Sparse regressors of the 24 kinematic joints and of the 19 extra joints.

Each row is a convex combination of a few vertices, found by non-negative least
squares over many bodies. The left side is solved and mirrored; rows of the midline
give a vertex and its mirror image the same weight.
"""

import dataclasses

import numpy as np
from scipy.optimize import nnls

from prohmr_jax.open_body.kinematics import joint_transforms, skin
from prohmr_jax.skeleton import EXTRA_19, SMPL_24, SMPL_PARENTS, JointSet, mirror_name

JOINT_CANDIDATES = 200
JOINT_REACH = 0.08
JOINT_SUPPORT = 32
EXTRA_CANDIDATES = 500
EXTRA_SUPPORT = 12
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


def extra_targets(
    vertices: np.ndarray, joints: np.ndarray, nose: int, crown: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the extra joints [S, 19, 3] at rest, and the joints [19] that move them.

    Limb joints are the centres of the kinematic joints. The hips are set lower and
    wider, like those of motion capture; the pelvis lies between them, the thorax at
    the height of the shoulders, the spine half way between both.

    Args:
      vertices: [S, V, 3], bodies at rest, metres.
      joints: [S, 24, 3], their kinematic joints.
      nose: vertex at the tip of the nose.
      crown: vertex at the top of the head.
    """

    def at(name: str) -> np.ndarray:
        return joints[:, SMPL_24.index(name)]

    def between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
        return (1 - share) * a + share * b

    shoulders = between(at("left_shoulder"), at("right_shoulder"), 0.5)
    places: dict[str, tuple[np.ndarray, str]] = {}
    for side, other in (("left", "right"), ("right", "left")):
        for part in ("ankle", "knee", "wrist", "elbow", "shoulder"):
            name = f"{side}_{part}"
            places[name + "_extra"] = at(name), name
        wide = between(at(f"{side}_hip"), at(f"{other}_hip"), -0.125)
        low = 0.05 * (at(f"{side}_knee") - at(f"{side}_hip"))
        places[f"{side}_hip_extra"] = wide + low, "pelvis"
    hips = between(places["left_hip_extra"][0], places["right_hip_extra"][0], 0.5)
    pelvis = between(hips, at("pelvis"), 0.2)
    thorax = between(shoulders, at("neck"), 0.2)
    places |= {
        "pelvis_mpii": (pelvis, "pelvis"),
        "spine_h36m": (between(pelvis, thorax, 0.48), "spine2"),
        "thorax_mpii": (thorax, "spine3"),
        "neck_lsp": (between(shoulders, at("neck"), 0.75), "spine3"),
        "jaw_h36m": (between(at("neck"), vertices[:, nose], 0.45), "head"),
        "head_h36m": (between(at("head"), vertices[:, crown], 0.55), "head"),
        "head_top_lsp": (vertices[:, crown], "head"),
    }
    points = np.stack([places[name][0] for name in EXTRA_19.names], 1)
    return points, np.array(SMPL_24.indices(*(places[n][1] for n in EXTRA_19.names)))


def posed_extra_bodies(
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    extra: np.ndarray,
    movers: np.ndarray,
    poses: np.ndarray,
) -> Bodies:
    """Returns every shape at rest and in a pose of its own, with its extra joints.

    Args:
      vertices: [S, V, 3], at rest.
      joints: [S, 24, 3], at rest.
      weights: [V, 24].
      extra: [S, 19, 3], at rest.
      movers: [19], the kinematic joint that each extra joint moves with.
      poses: [P, 24, 3], axis-angle; pose p is given to shape p modulo S.
    """
    posed, targets = list(vertices), list(extra)
    for index, pose in enumerate(poses):
        shape = index % len(vertices)
        rotations, shifts = joint_transforms(joints[shape], pose)
        posed.append(skin(vertices[shape], weights, rotations, shifts))
        turned = np.einsum("jab,jb->ja", rotations[movers], extra[shape])
        targets.append(turned + shifts[movers])
    return Bodies(np.stack(posed), np.stack(targets))


def extra_scores(vertices: np.ndarray, extra: np.ndarray, crown: int) -> np.ndarray:
    """Returns [19, V]: near the joint; the top of the head is the crown alone."""
    distance = np.linalg.norm(extra[:, None] - vertices, axis=-1)
    scores = np.exp(-distance / JOINT_REACH)
    top = EXTRA_19.index("head_top_lsp")
    scores[top] = np.arange(len(vertices)) == crown
    return scores
