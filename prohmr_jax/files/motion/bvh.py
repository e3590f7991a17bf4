"""Writes movements as BVH, the text format of motion capture that Blender reads.

The format has no unit; centimetres are what most programs expect. Packages that write
it bind a skeleton of their own, so that its few lines are written here.
"""

import os

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.motion.movement import Movement
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

_CM = 100.0
# Length of the bones at the ends of the skeleton, which have no child joint.
_END_CM = 8.0


def write_bvh(path: str | os.PathLike, movement: Movement) -> None:
    """Writes a BVH file: centimetres, Y up, degrees, in the order Z, X, Y.

    Args:
      path: file to write.
      movement: the poses.

    Raises:
      InputError: the file cannot be written.
    """
    offsets = movement.skeleton.joints * _CM
    lines, order = ["HIERARCHY"], []

    def describe(joint: int, depth: int) -> None:
        parent, indent = SMPL_PARENTS[joint], "\t" * depth
        order.append(joint)
        root = parent < 0
        offset = np.zeros(3) if root else offsets[joint] - offsets[parent]
        lines.append(f"{indent}{'ROOT' if root else 'JOINT'} {SMPL_24.names[joint]}")
        lines.append(f"{indent}{{")
        lines.append(f"{indent}\tOFFSET {_numbers(offset)}")
        position = "6 Xposition Yposition Zposition" if root else "3"
        lines.append(f"{indent}\tCHANNELS {position} Zrotation Xrotation Yrotation")
        children = [child for child, p in enumerate(SMPL_PARENTS) if p == joint]
        for child in children:
            describe(child, depth + 1)
        if not children:
            end = offset / np.linalg.norm(offset) * _END_CM
            lines.append(f"{indent}\tEnd Site")
            lines.append(f"{indent}\t{{\n{indent}\t\tOFFSET {_numbers(end)}")
            lines.append(f"{indent}\t}}")
        lines.append(f"{indent}}}")

    describe(SMPL_PARENTS.index(-1), 0)
    angles = Rotation.from_matrix(movement.rotmats[:, order].reshape(-1, 3, 3))
    angles = angles.as_euler("ZXY", degrees=True).reshape(len(movement), -1)
    # Programs interpolate angles between frames, also across 180 degrees.
    angles = np.unwrap(angles, axis=0, period=360.0)
    rows = np.concatenate([movement.root * _CM, angles], axis=1)
    lines += [
        "MOTION",
        f"Frames: {len(movement)}",
        f"Frame Time: {1 / movement.frame_rate:.8f}",
        *(_numbers(row) for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.5f}" for value in values)
