"""Finds the 21 vertices that serve as joints, as in the package smplx, and the crown.

`build` calls it.
"""

import numpy as np
from jaxtyping import Float, Int

from prohmr_jax.open_body.makehuman_files import Rig
from prohmr_jax.skeleton import LANDMARKS_21, mirror_name

_FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def find_landmarks(
    rig: Rig,
    vertices: Int[np.ndarray, " V"],
    points: Float[np.ndarray, "V 3"],
    left_eye: int,
) -> dict[str, int]:
    """Returns the points that are landmarks of the left side and of the midline.

    Args:
      rig: MakeHuman's rig, whose weights tell to which part of the body a vertex
        belongs.
      vertices: [V], numbers of the points in the base mesh.
      points: [V, 3], the mean body in T-pose, metres.
      left_eye: number of the point at the front of the left eyeball.

    Returns:
      The number of a point for each name.
    """
    bones = np.array(rig.bones)[rig.weights[vertices].toarray().argmax(1)]

    def farthest(direction: tuple[float, float, float], *prefixes: str) -> int:
        """Returns the left or middle point that is farthest in a direction.

        Only points are considered whose bone has a name that begins with a prefix.
        """
        chosen = np.char.startswith(bones, prefixes[0])
        for prefix in prefixes[1:]:
            chosen |= np.char.startswith(bones, prefix)
        height = np.where(chosen & (points[:, 0] > -1e-9), points @ direction, -np.inf)
        return int(height.argmax())

    # Bones that move a point above the eyes are bones of the head.
    head = np.isin(bones, bones[points[:, 1] > points[left_eye, 1] - 0.02])
    middle = np.abs(points[:, 0]) < 1e-9
    tips = {
        f"left_{name}_tip": farthest((1.0, 0.0, 0.0), f"finger{i}-3.L")
        for i, name in enumerate(_FINGERS, start=1)
    }
    return tips | {
        "nose": int(np.where(head & middle, points[:, 2], -np.inf).argmax()),
        "left_eye": left_eye,
        "left_ear": int(np.where(head, points[:, 0], -np.inf).argmax()),
        "left_big_toe": farthest((0.0, 0.0, 1.0), "toe1-"),
        "left_small_toe": farthest((0.5, 0.0, 1.0), "toe5-"),
        "left_heel": farthest((0.0, -0.5, -1.0), "foot"),
        "crown": int(np.where(middle, points[:, 1], -np.inf).argmax()),
    }


def landmark_vertices(
    half_landmarks: dict[str, int], mirror: Int[np.ndarray, " V"]
) -> Int[np.ndarray, "21"]:
    """Returns the numbers [21] of the landmark vertices in the order of LANDMARKS_21.

    Args:
      half_landmarks: vertex numbers of the left side and the midline by name.
      mirror: [V], number of the mirror image of each vertex.
    """
    return np.array(
        [
            half_landmarks[name]
            if name in half_landmarks
            else mirror[half_landmarks[mirror_name(name)]]
            for name in LANDMARKS_21.names
        ]
    )
