"""Finds the folders of calibrated cameras, and the files of each moment in them.

  session/cam0/000000_keypoints.json     one folder for each camera
  session/cam1/000000_keypoints.json
  session/calibration/Calib.toml         or another calibration

`frame_sources` reads the files. The folders can have the names of Pose2Sim
(`pose/cam0_json`) and of EasyMocap (`annots/0`), and photos need no detections.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from prohmr_jax.bulk_fitting.view_reader import ViewEntry
from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from prohmr_jax.files.photos import is_picture_name

# Folders of a session in which the folders of the cameras can be.
_CONTAINERS = ("", "pose-sync", "pose", "annots", "openpose", "keypoints", "detections")
_PHOTOS = "images"
_ENDING = re.compile(r"[._-]?(json|keypoints|predictions)$", re.IGNORECASE)
_CAMERA_LIKE = re.compile(r"(cam|camera)[ ._-]?\d+(_json)?", re.IGNORECASE)
_LOG = logging.getLogger(__name__)
Frames = list[tuple[str, list[ViewEntry]]]
"""Name of each moment, and the file of each camera that has one."""


def look_like_cameras(folder: Path) -> bool:
    """Returns whether the folders in a folder are named like cameras."""
    names = [child.name for child in folder.iterdir() if child.is_dir()]
    return sum(_CAMERA_LIKE.fullmatch(name) is not None for name in names) >= 2


def frames_of_cameras(
    path: Path,
    cameras: Mapping[str, CalibratedCamera],
    camera_file: Path,
    reader: PeopleReader,
    output: Path,
) -> Frames:
    """Returns the moments of a session, in the order of their numbers.

    Args:
      path: folder of the session.
      cameras: its cameras by name.
      camera_file: file that they were read from, for messages.
      reader: reader that lists the files of a folder.
      output: folder of the results; what lies there is no input.

    Raises:
      InputError: there are not two folders that belong to cameras, or no moment that
        two of them show.
    """
    container, camera_of = _folders_of_cameras(path, cameras, camera_file)
    moments: dict[str | int, tuple[str, list[ViewEntry]]] = {}
    files = {folder: reader.files(folder, output) for folder in camera_of}
    keys = _moment_keys({folder: files[folder] for folder in camera_of})
    for folder, name in camera_of.items():
        photos = _photos_beside(container, folder)
        for file, (key, text) in zip(files[folder], keys[folder], strict=True):
            entry = ViewEntry(
                path=file.path,
                name=(folder.relative_to(path) / file.name).as_posix(),
                person_index=None,
                photo="" if file.is_photo else photos.get(_bare(file.path.stem), ""),
                camera=cameras[name],
                camera_file=camera_file,
                is_photo=file.is_photo,
            )
            moments.setdefault(key, (text, []))[1].append(entry)
    frames = [moments[key] for key in sorted(moments)]
    if not any(len(entries) > 1 for _, entries in frames):
        raise InputError(
            path, "has no frame that two cameras show: their files have other numbers"
        )
    return frames


def _folders_of_cameras(
    path: Path, cameras: Mapping[str, CalibratedCamera], camera_file: Path
) -> tuple[Path, dict[Path, str]]:
    """Returns the folder that holds the cameras' folders, and the camera of each."""
    for container in (path / name for name in _CONTAINERS):
        folders = _candidates(container)
        chosen = _by_name([folder.name for folder in folders], list(cameras))
        if len(chosen) < 2:
            continue
        for folder in folders:
            if folder.name not in chosen:
                _LOG.warning("%s is not read: no camera has its name", folder)
        unused = [name for name in cameras if name not in chosen.values()]
        if unused:
            _LOG.warning("cameras without a folder: %s", ", ".join(unused))
        return container, {f: chosen[f.name] for f in folders if f.name in chosen}
    for container in (path / name for name in _CONTAINERS):
        folders = [f for f in _candidates(container) if _holds_files(f)]
        if len(folders) == len(cameras) > 1:
            pairs = dict(zip(folders, cameras, strict=True))
            _LOG.warning(
                "no folder has the name of a camera, and the order decides: %s",
                ", ".join(f"{folder.name} is {name}" for folder, name in pairs.items()),
            )
            return container, pairs
    folders = ", ".join(folder.name for folder in _candidates(path)) or "none"
    raise InputError(
        camera_file,
        f"has cameras ({', '.join(cameras)}) that are not those of the folders in "
        f"{path} ({folders})",
    )


def _candidates(container: Path) -> list[Path]:
    if not container.is_dir():
        return []
    children = sorted(container.iterdir(), key=lambda child: _natural(child.name))
    return [c for c in children if c.is_dir() and not c.name.startswith(".")]


def _holds_files(folder: Path) -> bool:
    return any(
        file.suffix.lower() == ".json" or is_picture_name(file)
        for file in folder.iterdir()
        if file.is_file()
    )


def _by_name(folders: Sequence[str], cameras: Sequence[str]) -> dict[str, str]:
    """Returns the camera of each folder that has the same name, or the same number.

    Names that differ in case and separators are the same. Numbers count if all folders
    have one, and each has a camera.
    """
    for simplify, needs_all in ((str, False), (_simplified, False), (_number, True)):
        by_key = _unique(cameras, simplify)
        keys = _unique(folders, simplify)
        chosen = {folder: by_key[key] for key, folder in keys.items() if key in by_key}
        if len(chosen) >= (len(folders) if needs_all else 2):
            return chosen
    return {}


def _unique(names: Iterable[str], simplify: Callable) -> dict:
    """Returns the names by what they are simplified to, where that is unique."""
    keys = [(simplify(name), name) for name in names]
    counts = [key for key, _ in keys]
    return {k: name for k, name in keys if k is not None and counts.count(k) == 1}


def _bare(name: str) -> str:
    """Returns a name without the endings that detectors give."""
    return _ENDING.sub("", name)


def _simplified(name: str) -> str:
    return re.sub(r"[\W_]", "", _bare(name)).lower()


def _number(name: str) -> int | None:
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else None


def _natural(name: str) -> list[tuple[bool, int | str]]:
    """Returns a key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(p.isdigit(), int(p) if p.isdigit() else p) for p in parts]


def _moment_keys(
    files: Mapping[Path, Sequence[InputFile]],
) -> dict[Path, list[tuple[str | int, str]]]:
    """Returns what is equal for the files of one moment, and the moment's name.

    That is the last number in the name of a file, if it tells the files of each folder
    apart; otherwise the name without that of the camera.
    """
    stems = {
        folder: [_without_camera(folder, file.path) for file in in_folder]
        for folder, in_folder in files.items()
    }
    numbers = {
        folder: [_number(s) for s in in_folder] for folder, in_folder in stems.items()
    }
    if all(None not in n and len(set(n)) == len(n) for n in numbers.values()):
        return {
            folder: [
                (n, re.findall(r"\d+", s)[-1])
                for n, s in zip(numbers[folder], stems[folder], strict=True)
            ]
            for folder in files
        }
    return {
        folder: [(stem, stem) for stem in in_folder]
        for folder, in_folder in stems.items()
    }


def _without_camera(folder: Path, file: Path) -> str:
    """Returns the name of a file without that of its camera, if that has letters."""
    camera, stem = _bare(folder.name), _bare(file.stem)
    if not re.search("[A-Za-z]", camera):
        return stem
    whole = rf"(?<![A-Za-z0-9]){re.escape(camera)}(?![A-Za-z0-9])"
    return re.sub(whole, "", stem).strip("_-. ")


def _photos_beside(container: Path, folder: Path) -> dict[str, str]:
    """Returns the photos of a camera in `images` beside the detections, by name."""
    photos = container.parent / _PHOTOS / folder.name
    if not photos.is_dir() or photos == folder:
        return {}
    return {file.stem: str(file) for file in photos.iterdir() if is_picture_name(file)}
