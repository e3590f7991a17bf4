"""Moves MakeHuman's rig from its A-pose to SMPL's T-pose.

`build` calls it. The rotations of the bones are computed once, for the mean body, and
are used for all bodies, so that the vertices in T-pose are linear in the shape.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from prohmr_jax.open_body.makehuman_files import Rig

CLAVICLE_RAISE_DEG = 8.0
"""Angle by which the clavicle is raised, degrees."""
SCAPULA_RAISE_DEG = 14.0
"""Angle by which the scapula is raised, degrees."""
THIGH_SPLAY_DEG = 2.5
"""Angle of the thigh outward from the vertical, degrees."""
SHIN_SPLAY_DEG = 0.5
"""Angle of the shin outward from the vertical, degrees."""
SHIN_LEAN_DEG = 1.5
"""Angle of the shin backward from the vertical, degrees."""

_LEFT = np.array([1.0, 0.0, 0.0])


def smallest_rotation(
    source: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """Returns the smallest rotation [3, 3] that turns one direction to another.

    Args:
      source: [3], any length.
      target: [3], any length.
    """
    return Rotation.align_vectors(target, source)[0].as_matrix()


def _frame(x: np.ndarray, towards_z: np.ndarray) -> np.ndarray:
    """Returns a rotation matrix whose first column is along x, the third near z."""
    x = x / np.linalg.norm(x)
    y = np.cross(towards_z, x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _half_twist(rotation: np.ndarray) -> np.ndarray:
    """Returns half of the part of a rotation that turns about the X axis."""
    x, _, _, w = Rotation.from_matrix(rotation).as_quat()
    return Rotation.from_rotvec(np.arctan2(x, w) * _LEFT).as_matrix()


def _left_rotations(rig: Rig, heads: np.ndarray) -> dict[str, np.ndarray]:
    """Returns world rotations of left bones that start a chain, by name."""

    def at(name: str) -> np.ndarray:
        return heads[rig.bones.index(name + ".L")]

    def about_z(degrees: float) -> np.ndarray:
        return Rotation.from_euler("z", degrees, degrees=True).as_matrix()

    def leg(splay_deg: float, lean_deg: float) -> np.ndarray:
        splay, lean = np.tan(np.deg2rad([splay_deg, lean_deg]))
        return np.array([splay, -1.0, -lean])

    upper_arm = smallest_rotation(at("lowerarm01") - at("upperarm01"), _LEFT)
    forearm = smallest_rotation(at("wrist") - at("lowerarm01"), _LEFT)
    hand = _frame(at("finger3-1") - at("wrist"), at("finger2-1") - at("finger5-1")).T
    return {
        "clavicle": about_z(CLAVICLE_RAISE_DEG),
        "shoulder01": about_z(SCAPULA_RAISE_DEG),
        "upperarm01": upper_arm,
        "lowerarm01": forearm,
        "lowerarm02": _half_twist(hand @ forearm.T) @ forearm,
        "wrist": hand,
        "upperleg01": smallest_rotation(
            at("lowerleg01") - at("upperleg01"), leg(THIGH_SPLAY_DEG, 0.0)
        ),
        "lowerleg01": smallest_rotation(
            at("foot") - at("lowerleg01"), leg(SHIN_SPLAY_DEG, SHIN_LEAN_DEG)
        ),
        "foot": np.eye(3),
    }


def t_pose_rotations(
    rig: Rig, heads: Float[np.ndarray, "B 3"]
) -> Float[np.ndarray, "B 3 3"]:
    """Returns the world rotations [B, 3, 3] of the bones from A-pose to T-pose.

    Args:
      rig: the skeleton.
      heads: [B, 3], heads of the bones of the mean body, metres.
    """
    left = _left_rotations(rig, heads)
    mirror = np.diag([-1.0, 1.0, 1.0])
    rotations = np.tile(np.eye(3), (len(rig.bones), 1, 1))
    for bone, (name, parent) in enumerate(zip(rig.bones, rig.parents, strict=True)):
        stem, _, side = name.partition(".")
        if stem in left:
            turn = left[stem]
            rotations[bone] = turn if side == "L" else mirror @ turn @ mirror
        elif parent >= 0:
            rotations[bone] = rotations[parent]
    return rotations


@dataclasses.dataclass(frozen=True)
class TPose:
    """Moves any body to the T-pose, by linear blend skinning with fixed rotations."""

    rig: Rig
    """MakeHuman's rig."""
    rotations: np.ndarray
    """[B, 3, 3], world rotations of the bones."""
    vertex_matrices: np.ndarray
    """[N, 3, 3], rotations blended by the skinning weights of each vertex."""

    def __call__(
        self, vertices: Float[np.ndarray, "N 3"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns T-posed vertices [N, 3] and heads of the bones [B, 3], metres.

        Args:
          vertices: [N, 3], one person in MakeHuman's A-pose, metres.
        """
        heads = self.rig.head_regressor @ vertices
        posed_heads = heads.copy()
        for bone, parent in enumerate(self.rig.parents):
            if parent >= 0:
                step = self.rotations[parent] @ (heads[bone] - heads[parent])
                posed_heads[bone] = posed_heads[parent] + step
        shifts = posed_heads - np.einsum("bij,bj->bi", self.rotations, heads)
        turned = np.einsum("nij,nj->ni", self.vertex_matrices, vertices)
        return turned + self.rig.weights @ shifts, posed_heads


def make_t_pose(rig: Rig, vertices: Float[np.ndarray, "N 3"]) -> TPose:
    """Returns the T-pose for all bodies, computed from the mean body.

    Args:
      rig: MakeHuman's rig.
      vertices: [N, 3], the mean body in A-pose, metres.
    """
    rotations = t_pose_rotations(rig, rig.head_regressor @ vertices)
    blended = rig.weights @ rotations.reshape(len(rotations), 9)
    return TPose(rig, rotations, blended.reshape(-1, 3, 3))


def mirrored_bones(rig: Rig) -> Int[np.ndarray, " B"]:
    """Returns the number [B] of the counterpart of each bone on the other side."""
    other = {"L": "R", "R": "L"}
    images = [
        f"{stem}{dot}{other.get(side, side)}"
        for stem, dot, side in (bone.partition(".") for bone in rig.bones)
    ]
    return np.array([rig.bones.index(image) for image in images])
