"""The 19 extra joints of the open body: where they lie, and their regressor.

`build` calls `fit_extra_regressor`. The joints that Human3.6M records form its
skeleton: on the mean body, the lengths of their bones relative to thigh plus shank are
those that Human3.6M publishes for its subject 1. The other joints follow MPII and LSP.
"""

import numpy as np

from prohmr_jax.open_body.kinematics import joint_transforms, skin
from prohmr_jax.open_body.regressors import Bodies, fit_regressor
from prohmr_jax.skeleton import EXTRA_19, SMPL_24

# Names the places below; a file of a body holds it as `joint_definition`.
JOINT_DEFINITION = "h36m-2"

NUM_CANDIDATES = 500
SUPPORT = 12
# Metres over which a vertex loses its fitness to carry a joint.
REACH = 0.08

# Human3.6M's hips lie higher and farther apart than the centres of the hip joints.
# Shares of the vector between the two hips, and of the vector from knee to hip.
_HIP_WIDENING = 0.275
_HIP_RAISING = 0.08
# Human3.6M's skeleton is rigid, so its hips are drawn along when a thigh is raised
# about the true hip joint. This is the share of that motion that ours follow.
_HIP_THIGH_SHARE = 0.5
# Human3.6M's clavicles are short, so its shoulders lie inside and above the centres of
# the shoulder joints: at the height of the thorax, nearer to it by this share. They
# follow this share of the motion of the upper arm, for the same reason as the hips.
_SHOULDER_INSET = 0.19
_SHOULDER_ARM_SHARE = 0.2


def extra_targets(
    vertices: np.ndarray, joints: np.ndarray, nose: int, crown: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the extra joints [S, 19, 3] at rest, and what moves them [19, 24].

    Row j of the second array holds the share of each kinematic joint's motion that
    extra joint j follows; rows sum to 1.

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
    thorax = between(shoulders, at("neck"), 0.25)
    jaw = between(at("neck"), vertices[:, nose], 0.47)
    places: dict[str, tuple[np.ndarray, dict[str, float]]] = {}
    for side, other in (("left", "right"), ("right", "left")):
        hip, knee, ankle, shoulder, elbow, wrist = (
            at(f"{side}_{part}")
            for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        )
        wide = between(hip, at(f"{other}_hip"), -_HIP_WIDENING)
        high = _HIP_RAISING * (hip - knee)
        raised = shoulder + thorax - shoulders
        inner = between(raised, thorax, _SHOULDER_INSET)
        hip_shares = {
            "pelvis": 1 - _HIP_THIGH_SHARE,
            f"{side}_hip": _HIP_THIGH_SHARE,
        }
        shoulder_shares = {
            f"{side}_collar": 1 - _SHOULDER_ARM_SHARE,
            f"{side}_shoulder": _SHOULDER_ARM_SHARE,
        }
        places |= {
            f"{side}_hip_extra": (wide + high, hip_shares),
            f"{side}_knee_extra": (knee, {f"{side}_knee": 1.0}),
            f"{side}_ankle_extra": (
                between(knee, ankle, 1.02), {f"{side}_ankle": 1.0},
            ),
            f"{side}_shoulder_extra": (inner, shoulder_shares),
            f"{side}_elbow_extra": (
                between(elbow, shoulder, 0.025), {f"{side}_shoulder": 1.0},
            ),
            f"{side}_wrist_extra": (wrist, {f"{side}_wrist": 1.0}),
        }  # fmt: skip
    pelvis = between(places["left_hip_extra"][0], places["right_hip_extra"][0], 0.5)
    places |= {
        "pelvis_mpii": (pelvis, {"pelvis": 1.0}),
        "spine_h36m": (between(pelvis, thorax, 0.476), {"spine2": 1.0}),
        "thorax_mpii": (between(shoulders, at("neck"), 0.2), {"spine3": 1.0}),
        "neck_lsp": (thorax, {"spine3": 1.0}),
        "jaw_h36m": (jaw, {"head": 1.0}),
        "head_h36m": (
            between(at("head"), vertices[:, crown], 0.38), {"head": 1.0},
        ),
        "head_top_lsp": (vertices[:, crown], {"head": 1.0}),
    }  # fmt: skip
    points = np.stack([places[name][0] for name in EXTRA_19.names], 1)
    shares = np.zeros((len(EXTRA_19), len(SMPL_24)))
    for row, name in zip(shares, EXTRA_19.names, strict=True):
        for joint, share in places[name][1].items():
            row[SMPL_24.index(joint)] = share
    return points, shares


def posed_extra_bodies(
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    extra: np.ndarray,
    shares: np.ndarray,
    poses: np.ndarray,
) -> Bodies:
    """Returns every shape at rest and in a pose of its own, with its extra joints.

    Args:
      vertices: [S, V, 3], at rest.
      joints: [S, 24, 3], at rest.
      weights: [V, 24].
      extra: [S, 19, 3], at rest.
      shares: [19, 24], the motion that each extra joint follows; rows sum to 1.
      poses: [P, 24, 3], axis-angle; pose p is given to shape p modulo S.
    """
    posed, targets = list(vertices), list(extra)
    for index, pose in enumerate(poses):
        shape = index % len(vertices)
        transforms = joint_transforms(joints[shape], pose)
        posed.append(skin(vertices[shape], weights, *transforms))
        targets.append(skin(extra[shape], shares, *transforms))
    return Bodies(np.stack(posed), np.stack(targets))


def fit_extra_regressor(
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    mirror: np.ndarray,
    nose: int,
    poses: np.ndarray,
) -> np.ndarray:
    """Returns the regressor of the extra joints from posed vertices, [19, V].

    Rows are sparse and convex, and mirror each other. The pelvis has half of the rows
    of both hips: as in Human3.6M, it is the midpoint between them, however posed.

    Args:
      vertices: [S, V, 3], bodies at rest, metres; the first is the mean body.
      joints: [S, 24, 3], their kinematic joints.
      weights: [V, 24], skinning weights.
      mirror: [V], mirror image of each vertex.
      nose: vertex at the tip of the nose.
      poses: [P, 24, 3], axis-angle, in which the joints shall follow the body.
    """
    middle = np.flatnonzero(mirror == np.arange(len(mirror)))
    crown = middle[vertices[0, middle, 1].argmax()]
    points, shares = extra_targets(vertices, joints, nose, crown)
    bodies = posed_extra_bodies(vertices, joints, weights, points, shares, poses)
    distance = np.linalg.norm(points[0][:, None] - vertices[0], axis=-1)
    scores = np.exp(-distance / REACH)
    # The top of the head is the crown alone.
    scores[EXTRA_19.index("head_top_lsp")] = np.arange(len(mirror)) == crown
    regressor = fit_regressor(EXTRA_19, bodies, scores, mirror, NUM_CANDIDATES, SUPPORT)
    hips = list(EXTRA_19.indices("left_hip_extra", "right_hip_extra"))
    regressor[EXTRA_19.index("pelvis_mpii")] = regressor[hips].mean(0)
    return regressor
