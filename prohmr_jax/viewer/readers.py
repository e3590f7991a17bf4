"""Reads the results of any mode as people whose bodies can be shown.

The mode "view" calls it.
"""

import dataclasses
import logging
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.bulk_fitting.tracks import FITTED, Track, read_tracks
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.results import read_result
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.viewer.people import (
    FIT,
    MODE,
    SAMPLE,
    VIEW,
    ShownBodies,
    ShownCamera,
    ShownPerson,
)

MAX_PEOPLE = 500
"""Largest number of people of a table that are shown; the first ones are taken."""
_LOG = logging.getLogger(__name__)
_TABLES = ("views.npz", "fits.npz")
_OVERLAYS = "overlays"


def read_people(path: str | os.PathLike) -> list[ShownPerson]:
    """Returns the people of results, of a table of fits, or of a folder of either.

    Args:
      path: a `.npz` file or a folder that the modes "demo", "fit", "multiview" or
        "video" wrote.

    Raises:
      InputError: there is no such file, or it is of no such mode or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "no such file or folder")
    if not path.is_dir():
        return _people_of_file(path)
    for name in _TABLES:
        if (path / name).is_file():
            return _people_of_file(path / name)
    # Exported movement can lie beside results.
    files = sorted(filter(_is_result, path.glob("*.npz")), key=_natural)
    if not files:
        raise InputError(path, "has no .npz file of a result")
    return [person for file in files for person in _people_of_file(file)]


def _is_result(path: Path) -> bool:
    """Returns whether an archive says which model and input it is the result of."""
    stated = Expected((), "text", optional=True)
    return "provenance" in read_npz(path, {"provenance": stated})


def _is_table(path: Path, member: str = "left_out") -> bool:
    """Returns whether an archive has a member, which results of the demo lack."""
    kind = "real" if member == "camera_rotation" else "text"
    shape = (None,) * {"left_out": 1, "person": 1, "camera_rotation": 4}[member]
    return member in read_npz(path, {member: Expected(shape, kind, optional=True)})


def _people_of_file(path: Path) -> list[ShownPerson]:
    if not _is_table(path):
        return [_person_of_result(path)]
    people, provenance = _people_of_table(path)
    stated = {key: str(provenance.get(key, "")) for key in ("body", "body_sha256")}
    return [dataclasses.replace(person, **stated) for person in people]


def _people_of_table(path: Path) -> tuple[list[ShownPerson], dict[str, str]]:
    """Returns the people of a table, and its provenance."""
    if _is_table(path, "person"):
        schema = WorldTable if _is_table(path, "camera_rotation") else ViewsTable
        table, provenance, _ = read_table(path, schema)
        people = [_person_of_views(path, table, p) for p in _first(table.person)]
        return people, provenance
    table, provenance, _ = read_table(path)
    identities = table.track_id is not None and np.any(table.track_id != "")
    # Pictures of one person each are no movement unless the table says so.
    if (identities or np.any(table.frame >= 0)) and any(
        len(track.frames) > 1 for track in read_tracks(path, FITTED)
    ):
        return _people_of_tracks(path, table), provenance
    first = _first(table.source)
    samples = table.joints[: len(first), 1:]
    spreads = [None] * len(first)
    if samples.shape[1] > 1:
        spreads = list(np.asarray(spread(samples)))
    people = [_person_of_fit(path, table, p, spreads[p]) for p in first]
    return people, provenance


def _first(rows: np.ndarray) -> range:
    """Returns the rows of a table that are shown; the others are logged."""
    if len(rows) > MAX_PEOPLE:
        _LOG.warning("the first %d of %d people are shown", MAX_PEOPLE, len(rows))
    return range(min(len(rows), MAX_PEOPLE))


def _person_of_result(path: Path) -> ShownPerson:
    result = read_result(path)
    name, size = result.provenance.photo or "camera", result.image_size_px
    camera = ShownCamera(name, np.eye(3), np.zeros(3), result.intrinsics, size)
    overlay = re.sub(r"_person\d+$", "_overlay.png", path.stem)
    pictures = path.with_name(overlay), path.with_name(f"{path.stem}_sheet.png")
    return ShownPerson(
        name=path.stem,
        verdict=_verdict(result.plausible, result.implausible_reason),
        bodies=_hypotheses(
            result.pose_rotmat, result.betas, result.translation, result.log_prob
        ),
        frames=np.zeros(1, int),
        body=result.provenance.body,
        body_sha256=result.provenance.body_sha256,
        cameras=(camera,),
        pictures=tuple(picture for picture in pictures if picture.is_file()),
        vertex_spread=result.vertex_spread,
        joint_spread=result.joint_spread,
        confidence=result.keypoint_confidence,
    )


def _hypotheses(
    rotmats: np.ndarray, betas: np.ndarray, translation: np.ndarray, log_prob: Any
) -> tuple[ShownBodies, ...]:
    """Returns the mode and the samples of one picture."""
    num_samples = len(rotmats) - 1
    return tuple(
        ShownBodies(
            SAMPLE if number else MODE,
            f"sample {number} of {num_samples}" if number else "mode",
            np.asarray(rotmats[number : number + 1], float),
            betas[None],
            translation[None],
            float(log_prob[number]),
        )
        for number in range(len(rotmats))
    )


def _person_of_fit(
    path: Path, table: FitTable, p: int, joint_spread: np.ndarray | None
) -> ShownPerson:
    fit = ShownBodies(
        FIT,
        "fitted to the keypoints",
        _rotmats(table.fit_pose_axis_angle[p])[None],
        table.fit_betas[p][None],
        table.fit_translation[p][None],
        float(table.fit_log_prob[p]),
    )
    before = _hypotheses(
        _rotmats(table.pose_axis_angle[p]),
        table.betas[p],
        table.translation[p],
        table.log_prob[p],
    )
    name, size = str(table.photo[p] or table.source[p]), table.image_size_px[p]
    camera = ShownCamera(name, np.eye(3), np.zeros(3), table.intrinsics[p], size)
    return ShownPerson(
        name=f"{p}: {table.source[p]}, person {table.person_index[p]}",
        verdict=_verdict(
            _at(table.fit_plausible, p), _at(table.fit_implausible_reason, p)
        ),
        bodies=(fit, *before),
        frames=np.zeros(1, int),
        cameras=(camera,),
        pictures=_before_after(path, p),
        joint_spread=joint_spread,
        confidence=table.keypoint_confidence[p, : len(BODY_25)],
    )


def _person_of_views(path: Path, table: ViewsTable, p: int) -> ShownPerson:
    """Returns a person of several views, in the axes of the first view's camera.

    The modes of the views stand where the one body stands, because their own distance
    is hardly observed.
    """
    views = np.flatnonzero(table.valid[p] > 0)
    first = views[0]
    calibrated = isinstance(table, WorldTable)
    # Rotations and translations from the first camera's axes to those of each view.
    turns = {v: np.eye(3) for v in views}
    shifts = {v: np.zeros(3) for v in views}
    orient = _rotmats(table.fit_pose_axis_angle[p, first, :1])
    if calibrated:
        from_world = table.camera_rotation[p].astype(float)
        for v in views:
            turns[v] = from_world[v] @ from_world[first].T
            shifts[v] = (
                table.camera_translation[p, v]
                - turns[v] @ table.camera_translation[p, first]
            )
        orient = (from_world[first] @ _rotmats(table.world_orient[p]))[None]
    translation = table.fit_translation[p, first][None]

    def bodies(kind: str, label: str, pose: np.ndarray, betas: np.ndarray, **more: Any):
        return ShownBodies(kind, label, pose[None], betas[None], translation, **more)

    body_pose = _rotmats(table.fit_body_pose[p])
    one_body = np.concatenate([orient, body_pose])
    shown = [bodies(FIT, "one body of all views", one_body, table.fit_betas[p])]
    cameras = []
    for v in views:
        pose = _rotmats(table.pose_axis_angle[p, v])
        pose[0] = turns[v].T @ pose[0] if calibrated else orient[0]
        name = str(table.photo[p, v] or table.source[p, v])
        shown.append(
            bodies(
                VIEW,
                f"mode of {name}",
                pose,
                table.betas[p, v],
                log_prob=float(table.log_prob[p, v]),
            )
        )
        if calibrated or v == first:
            size = table.image_size_px[p, v]
            intrinsics = table.intrinsics[p, v]
            cameras.append(ShownCamera(name, turns[v], shifts[v], intrinsics, size))
    reasons = [_at(table.fit_implausible_reason, (p, v)) for v in views]
    judged = table.fit_plausible is not None
    return ShownPerson(
        name=str(table.person[p]),
        verdict="; ".join(sorted({str(r) for r in reasons if r})) if judged else None,
        bodies=tuple(shown),
        frames=np.zeros(1, int),
        cameras=tuple(cameras),
        pictures=_before_after(path, p),
    )


def _people_of_tracks(path: Path, table: FitTable) -> list[ShownPerson]:
    """Returns people over the frames of a video, fitted and as predicted."""
    predicted = {track.name: track for track in read_tracks(path, "0")}
    fitted = read_tracks(path, FITTED)
    verdict = None
    if len(fitted) == 1 and table.fit_plausible is not None:
        faults = int((table.fit_plausible == 0).sum())
        verdict = f"{faults} of {len(table.source)} frames" if faults else ""
    people = []

    def bodies_of(kind: str, label: str, track: Track) -> ShownBodies:
        return ShownBodies(kind, label, track.rotmats, track.betas, track.translation)

    for track in fitted:
        bodies = [bodies_of(FIT, "fitted", track)]
        before = predicted.get(track.name)
        if before is not None and len(before.frames) == len(track.frames):
            bodies.append(bodies_of(MODE, "mode of each frame", before))
        people.append(ShownPerson(track.name, verdict, tuple(bodies), track.frames))
    return people


def _rotmats(axis_angle: np.ndarray) -> np.ndarray:
    """Returns rotation matrices [..., 3, 3] of rotations as axis times angle."""
    turns = Rotation.from_rotvec(np.asarray(axis_angle, float).reshape(-1, 3))
    return turns.as_matrix().reshape(*axis_angle.shape, 3)


def _verdict(plausible: Any, reason: Any) -> str | None:
    return None if plausible is None else str(reason if reason is not None else "")


def _at(column: np.ndarray | None, place: Any) -> Any:
    return None if column is None else column[place]


def _before_after(table: Path, number: int) -> tuple[Path, ...]:
    path = table.parent / _OVERLAYS / f"{number:06d}_before_after.png"
    return (path,) if path.is_file() else ()


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Returns a key that sorts numbers in names by their size."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]
