"""Views of people: a manifest, or a folder for each person, with cameras or without.

A manifest is JSON:

  {"people": [{"person": "a",
               "views": [{"detections": "cam0/0001_keypoints.json",
                          "person_index": 0, "photo": "cam0/0001.jpg",
                          "camera": "cam0"}, ...]}, ...],
   "cameras": {"cam0": {"K": [[...]], "R": [[...]], "t": [...]}, ...}}

Paths are relative to it; `person_index`, `photo`, `camera` and `cameras` may be absent,
and `cameras` may be a file `cameras.json` beside it. A folder holds a folder for each
person, whose `.json` files are the views; `cameras.json`, there or above, names cameras
by the views' files. K is in pixels; R and t take the world to the camera, metres.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.calibration_files import (
    KnownCamera,
    parse_cameras,
    read_cameras,
)
from prohmr_jax.bulk_fitting.detected_people import Photos, PhotoSettings
from prohmr_jax.bulk_fitting.person_stream import Sighting, Unit
from prohmr_jax.bulk_fitting.sources import fingerprint
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detections, read_detections
from prohmr_jax.files.json_text import read_json

CAMERAS = "cameras.json"
_KEYPOINTS_ENDING = "_keypoints"
_FILES_KEPT = 64


@dataclasses.dataclass(frozen=True)
class ViewFile:
    """A view as the manifest has it."""

    path: Path
    name: str
    person_index: int | None
    """None: the first person who can be used."""
    photo: str
    camera: KnownCamera | None


@dataclasses.dataclass(frozen=True)
class Group:
    """One person, seen in some views."""

    person: str
    views: Sequence[Sighting]
    cameras: Sequence[KnownCamera] | None

    @property
    def name(self) -> str:
        """What messages call this person."""
        return self.person


@dataclasses.dataclass(frozen=True)
class Groups:
    """A `people.Source` of groups, one in a unit."""

    people: Sequence[tuple[str, Sequence[ViewFile]]]
    settings: PhotoSettings
    calibrated: bool
    """Whether cameras are used; views without one are then left out."""
    detections: Callable[[Path], Detections] = dataclasses.field(
        default_factory=lambda: functools.lru_cache(_FILES_KEPT)(read_detections)
    )
    """Reads a file; many people may be in one."""

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self.people)

    @property
    def most_views(self) -> int:
        """The largest number of views of a person."""
        return max(len(views) for _, views in self.people)

    def fingerprint(self) -> str:
        """Returns a digest of who is seen where, of the files, and of the cameras."""
        digest = hashlib.sha256()
        views = [view for _, views in self.people for view in views]
        for person, of_person in self.people:
            digest.update(f"{person} {len(of_person)}\n".encode())
        for view in views:
            digest.update(f"{view.name} {view.person_index} {view.photo}\n".encode())
            if view.camera is not None and self.calibrated:
                for array in dataclasses.astuple(view.camera):
                    digest.update(np.ascontiguousarray(array).tobytes())
        paths, names = [v.path for v in views], [v.name for v in views]
        digest.update(fingerprint(paths, names).encode())
        return digest.hexdigest()

    def read(self, number: int) -> Unit:
        """Returns a person with those views that can be used."""
        person, views = self.people[number]
        found, cameras, left_out = [], [], []
        for view in views:
            try:
                found.append(self._read_view(view))
                cameras.append(view.camera)
            except InputError as error:
                left_out.append(f"{person}: {view.name}: {error.what}")
        if not found:
            return Unit(left_out=[*left_out, f"{person}: has no view that can be used"])
        known = cameras if self.calibrated else None
        return Unit([Group(person, found, known)], left_out)

    def _read_view(self, view: ViewFile) -> Sighting:
        if self.calibrated and view.camera is None:
            raise InputError(view.path, "has no camera")
        found = self.detections(view.path)
        index = view.person_index
        people = {person.person_index: person for person in found.people}
        if index is None:
            index = min(people)
        if index not in people:
            faults = {p.person_index: p.reason for p in found.left_out}
            fault = faults.get(index, "is not there")
            raise InputError(view.path, f"person {index} {fault}")
        photos = Photos(self.settings)
        sighting = photos.sighting(view.path, view.name, people[index], view.photo)
        if view.camera is None or not self.calibrated:
            return sighting
        return dataclasses.replace(sighting, intrinsics=view.camera.intrinsics)


def open_groups(
    path: str | os.PathLike, settings: PhotoSettings, use_cameras: bool
) -> Groups:
    """Returns the people of a manifest or of a folder of folders.

    Args:
      path: of it.
      settings: of their photos.
      use_cameras: False forgets cameras.

    Raises:
      InputError: it is missing, or not as described.
    """
    path = Path(path)
    people = _of_folder(path) if path.is_dir() else _of_manifest(path)
    people = [(name, views) for name, views in people if views]
    if not people:
        raise InputError(path, "holds nobody")
    known = any(view.camera is not None for _, views in people for view in views)
    return Groups(people, settings, calibrated=use_cameras and known)


def _of_folder(path: Path) -> list[tuple[str, list[ViewFile]]]:
    shared = read_cameras(path / CAMERAS)
    people = []
    for folder in sorted(child for child in path.iterdir() if child.is_dir()):
        cameras = shared | read_cameras(folder / CAMERAS)
        views = []
        for file in sorted(folder.glob("*.json")):
            if file.name == CAMERAS:
                continue
            stem = file.stem.removesuffix(_KEYPOINTS_ENDING)
            camera = cameras.get(file.stem, cameras.get(stem))
            name = f"{folder.name}/{file.name}"
            views.append(ViewFile(file, name, None, "", camera))
        people.append((folder.name, views))
    return people


def _of_manifest(path: Path) -> list[tuple[str, list[ViewFile]]]:
    content = read_json(path)
    if isinstance(content, list):
        content = {"people": content}
    if not isinstance(content, dict) or not isinstance(content.get("people"), list):
        raise InputError(path, 'has no list of "people"')
    cameras = read_cameras(path.parent / CAMERAS)
    if "cameras" in content:
        cameras |= parse_cameras(path, content["cameras"])
    people = []
    for number, entry in enumerate(content["people"]):
        views = entry.get("views") if isinstance(entry, dict) else None
        if not isinstance(views, list) or not all(isinstance(v, dict) for v in views):
            raise InputError(path, f"entry {number} of people has no list of views")
        person = str(entry.get("person", number))
        files = [_parse_view(path, person, view, cameras) for view in views]
        people.append((person, files))
    return people


def _parse_view(path: Path, person: str, view: Mapping, cameras: dict) -> ViewFile:
    name, index = view.get("detections"), view.get("person_index", 0)
    photo, camera = view.get("photo", ""), view.get("camera")
    if not isinstance(name, str) or type(index) is not int or type(photo) is not str:
        raise InputError(path, f"a view of {person} does not say which detections")
    if isinstance(camera, dict):
        camera = parse_cameras(path, {person: camera})[person]
    elif camera is not None:
        if not isinstance(camera, str) or camera not in cameras:
            raise InputError(path, f"a view of {person} has an unknown camera {camera}")
        camera = cameras[camera]
    photo = str(path.parent / photo) if photo else ""
    return ViewFile(path.parent / name, name, index, photo, camera)
