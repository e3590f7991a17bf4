"""Where clothes lie on a body: coordinates along its limbs, from its rest geometry.

Works for any body in SMPL's layout: everything follows from rest joints, landmarks and
skinning weights.
"""

import dataclasses

import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.skeleton import LANDMARKS_21, SMPL_24

_PARTS = {
    "head": ("head", "neck"),
    "arm": ("shoulder", "elbow", "wrist", "hand"),
    "leg": ("hip", "knee", "ankle", "foot"),
}


@dataclasses.dataclass(frozen=True)
class BodyMap:
    """Of every vertex of a body of mean shape at rest, where on the body it is."""

    faces: np.ndarray
    """[F, 3]."""
    rest: np.ndarray
    """[V, 3], metres, body frame."""
    is_head: np.ndarray
    """[V] bool, neck included; torso is what is neither head, arm nor leg."""
    is_arm: np.ndarray
    is_leg: np.ndarray
    torso: np.ndarray
    """[V]: 0 at the hips, 1 at the neck, upwards."""
    arm: np.ndarray
    """[V]: 0 at the shoulder, 1 at the wrist, along the arm of the vertex's side."""
    leg: np.ndarray
    """[V]: 0 at the hip, 1 at the ankle, along the leg of the vertex's side."""
    up: np.ndarray
    """[V]: 0 at the eyes, 1 at the crown, in heights of that distance."""
    front: np.ndarray
    """[V]: 0 at the ears, forwards, in the same unit."""
    landmarks: np.ndarray
    """[21, 3], metres, rest, in the order of LANDMARKS_21."""

    @property
    def is_torso(self) -> np.ndarray:
        """[V] bool."""
        return ~(self.is_head | self.is_arm | self.is_leg)

    def distance_to(self, landmark: str) -> np.ndarray:
        """Returns [V], metres at rest from a landmark of LANDMARKS_21."""
        return np.linalg.norm(self.rest - self.landmark(landmark), axis=1)

    def landmark(self, name: str) -> np.ndarray:
        """Returns the rest position [3] of a landmark of LANDMARKS_21, metres."""
        return self.landmarks[LANDMARKS_21.index(name)]


def map_body(body: BodyModel) -> BodyMap:
    """Returns the map of a body of mean shape."""
    rest = np.asarray(body.surface.template).T
    weights = np.asarray(body.surface.skinning_weights)
    joints = np.asarray(body.joints_template)
    support = np.asarray(body.landmarks.template).T
    regressor = np.asarray(body.landmark_regressor)[: len(LANDMARKS_21)]
    landmarks = regressor @ support

    owner = _owner(weights)
    along = lambda first, last: _along(rest, joints, first, last)  # noqa: E731
    is_head = owner == "head"
    eyes, ears = (
        landmarks[list(LANDMARKS_21.indices(f"left_{part}", f"right_{part}"))].mean(0)
        for part in ("eye", "ear")
    )
    head_unit = float(rest[is_head, 1].max() - eyes[1])
    hips, neck = joints[SMPL_24.index("left_hip")], joints[SMPL_24.index("neck")]
    return BodyMap(
        faces=np.asarray(body.faces),
        rest=rest,
        is_head=is_head,
        is_arm=owner == "arm",
        is_leg=owner == "leg",
        torso=(rest[:, 1] - hips[1]) / (neck[1] - hips[1]),
        arm=along("shoulder", "wrist"),
        leg=along("hip", "ankle"),
        up=(rest[:, 1] - eyes[1]) / head_unit,
        front=(rest[:, 2] - ears[2]) / head_unit,
        landmarks=landmarks,
    )


def _owner(weights: np.ndarray) -> np.ndarray:
    """Returns [V] names of the part whose joints weigh most; "torso" for the rest."""
    shares = {
        part: weights[
            [i for i, name in enumerate(SMPL_24.names) if name.endswith(joints)]
        ].sum(axis=0)
        for part, joints in _PARTS.items()
    }
    shares["torso"] = 1 - sum(shares.values())
    return np.array(list(shares))[np.argmax(list(shares.values()), axis=0)]


def _along(rest, joints, first: str, last: str) -> np.ndarray:
    """Returns [V], 0 at one joint and 1 at another, on the vertex's own side."""
    result = np.zeros(len(rest))
    for side, mine in (("left", rest[:, 0] >= 0), ("right", rest[:, 0] < 0)):
        start, end = joints[list(SMPL_24.indices(f"{side}_{first}", f"{side}_{last}"))]
        axis = end - start
        result[mine] = (rest[mine] - start) @ axis / (axis @ axis)
    return result
