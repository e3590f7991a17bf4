"""Reads people who are seen in several views, with or without calibrated cameras.

The mode "multiview" opens its input with `open_multiview_source`, which takes a
manifest or a folder. A manifest is JSON:

  {"people": [{"person": "a",
               "views": [{"detections": "cam0/0001_keypoints.json",
                          "person_index": 0, "photo": "cam0/0001.jpg",
                          "camera": "cam0"}, ...]}, ...],
   "cameras": {"cam0": {"K": [[...]], "R": [[...]], "t": [...]}, ...}}

Its paths are relative to the manifest. `person_index`, `photo`, `camera` and `cameras`
are optional, and the cameras can also be in a file `cameras.json` beside it. A folder
holds one folder for each person, whose `.json` files are the person's views;
`cameras.json`, in either folder, gives the cameras under the names of these files. K is
in pixels; R and t transform the world to the camera, in metres.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.calibration_files import (
    CalibratedCamera,
    parse_cameras,
    read_cameras,
)
from prohmr_jax.bulk_fitting.detected_people import person_input
from prohmr_jax.bulk_fitting.person_stream import PersonInput, SourceItem
from prohmr_jax.bulk_fitting.sources import fault_of, files_fingerprint
from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.detection.types import FilePeople
from prohmr_jax.errors import InputError
from prohmr_jax.files.json_text import read_json

CAMERAS_FILE = "cameras.json"
"""Name of the file that holds the cameras of a folder."""
_KEYPOINTS_ENDING = "_keypoints"
_FILES_KEPT = 64


@dataclasses.dataclass(frozen=True)
class ViewEntry:
    """Says where one view of a person is read from."""

    path: Path
    """File of detections."""
    name: str
    """Name of that file in results and messages."""
    person_index: int | None
    """Position in the file's list of people; None for the first usable person."""
    photo: str
    """Path of the photo; empty to follow the settings."""
    camera: CalibratedCamera | None
    """Camera of the view; None where it is not known."""


@dataclasses.dataclass(frozen=True)
class PersonViews:
    """Holds one person, seen in several views."""

    person: str
    """Name of the person in results."""
    views: Sequence[PersonInput]
    """Views that can be used, at least one."""
    cameras: Sequence[CalibratedCamera] | None
    """Camera of each view; None if cameras are not used."""

    @property
    def name(self) -> str:
        """Returns the name of this person in messages."""
        return self.person


@dataclasses.dataclass(frozen=True)
class MultiviewSource:
    """Reads people and their views; an item is one person (see `Source`)."""

    people: Sequence[tuple[str, Sequence[ViewEntry]]]
    """Name and views of each person."""
    reader: PeopleReader
    """Reader of the files of detections and the photos."""
    crop_px: int | None
    """Side of the crops that an image encoder sees, pixels; None for a keypoint
    encoder."""
    calibrated: bool
    """Whether cameras are used; views without a camera are then left out."""

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self.people)

    @property
    def max_views(self) -> int:
        """Returns the largest number of views that a person has."""
        return max(len(views) for _, views in self.people)

    def fingerprint(self) -> str:
        """Returns a digest of the people, their views, the files and the cameras."""
        digest = hashlib.sha256()
        for person, views in self.people:
            digest.update(f"{person} {len(views)}\n".encode())
        entries = [view for _, views in self.people for view in views]
        for view in entries:
            digest.update(f"{view.name} {view.person_index} {view.photo}\n".encode())
            if view.camera is not None and self.calibrated:
                for array in dataclasses.astuple(view.camera):
                    digest.update(np.ascontiguousarray(array).tobytes())
        paths, names = [v.path for v in entries], [v.name for v in entries]
        digest.update(files_fingerprint(paths, names).encode())
        return digest.hexdigest()

    def read(self, number: int) -> SourceItem:
        """Returns a person with the views that can be used."""
        person, entries = self.people[number]
        views, cameras, left_out = [], [], []
        for entry in entries:
            try:
                views.append(self._read_view(entry))
                cameras.append(entry.camera)
            except InputError as error:
                fault = fault_of(entry.path, error)
                left_out.append(f"{person}, {entry.name}: {fault}")
        if not views:
            left_out.append(f"{person}: has no view that can be used")
            return SourceItem(left_out=left_out)
        person_views = PersonViews(person, views, cameras if self.calibrated else None)
        return SourceItem([person_views], left_out)

    @functools.cached_property
    def _read_file(self) -> Callable[[InputFile, str], FilePeople]:
        """Returns a function that reads a file of detections, and keeps the last ones.

        Many people can be in the same file.
        """
        return functools.lru_cache(_FILES_KEPT)(self.reader.read)

    def _read_view(self, entry: ViewEntry) -> PersonInput:
        if self.calibrated and entry.camera is None:
            raise InputError(entry.path, "has no camera")
        in_file = self._read_file(InputFile(entry.path, entry.name, False), entry.photo)
        people = {person.detection.person_index: person for person in in_file.people}
        index = min(people) if entry.person_index is None else entry.person_index
        if index not in people:
            faults = {p.person_index: p.reason for p in in_file.left_out}
            fault = faults.get(index, "is not in the file")
            raise InputError(entry.path, f"person {index} {fault}")
        view = person_input(self.reader, people[index], entry.name, self.crop_px)
        if entry.camera is None or not self.calibrated:
            return view
        return dataclasses.replace(view, intrinsics=entry.camera.intrinsics)


def open_multiview_source(
    path: str | os.PathLike,
    reader: PeopleReader,
    crop_px: int | None,
    use_cameras: bool,
) -> MultiviewSource:
    """Returns the people of a manifest, or of a folder with a folder for each person.

    Args:
      path: the manifest or the folder, as the module describes them.
      reader: reader of the files of detections and the photos.
      crop_px: side of the crops that an image encoder sees, pixels; None for a keypoint
        encoder.
      use_cameras: False ignores the cameras of the input.

    Raises:
      InputError: the path does not exist, or is not as described.
    """
    path = Path(path)
    people = _folder_people(path) if path.is_dir() else _manifest_people(path)
    people = [(name, views) for name, views in people if views]
    if not people:
        raise InputError(path, "holds nobody")
    any_camera = any(view.camera is not None for _, views in people for view in views)
    calibrated = use_cameras and any_camera
    return MultiviewSource(people, reader, crop_px, calibrated)


def _folder_people(path: Path) -> list[tuple[str, list[ViewEntry]]]:
    shared_cameras = read_cameras(path / CAMERAS_FILE)
    people = []
    for folder in sorted(child for child in path.iterdir() if child.is_dir()):
        cameras = shared_cameras | read_cameras(folder / CAMERAS_FILE)
        views = []
        for file in sorted(folder.glob("*.json")):
            if file.name == CAMERAS_FILE:
                continue
            short_name = file.stem.removesuffix(_KEYPOINTS_ENDING)
            camera = cameras.get(file.stem, cameras.get(short_name))
            name = f"{folder.name}/{file.name}"
            views.append(ViewEntry(file, name, None, "", camera))
        people.append((folder.name, views))
    return people


def _manifest_people(path: Path) -> list[tuple[str, list[ViewEntry]]]:
    content = read_json(path)
    if isinstance(content, list):
        content = {"people": content}
    if not isinstance(content, dict) or not isinstance(content.get("people"), list):
        raise InputError(path, 'has no list of "people"')
    cameras = read_cameras(path.parent / CAMERAS_FILE)
    if "cameras" in content:
        cameras |= parse_cameras(path, content["cameras"])
    people = []
    for number, entry in enumerate(content["people"]):
        views = entry.get("views") if isinstance(entry, dict) else None
        if not isinstance(views, list) or not all(isinstance(v, dict) for v in views):
            raise InputError(path, f"entry {number} of people has no list of views")
        person = str(entry.get("person", number))
        entries = [_parse_view(path, person, view, cameras) for view in views]
        people.append((person, entries))
    return people


def _parse_view(
    path: Path,
    person: str,
    view: Mapping[str, object],
    cameras: Mapping[str, CalibratedCamera],
) -> ViewEntry:
    name, index = view.get("detections"), view.get("person_index", 0)
    photo, camera = view.get("photo", ""), view.get("camera")
    if not isinstance(name, str) or type(index) is not int or type(photo) is not str:
        raise InputError(
            path,
            f"a view of {person} needs the path of its detections as text; "
            "person_index is a whole number and photo is text",
        )
    if isinstance(camera, dict):
        camera = parse_cameras(path, {person: camera})[person]
    elif camera is not None:
        if not isinstance(camera, str) or camera not in cameras:
            raise InputError(path, f"a view of {person} has an unknown camera {camera}")
        camera = cameras[camera]
    photo = str(path.parent / photo) if photo else ""
    return ViewEntry(path.parent / name, name, index, photo, camera)
