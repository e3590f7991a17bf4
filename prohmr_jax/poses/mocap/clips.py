"""Reads captured clips of either format as rotations of SMPL's joints at 30 Hz."""

import dataclasses
import pathlib

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.poses.kinematics import to_axis_angle
from prohmr_jax.poses.mocap.acclaim import (
    CAPTURE_RATE_HZ,
    AcclaimSkeleton,
    read_amc,
    read_asf,
)
from prohmr_jax.poses.mocap.cmu_expmap import read_expmap
from prohmr_jax.poses.mocap.cmu_motion import CmuMotion
from prohmr_jax.poses.mocap.retarget import retarget

CLIP_RATE_HZ = 30


@dataclasses.dataclass(frozen=True)
class Clip:
    """Holds one captured clip."""

    name: str
    """Name of the clip: `<action>__<clip>` in a prepared file, `<subject>_<number>` in
    a folder of original files."""
    axis_angle: np.ndarray
    """[T, 24, 3] float32, axis-angle rotations relative to the parent joint at 30 Hz,
    radians; joint 0 is relative to a world with Y up."""
    root_position: np.ndarray
    """[T, 3] float32, position of the root in the world, metres."""


def read_clips(path: str | pathlib.Path) -> tuple[Clip, ...]:
    """Returns the clips of a prepared NPZ file, or of a folder of `.asf` and `.amc`.

    In a folder, the motion `<subject>_<number>.amc` moves the skeleton
    `<subject>.asf`. Frames in which the capture lost the upper body are left out.

    Args:
      path: the file or folder.

    Raises:
      InputError: the path does not exist, or a file is missing or faulty.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(path, "does not exist")
    if not path.is_dir():
        named = read_expmap(path).items()
        return tuple(_clip(name, motion, path) for name, motion in named)
    motions = sorted(path.glob("*.amc"))
    if not motions:
        raise InputError(path, "holds no *.amc file")
    skeletons: dict[str, AcclaimSkeleton] = {}
    clips = []
    for file in motions:
        subject = file.stem.split("_")[0]
        if subject not in skeletons:
            skeleton_file = file.with_name(f"{subject}.asf")
            if not skeleton_file.is_file():
                raise InputError(
                    file, f"needs its skeleton {subject}.asf in the same folder"
                )
            skeletons[subject] = read_asf(skeleton_file)
        motion = read_amc(file, skeletons[subject], CAPTURE_RATE_HZ // CLIP_RATE_HZ)
        clips.append(_clip(file.stem, motion, file))
    return tuple(clips)


def _clip(name: str, motion: CmuMotion, path: pathlib.Path) -> Clip:
    axis_angle = to_axis_angle(retarget(motion, path)).astype(np.float32)
    seen = _upper_body_seen(motion)
    if not seen.any():
        raise InputError(path, f"clip {name!r} never shows the upper body")
    return Clip(name, axis_angle[seen], motion.root_position[seen].astype(np.float32))


def _upper_body_seen(motion: CmuMotion) -> np.ndarray:
    """Returns [T], False where both arms are exactly at rest.

    The original files have zeros in frames in which the markers were lost.
    """
    seen = np.zeros(len(motion.world_rotmat), dtype=bool)
    for side in "lr":
        shoulder, arm = (
            motion.world_rotmat[:, motion.bones.index(side + bone)]
            for bone in ("clavicle", "humerus")
        )
        seen |= np.abs(arm - shoulder).max(axis=(1, 2)) > 1e-4
    return seen
