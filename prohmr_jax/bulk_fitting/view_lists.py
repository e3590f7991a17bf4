"""Lists the people of a manifest or of a folder, each with the files of their views.

`multiview_sources` reads the files. A manifest is JSON::

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

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prohmr_jax.bulk_fitting.view_reader import ViewEntry
from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.any_format import OWN_FILE
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from prohmr_jax.files.calibrations.own_json import parse_own_cameras, read_own_cameras
from prohmr_jax.files.json_text import read_json

_KEYPOINTS_ENDING = "_keypoints"
_PERSON_KEYS = ("person", "views")
_VIEW_KEYS = ("detections", "person_index", "photo", "camera")
# As many names are listed in messages.
_NAMES_LISTED = 6
People = list[tuple[str, list[ViewEntry]]]
"""Name and views of each person."""
NamedCameras = dict[str, tuple[CalibratedCamera, Path]]
"""Name of each camera -> the camera, and the file that it was read from."""


def people_of_folder(path: Path, use_cameras: bool, given: NamedCameras) -> People:
    """Returns the people of a folder that holds a folder for each person.

    Args:
      path: the folder.
      use_cameras: whether cameras must have the names of views.
      given: cameras beside those in the folder.

    Raises:
      InputError: the folder has no people, or a file of cameras is damaged or, if
        cameras are used, has cameras of no view.
    """
    shared, people = given | _cameras_of(path / OWN_FILE), []
    for folder in sorted(child for child in path.iterdir() if child.is_dir()):
        own = _cameras_of(folder / OWN_FILE)
        files = [f for f in sorted(folder.glob("*.json")) if f.name != OWN_FILE]
        views = [_folder_view(folder, file, shared | own) for file in files]
        if use_cameras:
            _require_a_match(folder / OWN_FILE, own, views)
        people.append((folder.name, views))
    people = _with_views(path, people)
    if use_cameras:
        every_view = [view for _, views in people for view in views]
        for file in {file for _, file in shared.values()}:
            of_file = {n: camera for n, camera in shared.items() if camera[1] == file}
            _require_a_match(file, of_file, every_view)
    return people


def have_names_of_views(path: Path, cameras: NamedCameras) -> bool:
    """Returns whether cameras have the names of files in the folders of a folder."""
    files = (file for folder in path.iterdir() if folder.is_dir()
             for file in folder.glob("*.json"))  # fmt: skip
    return any(
        name in cameras
        for file in files
        for name in (file.stem, file.stem.removesuffix(_KEYPOINTS_ENDING))
    )


def have_names_of_folders(path: Path, cameras: NamedCameras) -> bool:
    """Returns whether cameras have the names of two folders in a folder or more."""
    names = {child.name.removesuffix("_json") for child in path.iterdir()}
    return len(names & set(cameras)) > 1


def _with_views(path: Path, people: People) -> People:
    people = [(name, views) for name, views in people if views]
    if not people:
        raise InputError(path, "holds nobody")
    return people


def _folder_view(folder: Path, file: Path, cameras: NamedCameras) -> ViewEntry:
    short_name = file.stem.removesuffix(_KEYPOINTS_ENDING)
    camera = cameras.get(file.stem, cameras.get(short_name, (None, None)))
    return ViewEntry(file, f"{folder.name}/{file.name}", None, "", *camera)


def _cameras_of(path: Path) -> NamedCameras:
    """Returns the cameras of a file and the file; none if the file does not exist."""
    cameras = read_own_cameras(path) if path.exists() else {}
    return {name: (camera, path) for name, camera in cameras.items()}


def _require_a_match(
    path: Path, cameras: NamedCameras, views: Sequence[ViewEntry]
) -> None:
    """Refuses cameras that belong to no view."""
    if cameras and not any(view.camera_file == path for view in views):
        files = sorted(
            {view.path.stem.removesuffix(_KEYPOINTS_ENDING) for view in views}
        )
        raise InputError(
            path,
            f"has cameras of no view: they are named {_listed(cameras)}, and the views "
            f"{_listed(files) or 'are none'}",
        )


def _listed(names: Sequence[str]) -> str:
    names = list(names)
    more = ", ..." * (len(names) > _NAMES_LISTED)
    return ", ".join(names[:_NAMES_LISTED]) + more


def people_of_manifest(path: Path, use_cameras: bool, given: NamedCameras) -> People:
    """Returns the people of a manifest.

    Args:
      path: the manifest.
      use_cameras: whether a view must name one of the cameras, if there are any.
      given: cameras beside those of the manifest.

    Raises:
      InputError: the manifest is not as the module describes it, holds nobody, or, if
        cameras are used, has cameras that no view names.
    """
    content = read_json(path)
    if isinstance(content, list):
        content = {"people": content}
    if not isinstance(content, dict) or not isinstance(content.get("people"), list):
        raise InputError(path, 'has no list of "people"')
    _require_known(path, "it", content, ("people", "cameras"))
    cameras = given | _cameras_of(path.parent / OWN_FILE)
    if "cameras" in content:
        in_manifest = parse_own_cameras(path, content["cameras"])
        cameras |= {name: (camera, path) for name, camera in in_manifest.items()}
    people = []
    for number, entry in enumerate(content["people"]):
        views = entry.get("views") if isinstance(entry, dict) else None
        if not isinstance(views, list) or not all(isinstance(v, dict) for v in views):
            raise InputError(path, f"entry {number} of people has no list of views")
        person = str(entry.get("person", number))
        _require_known(path, f"person {person}", entry, _PERSON_KEYS)
        entries = [_parse_view(path, person, view, cameras) for view in views]
        _require_different(path, person, entries)
        people.append((person, entries))
    people = _with_views(path, people)
    if use_cameras and cameras:
        if not any(view.camera is not None for _, views in people for view in views):
            raise InputError(
                path, f"has cameras ({_listed(cameras)}), but no view names one of them"
            )
    return people


def _require_different(path: Path, person: str, views: Sequence[ViewEntry]) -> None:
    """Refuses a view that is there twice, and would count twice."""
    places = [(os.path.normpath(view.path), view.person_index) for view in views]
    for place, view in zip(places, views, strict=True):
        if places.count(place) > 1:
            raise InputError(
                path,
                f"person {person} has the same view twice: {view.name}, "
                f"person_index {view.person_index}",
            )


def _require_known(
    path: Path, owner: str, content: Mapping[str, object], keys: Sequence[str]
) -> None:
    """Refuses keys that would not be read, such as misspelt ones."""
    for key in content:
        if key not in keys:
            known = ", ".join(keys)
            raise InputError(
                path, f'{owner} has an unknown key "{key}"; {known} are read'
            )


def _parse_view(
    path: Path, person: str, view: Mapping[str, object], cameras: NamedCameras
) -> ViewEntry:
    _require_known(path, f"a view of {person}", view, _VIEW_KEYS)
    name, index = view.get("detections"), view.get("person_index", 0)
    photo, camera = view.get("photo", ""), view.get("camera")
    if not isinstance(name, str) or type(index) is not int or type(photo) is not str:
        raise InputError(
            path,
            f"a view of {person} needs the path of its detections as text; "
            "person_index is a whole number and photo is text",
        )
    chosen = None, None
    if isinstance(camera, dict):
        chosen = parse_own_cameras(path, {person: camera})[person], path
    elif camera is not None:
        if not isinstance(camera, str) or camera not in cameras:
            raise InputError(path, f"a view of {person} has an unknown camera {camera}")
        chosen = cameras[camera]
    photo = str(path.parent / photo) if photo else ""
    return ViewEntry(path.parent / name, name, index, photo, *chosen)
