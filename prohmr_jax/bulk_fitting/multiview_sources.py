"""Reads people who are seen in several views, with or without calibrated cameras.

The mode "multiview" opens its input with `open_multiview_source`.
"""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.camera_checks import Sighting, require_fitting_cameras
from prohmr_jax.bulk_fitting.camera_folders import (
    Frames,
    frames_of_cameras,
    look_like_cameras,
)
from prohmr_jax.bulk_fitting.frame_sources import FramesSource
from prohmr_jax.bulk_fitting.person_stream import SourceItem
from prohmr_jax.bulk_fitting.sources import fault_of, files_fingerprint
from prohmr_jax.bulk_fitting.view_lists import (
    NamedCameras,
    have_names_of_folders,
    have_names_of_views,
    people_of_folder,
    people_of_manifest,
)
from prohmr_jax.bulk_fitting.view_reader import (
    PersonViews,
    ViewEntry,
    ViewReader,
    rig_of,
    stacked_joints,
)
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.detection.types import PersonInPicture
from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.any_format import (
    OWN_FILE,
    find_calibration,
    read_cameras,
)
from prohmr_jax.geometry.view_matching import agreeing_views

# As many people say whether cameras fit each other.
_PEOPLE_CHECKED = 30
_ANOTHER = "shows another person than the other views, by the cameras"


@dataclasses.dataclass(frozen=True)
class MultiviewSource:
    """Reads people and their views; an item is one person (see `Source`)."""

    people: Sequence[tuple[str, Sequence[ViewEntry]]]
    """Name and views of each person."""
    view_reader: ViewReader
    """Reader of the views."""

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self.people)

    @property
    def max_views(self) -> int:
        """Returns the largest number of views that a person has."""
        return max(len(views) for _, views in self.people)

    @property
    def calibrated(self) -> bool:
        """Returns whether cameras are used; views without one are then left out."""
        return self.view_reader.calibrated

    def fingerprint(self) -> str:
        """Returns a digest of the people, their views, the files and the cameras."""
        digest = hashlib.sha256()
        for person, views in self.people:
            digest.update(f"{person} {len(views)}\n".encode())
        entries = [view for _, views in self.people for view in views]
        for view in entries:
            digest.update(f"{view.name} {view.person_index} {view.photo}\n".encode())
            if view.camera is not None and self.calibrated:
                digest.update(view.camera.content())
        paths, names = [v.path for v in entries], [v.name for v in entries]
        digest.update(files_fingerprint(paths, names).encode())
        return digest.hexdigest()

    def read(self, number: int) -> SourceItem:
        """Returns a person with the views that can be used."""
        name, entries = self.people[number]
        seen, left_out = self._seen(number)
        if self.calibrated and len(seen) > 1:
            agrees = _agreeing([entries[view] for view in seen], list(seen.values()))
            others = [view for view, same in zip(seen, agrees, strict=True) if not same]
            if len(others) == len(seen):
                left_out.append(f"{name}: its views show no one person, by the cameras")
                return SourceItem(left_out=left_out)
            for view in others:
                del seen[view]
                left_out.append(f"{name}, {entries[view].name}: {_ANOTHER}")
        views, cameras = [], []
        for view, person in seen.items():
            entry = entries[view]
            try:
                views.append(self.view_reader.whole(entry, person))
                cameras.append(entry.camera)
            except InputError as error:
                fault = fault_of(entry.path, error)
                left_out.append(f"{name}, {entry.name}: {fault}")
        if not views:
            left_out.append(f"{name}: has no view that can be used")
            return SourceItem(left_out=left_out)
        person_views = PersonViews(name, views, cameras if self.calibrated else None)
        return SourceItem([person_views], left_out)

    def require_fitting_cameras(self) -> None:
        """Refuses cameras by which the first people cannot be seen where they are.

        Raises:
          InputError: see `camera_checks.require_fitting_cameras`.
        """
        numbers = range(min(len(self), _PEOPLE_CHECKED)) if self.calibrated else ()
        by_file: dict[Path, list[tuple[list[ViewEntry], list[PersonInPicture]]]] = {}
        for number in numbers:
            (_, entries), (seen, _) = self.people[number], self._seen(number)
            if seen:
                chosen = [entries[view] for view in seen]
                people = list(seen.values())
                by_file.setdefault(chosen[0].camera_file, []).append((chosen, people))
        for file, sightings in by_file.items():
            rigs, checked = [], []
            for entries, people in sightings:
                first = len(rigs)
                rigs += [entry.camera for entry in entries]
                cameras = tuple(range(first, len(rigs)))
                checked.append(Sighting(cameras, *stacked_joints(people)))
            require_fitting_cameras(file, rig_of(rigs), checked)

    def _seen(self, number: int) -> tuple[dict[int, PersonInPicture], list[str]]:
        """Returns a person in each view that can be used, by the view's number.

        The second value is a line for each other view.
        """
        name, entries = self.people[number]
        seen, left_out = {}, []
        for view, entry in enumerate(entries):
            try:
                seen[view] = self.view_reader.person(entry)
            except InputError as error:
                fault = fault_of(entry.path, error)
                left_out.append(f"{name}, {entry.name}: {fault}")
        return seen, left_out


def _agreeing(
    entries: Sequence[ViewEntry], people: Sequence[PersonInPicture]
) -> np.ndarray:
    """Returns which views show the person whom most views show, [N] bool."""
    rig = rig_of([entry.camera for entry in entries])
    return agreeing_views(rig, *stacked_joints(people))


def open_multiview_source(
    path: str | os.PathLike,
    reader: PeopleReader,
    crop_px: int | None,
    use_cameras: bool,
    calibration: str | os.PathLike = "",
    output: str | os.PathLike = "",
) -> MultiviewSource | FramesSource:
    """Returns the people of a manifest, of a folder of people or of cameras' folders.

    Args:
      path: the manifest or the folder, as `view_lists` and `camera_folders` describe
        them.
      reader: reader of the files of detections and the photos.
      crop_px: side of the crops that an image encoder sees, pixels; None for a keypoint
        encoder.
      use_cameras: False ignores the cameras of the input.
      calibration: file or folder of the cameras, see `files.calibrations.any_format`;
        empty for the cameras in the input.
      output: folder of the results; what lies there is no input.

    Raises:
      InputError: the path does not exist, or is not as described; or cameras are used,
        and no view has one of them, or people cannot be seen by them.
    """
    path, given = Path(path), {}
    if calibration:
        cameras = read_cameras(Path(calibration))
        given = {name: (camera, Path(calibration)) for name, camera in cameras.items()}
    if path.is_dir() and use_cameras:
        frames = _frames(path, given, reader, Path(output))
        if frames:
            source = FramesSource(frames, ViewReader(reader, crop_px, True))
            source.require_fitting_cameras()
            return source
    if path.is_dir() and look_like_cameras(path) and not use_cameras:
        raise InputError(
            path,
            "has a folder for each camera, and people are matched by the cameras: it "
            "needs config.method=joint and config.use_cameras=True",
        )
    people = people_of_folder if path.is_dir() else people_of_manifest
    people = people(path, use_cameras, given)
    any_camera = any(view.camera is not None for _, views in people for view in views)
    calibrated = use_cameras and any_camera
    source = MultiviewSource(people, ViewReader(reader, crop_px, calibrated))
    source.require_fitting_cameras()
    return source


def _frames(
    path: Path, given: NamedCameras, reader: PeopleReader, output: Path
) -> Frames:
    """Returns the moments of a folder with a folder for each camera, or nothing.

    Nothing is returned for a folder with a folder for each person, whose files have the
    names of cameras.
    """
    if given:
        if have_names_of_views(path, given):
            return []
        cameras = {name: camera for name, (camera, _) in given.items()}
        file = next(iter(given.values()))[1]
        return frames_of_cameras(path, cameras, file, reader, output)
    file = find_calibration(path)
    if file == path or file is None:
        if look_like_cameras(path):
            raise InputError(
                path,
                "has a folder for each camera and no calibration: name its file or "
                "folder in config.cameras",
            )
        return []
    cameras = read_cameras(file)
    if file == path / OWN_FILE:
        own = {name: (camera, file) for name, camera in cameras.items()}
        of_folders = have_names_of_folders(path, own) or look_like_cameras(path)
        if have_names_of_views(path, own) or not of_folders:
            return []
    return frames_of_cameras(path, cameras, file, reader, output)
