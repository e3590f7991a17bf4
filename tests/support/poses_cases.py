"""Poses, clips and small captures on disk for the tests of poses."""

import numpy as np

from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.cmu_expmap import EXPMAP_BONES
from prohmr_jax.skeleton import SMPL_24

ASF = """# comment
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
{bones}:hierarchy
  begin
{hierarchy}  end
"""

_LEG = (
    ("hipjoint", "0.6 -0.7 0.3", "0 0 0", ""),
    ("femur", "0.34202 -0.939693 0", "0 0 20", "rx ry rz"),
    ("tibia", "0.34202 -0.939693 0", "0 0 20", "rx"),
    ("foot", "0.0885 -0.2432 0.9659", "-90 0 20", "rx rz"),
    ("toes", "0 0 1", "-90 0 20", "rx"),
)
_ARM = (
    ("clavicle", "0.97 0.24 0", "0 0 0", "ry rz"),
    ("humerus", "1 0 0", "180 -30 -90", "rx ry rz"),
    ("radius", "1 0 0", "180 -30 -90", "rx"),
    ("wrist", "1 0 0", "0 90 90", "ry"),
    ("hand", "1 0 0", "0 90 90", "rx rz"),
)
_TRUNK = ("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head")


def _mirror(numbers: str, signs: tuple[int, int, int]) -> str:
    return " ".join(
        str(s * float(v)) for s, v in zip(signs, numbers.split(), strict=True)
    )


def bones() -> dict[str, tuple[str, str, str, str]]:
    """Returns bone -> (parent, direction, axis, dof) of a whole CMU skeleton."""
    skeleton = {}
    parent = "root"
    for name in _TRUNK:
        skeleton[name] = (parent, "0 1 0", "0 0 0", "rx ry rz")
        parent = name
    for side, sign in (("l", 1), ("r", -1)):
        for chain, start in ((_LEG, "root"), (_ARM, "thorax")):
            parent = start
            for part, direction, axis, dof in chain:
                skeleton[side + part] = (
                    parent,
                    _mirror(direction, (sign, 1, 1)),
                    _mirror(axis, (1, sign, sign)),
                    dof,
                )
                parent = side + part
    return skeleton


def asf_text() -> str:
    records, lines = "", {}
    for name, (parent, direction, axis, dof) in bones().items():
        records += (
            f"  begin\n id 1\n name {name}\n direction {direction}\n length 5\n"
            f" axis {axis} XYZ\n" + (f" dof {dof}\n" if dof else "") + "  end\n"
        )
        lines.setdefault(parent, []).append(name)
    hierarchy = "".join(f"    {p} {' '.join(c)}\n" for p, c in lines.items())
    return ASF.format(bones=records, hierarchy=hierarchy)


def amc_text(frames: list[dict[str, list[float]]]) -> str:
    """Returns a motion; values that a frame does not give are 0."""
    channels = {"root": 6} | {n: len(b[3].split()) for n, b in bones().items() if b[3]}
    text = "#!OML:ASF nobody.ASF\n:FULLY-SPECIFIED\n:DEGREES\n"
    for number, values in enumerate(frames, start=1):
        text += f"{number}\n"
        for name, count in channels.items():
            numbers = values.get(name, [0.0] * count)
            text += f"{name} {' '.join(str(v) for v in numbers)}\n"
    return text


def write_original(folder, frames, subject="07", clip="07_01"):
    (folder / f"{subject}.asf").write_text(asf_text())
    (folder / f"{clip}.amc").write_text(amc_text(frames))
    return folder


# Frames in which the arms are not at rest, so that none is taken for unseen.
ARMS_DOWN = {"lhumerus": [0.0, 0.0, 70.0], "rhumerus": [0.0, 0.0, -70.0]}


def expmap_arrays(clips: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of a prepared file; clips are [T, 39, 3]."""
    parents = {"root": None}
    ends = {"toes_end": "toes", "fingers": "hand", "fingers_end": "fingers",
            "thumb": "wrist", "thumb_end": "thumb"}  # fmt: skip
    for name, (parent, *_) in bones().items():
        parents[name] = parent
    for side in "lr":
        parents |= {side + child: side + parent for child, parent in ends.items()}
    parents["head_end"] = "head"
    order = [
        -1 if parents[b] is None else EXPMAP_BONES.index(parents[b])
        for b in EXPMAP_BONES
    ]
    arrays = {
        "skeleton_parents": np.array(order, np.int32),
        "skeleton_offsets": np.zeros((38, 3), np.float32),
    }
    return arrays | {
        name: clip.reshape(len(clip), -1).astype(np.float32)
        for name, clip in clips.items()
    }


def random_poses(n, seed=0, size=0.4):
    """Returns n poses [n, 24, 3] of normal axis-angles."""
    return np.random.default_rng(seed).normal(0.0, size, (n, len(SMPL_24), 3))


def pose_with(**axis_angles):
    """Returns a pose [1, 24, 3] with the arms down and some joints turned."""
    pose = np.zeros((1, len(SMPL_24), 3))
    # Arms down: at rest they are stretched out sideways.
    defaults = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
    for name, value in (defaults | axis_angles).items():
        pose[0, SMPL_24.index(name)] = value
    return pose


def some_clips(num_frames=60, num_clips=4):
    """Returns clips of people who stand with their arms down and hardly move."""
    clips = []
    for index in range(num_clips):
        poses = random_poses(num_frames, seed=index, size=0.05)
        poses += pose_with()[0]
        zeros = np.zeros((num_frames, 3), np.float32)
        clips.append(Clip(f"walk__{index}", poses.astype(np.float32), zeros))
    return tuple(clips)
