"""Makes records of people from Human3.6M as it is distributed, as `.cdf` files.

`tools/make_dataset.py` calls it. Below the root each subject has
`MyPoseFeatures/D3_Positions_mono/` (positions in the camera frame, mm) and
`MyPoseFeatures/D2_Positions/` (pixels), with one file per take and camera, such as
"Directions 1.54138969.cdf". Row n of a file belongs to frame n of the video, counted
from 1, whose photo is called `S1_Directions_1.54138969_000001.jpg` for n = 1.
"""

import dataclasses
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.data.datasets.h36m_names import H36mPhoto
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.boxes import box_around
from prohmr_jax.skeleton import H36M_17, H36M_32, JOINTS_44, SMPL_24

# Subjects of the usual training set; S9 and S11 are those of the test set.
TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")

_POSITIONS = Path("MyPoseFeatures", "D3_Positions_mono")
_PIXELS = Path("MyPoseFeatures", "D2_Positions")
# Names that start with "_" are left out: "_ALL" is a recording of all takes.
_FILE = re.compile(r"([^_].*)\.(\d{8})\.cdf")
_M_PER_MM = 1e-3


@dataclasses.dataclass(frozen=True)
class Video:
    """Holds one take of a subject, seen by one camera, of T frames."""

    subject: str
    """Name of the subject, such as "S9"."""
    take: str
    """Name of the take as in names of photos, such as "Directions_1"."""
    camera: str
    """Number of the camera, 8 digits."""
    positions: np.ndarray
    """Joints of H36M_32, [T, 32, 3], metres, camera frame."""
    pixels: np.ndarray
    """Joints of H36M_32, [T, 32, 2], pixels of the video."""


def h36m_records(
    root: str | os.PathLike,
    subjects: Sequence[str] = TRAIN_SUBJECTS,
    cameras: Sequence[str] = (),
    every: int = 5,
) -> Iterator[PersonRecord]:
    """Yields the records of every n-th frame; the views of an instant are consecutive.

    SMPL's parameters are not part of the distribution, and so are not labelled.

    Args:
      root: folder with one folder per subject.
      subjects: names of the subjects to take.
      cameras: numbers of the cameras to take; empty for all.
      every: n of "every n-th frame".

    Raises:
      InputError: a folder or file is missing, damaged or of another shape.
    """
    for subject in subjects:
        for files in _find_takes(Path(root), subject, cameras):
            videos = [_read_video(file, subject) for file in files]
            frames = max(len(video.positions) for video in videos)
            boxes = [_boxes(video) for video in videos]
            for frame in range(0, frames, every):
                for video, (centers, sizes) in zip(videos, boxes, strict=True):
                    if frame < len(video.positions):
                        yield _record(video, frame, centers[frame], sizes[frame])


def _find_takes(root: Path, subject: str, cameras: Sequence[str]) -> list[list[Path]]:
    """Returns the files of each take, one per camera."""
    folder = root / subject / _POSITIONS
    takes: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.cdf")):
        match = _FILE.fullmatch(file.name)
        if match and (not cameras or match[2] in cameras):
            takes.setdefault(match[1], []).append(file)
    if not takes:
        raise InputError(folder, "holds no poses such as 'Directions 1.54138969.cdf'")
    return list(takes.values())


def _read_video(file: Path, subject: str) -> Video:
    take, camera = _FILE.fullmatch(file.name).groups()
    pixel_file = file.parents[2] / _PIXELS / file.name
    positions = _read_pose(file, 3) * _M_PER_MM
    pixels = _read_pose(pixel_file, 2)
    if len(positions) != len(pixels):
        what = f"has {len(pixels)} frames, and {file} has {len(positions)}"
        raise InputError(pixel_file, what)
    return Video(subject, take.replace(" ", "_"), camera, positions, pixels)


def _read_pose(path: Path, columns: int) -> np.ndarray:
    """Returns the variable `Pose` of a file as [T, 32, columns]."""
    try:
        import cdflib
    except ImportError as error:
        what = "needs cdflib: pip install 'prohmr-jax[human36m]'"
        raise InputError(path, what) from error
    if not path.is_file():
        raise InputError(path, "does not exist")
    try:
        pose = np.asarray(cdflib.CDF(path).varget("Pose"))
    except (
        ArithmeticError, LookupError, MemoryError, OSError, TypeError, ValueError,
        struct.error, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(
            path, "is not a .cdf file with 'Pose', or is damaged"
        ) from error
    width = columns * len(H36M_32)
    if pose.dtype.kind != "f" or pose.shape[-1:] != (width,) or not pose.size:
        what = f"has a 'Pose' of shape {list(pose.shape)}, not [1, frames, {width}]"
        raise InputError(path, what)
    return pose.reshape(-1, len(H36M_32), columns).astype(np.float64)


def _boxes(video: Video) -> tuple[np.ndarray, np.ndarray]:
    """Returns centres [T, 2] and sides [T] of the boxes around the joints."""
    known = np.isfinite(video.pixels).all(axis=-1)
    boxes = box_around(video.pixels, known)
    sizes = np.where(known.any(axis=-1), np.asarray(boxes.size, np.float64), np.nan)
    return np.asarray(boxes.center, np.float64), sizes


def _record(video: Video, frame: int, center: np.ndarray, size: float) -> PersonRecord:
    number = f"{frame + 1:06d}"
    photo = H36mPhoto(video.subject, video.take, video.camera, number)
    given, ours = (list(H36M_17.positions_in(s)) for s in (H36M_32, JOINTS_44))
    keypoints_2d = np.zeros((len(JOINTS_44), 3))
    keypoints_2d[ours, :2], keypoints_2d[ours, 2] = video.pixels[frame, given], 1.0
    keypoints_3d = np.zeros((len(JOINTS_44), 4))
    keypoints_3d[ours, :3], keypoints_3d[ours, 3] = video.positions[frame, given], 1.0
    return PersonRecord(
        image=b"",
        name=photo.name,
        box_center=center,
        box_size=float(size),
        keypoints_2d=keypoints_2d,
        keypoints_3d=keypoints_3d,
        axis_angle=np.zeros((len(SMPL_24), 3)),
        betas=np.zeros(10),
        has_pose=False,
        has_betas=False,
        action=photo.action,
        person=photo.instant,
    )
