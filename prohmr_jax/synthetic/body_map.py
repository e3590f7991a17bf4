"""Maps a body: tells for each vertex on which limb it is, and where along the limb.

`appearance` calls it to place clothes. It works for any body in SMPL's layout, because
everything follows from the rest joints, the landmarks and the skinning weights.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.skeleton import LANDMARKS_21, SMPL_24

_PARTS = {
    "head": ("head", "neck"),
    "arm": ("shoulder", "elbow", "wrist", "hand"),
    "leg": ("hip", "knee", "ankle", "foot"),
}


@dataclasses.dataclass(frozen=True)
class BodyMap:
    """Holds the place on the body of each vertex, for the mean shape at rest."""

    faces: np.ndarray
    """[F, 3], vertex numbers of each triangle."""
    rest: np.ndarray
    """[V, 3], positions of the vertices, metres, body frame."""
    is_head: np.ndarray
    """[V], True on head and neck."""
    is_arm: np.ndarray
    """[V], True on the arms."""
    is_leg: np.ndarray
    """[V], True on the legs."""
    torso: np.ndarray
    """[V], height, 0 at the hips and 1 at the neck."""
    arm: np.ndarray
    """[V], coordinate along the arm of the vertex's side, 0 at the shoulder and 1 at
    the wrist."""
    leg: np.ndarray
    """[V], coordinate along the leg of the vertex's side, 0 at the hip and 1 at the
    ankle."""
    up: np.ndarray
    """[V], height, 0 at the eyes and 1 at the crown."""
    front: np.ndarray
    """[V], distance forward from the ears, in units of the height from eyes to
    crown."""
    landmarks: np.ndarray
    """[21, 3], positions of LANDMARKS_21, metres, body frame."""

    @property
    def is_torso(self) -> Bool[np.ndarray, " V"]:
        """Returns [V], True on what is neither head, arm nor leg."""
        return ~(self.is_head | self.is_arm | self.is_leg)

    def distance_to(self, landmark: str) -> Float[np.ndarray, " V"]:
        """Returns the distances [V] at rest to a landmark of LANDMARKS_21, metres."""
        return np.linalg.norm(self.rest - self.landmark(landmark), axis=1)

    def landmark(self, name: str) -> Float[np.ndarray, "3"]:
        """Returns the rest position [3] of a landmark of LANDMARKS_21, metres."""
        return self.landmarks[LANDMARKS_21.index(name)]


def map_body(body: BodyModel) -> BodyMap:
    """Returns the map of a body."""
    rest = np.asarray(body.surface.template).T
    weights = np.asarray(body.surface.skinning_weights)
    joints = np.asarray(body.joints_template)
    support = np.asarray(body.landmarks.template).T
    regressor = np.asarray(body.landmark_regressor)[: len(LANDMARKS_21)]
    landmarks = regressor @ support

    owner = _owner(weights)
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
        arm=_along(rest, joints, "shoulder", "wrist"),
        leg=_along(rest, joints, "hip", "ankle"),
        up=(rest[:, 1] - eyes[1]) / head_unit,
        front=(rest[:, 2] - ears[2]) / head_unit,
        landmarks=landmarks,
    )


def _owner(weights: Float[np.ndarray, "24 V"]) -> np.ndarray:
    """Returns names [V] of the parts whose joints have the largest skinning weight."""
    shares = {
        part: weights[
            [i for i, name in enumerate(SMPL_24.names) if name.endswith(joints)]
        ].sum(axis=0)
        for part, joints in _PARTS.items()
    }
    shares["torso"] = 1 - sum(shares.values())
    return np.array(list(shares))[np.argmax(list(shares.values()), axis=0)]


def _along(rest, joints, first: str, last: str) -> Float[np.ndarray, " V"]:
    """Returns a coordinate [V] that is 0 at one joint and 1 at another of the side."""
    coordinate = np.zeros(len(rest))
    for side, on_side in (("left", rest[:, 0] >= 0), ("right", rest[:, 0] < 0)):
        start, end = joints[list(SMPL_24.indices(f"{side}_{first}", f"{side}_{last}"))]
        axis = end - start
        coordinate[on_side] = (rest[on_side] - start) @ axis / (axis @ axis)
    return coordinate
