"""Places the 19 extra joints of the open body and fits their regressor.

`build` calls `fit_extra_regressor`. The joints that Human3.6M records form its
skeleton: on the mean body, the lengths of its bones relative to thigh plus shank are
those that Human3.6M publishes for its subject 1. The other joints follow MPII and LSP.
"""

import numpy as np
from jaxtyping import Float, Int

from prohmr_jax.open_body.kinematics import joint_transforms, skin
from prohmr_jax.open_body.regressors import Bodies, fit_regressor
from prohmr_jax.skeleton import EXTRA_19, SMPL_24

JOINT_DEFINITION = "h36m-2"
"""Name of the positions that this module defines; body files hold it as
`joint_definition`."""

NUM_CANDIDATES = 500
"""Number of vertices that are considered for each joint."""
SUPPORT = 12
"""Greatest number of vertices in a row of the regressor."""
REACH = 0.08
"""Distance over which the score of a vertex falls by a factor e, metres."""

# Human3.6M's hips are higher and farther apart than the centres of the hip joints. The
# shifts are shares of the vector between both hips and of the vector from knee to hip.
_HIP_WIDENING = 0.275
_HIP_RAISING = 0.08
# Human3.6M's skeleton is rigid, so that its hips move when a thigh is raised about the
# true hip joint. The hips here follow this share of the motion of the thigh.
_HIP_THIGH_SHARE = 0.5
# Human3.6M's clavicles are short, so that its shoulders are inside and above the
# centres of the shoulder joints: at the height of the thorax, and nearer to it by this
# share. For the same reason as the hips, they follow this share of the motion of the
# upper arm.
_SHOULDER_INSET = 0.19
_SHOULDER_ARM_SHARE = 0.2


def extra_targets(
    vertices: Float[np.ndarray, "S V 3"],
    joints: Float[np.ndarray, "S 24 3"],
    nose: int,
    crown: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the extra joints at rest, and the kinematic joints that move them.

    Args:
      vertices: [S, V, 3], bodies at rest, metres.
      joints: [S, 24, 3], kinematic joints of the bodies, metres.
      nose: number of the vertex at the tip of the nose.
      crown: number of the vertex at the top of the head.

    Returns:
      Positions [S, 19, 3], metres, and shares [19, 24]: row j holds the share of each
      kinematic joint's motion that extra joint j follows; rows sum to 1.
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
    vertices: Float[np.ndarray, "S V 3"],
    joints: Float[np.ndarray, "S 24 3"],
    weights: Float[np.ndarray, "V 24"],
    extra: Float[np.ndarray, "S 19 3"],
    shares: Float[np.ndarray, "19 24"],
    poses: Float[np.ndarray, "P 24 3"],
) -> Bodies:
    """Returns all shapes at rest, and then in P poses, with their extra joints.

    Args:
      vertices: [S, V, 3], vertices of S shapes at rest, metres.
      joints: [S, 24, 3], kinematic joints at rest, metres.
      weights: [V, 24], skinning weights.
      extra: [S, 19, 3], extra joints at rest, metres.
      shares: [19, 24], share of each kinematic joint's motion that an extra joint
        follows; rows sum to 1.
      poses: [P, 24, 3], axis-angle, radians; pose p is applied to shape p modulo S.
    """
    posed, targets = list(vertices), list(extra)
    for index, pose in enumerate(poses):
        shape = index % len(vertices)
        transforms = joint_transforms(joints[shape], pose)
        posed.append(skin(vertices[shape], weights, *transforms))
        targets.append(skin(extra[shape], shares, *transforms))
    return Bodies(np.stack(posed), np.stack(targets))


def fit_extra_regressor(
    vertices: Float[np.ndarray, "S V 3"],
    joints: Float[np.ndarray, "S 24 3"],
    weights: Float[np.ndarray, "V 24"],
    mirror: Int[np.ndarray, " V"],
    nose: int,
    poses: Float[np.ndarray, "P 24 3"],
) -> Float[np.ndarray, "19 V"]:
    """Returns the regressor [19, V] of the extra joints from posed vertices.

    Rows are sparse and convex, and those of left and right are mirror images. As in
    Human3.6M, the pelvis is the midpoint of both hips in every pose, so that its row is
    the mean of theirs.

    Args:
      vertices: [S, V, 3], bodies at rest, metres; the first is the mean body.
      joints: [S, 24, 3], kinematic joints of the bodies, metres.
      weights: [V, 24], skinning weights.
      mirror: [V], number of the mirror image of each vertex.
      nose: number of the vertex at the tip of the nose.
      poses: [P, 24, 3], axis-angle, radians, poses in which the joints are fitted.
    """
    middle = np.flatnonzero(mirror == np.arange(len(mirror)))
    crown = int(middle[vertices[0, middle, 1].argmax()])
    points, shares = extra_targets(vertices, joints, nose, crown)
    bodies = posed_extra_bodies(vertices, joints, weights, points, shares, poses)
    distance = np.linalg.norm(points[0][:, None] - vertices[0], axis=-1)
    scores = np.exp(-distance / REACH)
    # The top of the head is the vertex at the crown.
    scores[EXTRA_19.index("head_top_lsp")] = np.arange(len(mirror)) == crown
    regressor = fit_regressor(EXTRA_19, bodies, scores, mirror, NUM_CANDIDATES, SUPPORT)
    hips = list(EXTRA_19.indices("left_hip_extra", "right_hip_extra"))
    regressor[EXTRA_19.index("pelvis_mpii")] = regressor[hips].mean(0)
    return regressor
