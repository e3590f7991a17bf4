"""Collects the bodies of one person over the frames of a video, for motion files.

They come from a table of fits, or from results of the demo. The mode "export" calls it.
"""

import collections
import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.motion import amass
from prohmr_jax.files.npz import read_npz
from prohmr_jax.inference.results import PersonResult, read_result

FITTED = "fit"
"""Word for the fitted body, where a number would choose a hypothesis."""
# More than nine hours of video: such numbers are no frames.
_MAX_FRAMES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Track:
    """Holds M bodies of one person in front of a camera, NumPy."""

    name: str
    """Name for files."""
    frames: np.ndarray
    """Numbers of their frames, ascending, [M]."""
    rotmats: np.ndarray
    """Rotations relative to the parents, [M, 24, 3, 3]; the root turns body axes to
    camera axes."""
    betas: np.ndarray
    """Shape coefficients of each body, [M, S]."""
    translation: np.ndarray
    """Translation of each body, [M, 3], metres, camera axes."""
    joints: np.ndarray
    """Joints (JOINTS_44) in front of the camera, [M, 44, 3], metres, camera axes."""
    measured: np.ndarray
    """Whether the person was detected in each frame, [M]; other bodies fill gaps."""


@dataclasses.dataclass(frozen=True)
class _Row:
    """Holds one body and what says who it is, and when."""

    source: str
    person_index: int
    frame: int
    photo: str
    track_id: str
    rotmats: np.ndarray
    betas: np.ndarray
    translation: np.ndarray
    joints: np.ndarray
    measured: bool = True


def read_tracks(path: str | os.PathLike, which: str) -> list[Track]:
    """Returns the people of a table of fits or of the demo's results.

    Bodies with the same identity (`track_id`) in one video belong to one person.
    Without identities they do if every picture has one person alone; otherwise each
    body is a track of one frame. Frames are the numbers that the detections state, or
    else the order of the pictures' names.

    Args:
      path: a table of the mode "fit" or "video", a result of the demo, or a folder of
        results or of a video's people.
      which: "fit" for fitted bodies, or the number of a hypothesis; 0 is the mode.

    Raises:
      InputError: nothing can be read, there is no such hypothesis, or a person is twice
        in one frame.
    """
    path = Path(path)
    files = [f for f in path.glob("*.npz") if not f.name.endswith(amass.ENDING)]
    files.sort(key=lambda f: _natural(f.name))
    if path.is_dir() and (path / "fits.npz").is_file():
        path = path / "fits.npz"
    if path.is_dir():
        if not files:
            raise InputError(path, "has no .npz file of a result")
        rows = [row for file in files for row in _rows_of_file(file, which)]
    else:
        rows = list(_rows_of_file(path, which))
    return [_track(path, name, group) for name, group in _grouped(rows).items()]


def _rows_of_file(path: Path, which: str) -> Iterable[_Row]:
    if _is_table(path):
        return _rows_of_table(path, which)
    return [_row_of_result(path, read_result(path), which)]


def _is_table(path: Path) -> bool:
    """Returns whether an archive is a table, which says who was left out."""
    left_out = Expected((None,), "text", optional=True)
    return "left_out" in read_npz(path, {"left_out": left_out})


def _rows_of_table(path: Path, which: str) -> Iterable[_Row]:
    table: FitTable = read_table(path)[0]
    # Tables of videos say which frames lie in gaps.
    gaps = {"measured": Expected((None,), "integer", optional=True)}
    measured = read_npz(path, gaps).get("measured")
    num_people, num_hypotheses = table.pose_axis_angle.shape[:2]
    if which == FITTED:
        poses, betas = table.fit_pose_axis_angle, table.fit_betas
        translation, joints = table.fit_translation, table.fit_joints
    else:
        number = _number(path, which, num_hypotheses)
        poses, joints = table.pose_axis_angle[:, number], table.joints[:, number]
        betas, translation = table.betas, table.translation
    rotmats = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix()
    rotmats = rotmats.reshape(num_people, -1, 3, 3)
    for p in range(num_people):
        yield _Row(
            source=str(table.source[p]),
            person_index=int(table.person_index[p]),
            frame=int(table.frame[p]),
            photo=str(table.photo[p]),
            track_id="" if table.track_id is None else str(table.track_id[p]),
            rotmats=rotmats[p],
            betas=betas[p],
            translation=translation[p],
            joints=joints[p] + translation[p],
            measured=measured is None or bool(measured[p]),
        )


def _row_of_result(path: Path, result: PersonResult, which: str) -> _Row:
    # Results of the demo are not fitted; their answer is the mode.
    which = "0" if which == FITTED else which
    number = _number(path, which, len(result.pose_rotmat))
    said = result.provenance
    return _Row(
        source=said.source,
        person_index=said.person_index,
        frame=said.frame,
        photo=said.photo,
        track_id=said.track_id,
        rotmats=np.asarray(result.pose_rotmat[number], float),
        betas=result.betas,
        translation=result.translation,
        joints=result.joints[number] + result.translation,
    )


def _number(path: Path, which: str, count: int) -> int:
    if not which.isdecimal() or int(which) >= count:
        what = f'has {count} hypotheses, of which "{which}" is none'
        raise InputError(path, f'{what}; use 0 to {count - 1}, or "{FITTED}"')
    return int(which)


def _grouped(rows: list[_Row]) -> dict[str, list[_Row]]:
    """Returns the rows of each track by its name, which no other track has."""
    alone = len({_picture(row) for row in rows}) == len(rows) > 1
    pictures = collections.Counter(source for source, _, _ in set(map(_picture, rows)))
    groups: dict[tuple, list[_Row]] = {}
    for row in rows:
        if row.track_id:
            # Identities hold within a file of several pictures, else within a folder.
            video = row.source if pictures[row.source] > 1 else Path(row.source).parent
            key = (f"track_{row.track_id}", str(video))
        elif alone:
            key = ("person",)
        else:
            name = f"{Path(row.source).stem}_person{row.person_index}"
            # A file can have the same person in many pictures.
            name += f"_frame{row.frame}" if row.frame >= 0 else ""
            key = (name, row.source, row.photo)
        groups.setdefault(key, []).append(row)
    named: dict[str, list[_Row]] = {}
    for (name, *_), group in groups.items():
        plain = unique = re.sub(r"[^\w.-]+", "_", name)
        number = 2
        while unique in named:
            unique, number = f"{plain}_{number}", number + 1
        named[unique] = group
    return named


def _picture(row: _Row) -> tuple[str, int, str]:
    return row.source, row.frame, row.photo


def _track(path: Path, name: str, rows: list[_Row]) -> Track:
    if all(row.frame >= 0 for row in rows):
        rows = sorted(rows, key=lambda row: row.frame)
        frames = np.array([row.frame for row in rows])
    else:
        rows = sorted(rows, key=lambda row: _natural(row.source + row.photo))
        frames = np.arange(len(rows))
    twice = frames[:-1][np.diff(frames) == 0]
    if len(twice):
        raise InputError(path, f"{name} is twice in frame {twice[0]}")
    if frames[-1] - frames[0] > _MAX_FRAMES:
        what = f"{name} is seen from frame {frames[0]} to {frames[-1]}"
        raise InputError(path, f"{what}; more than {_MAX_FRAMES} are not filled in")
    stack = {
        field: np.stack([np.asarray(getattr(row, field), float) for row in rows])
        for field in ("rotmats", "betas", "translation", "joints")
    }
    measured = np.array([row.measured for row in rows])
    return Track(name, frames, **stack, measured=measured)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Returns a key that sorts numbers in names by their size."""
    parts = re.split(r"(\d+)", text)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]
