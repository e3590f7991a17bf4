"""Reads everybody whom several calibrated cameras see at the same moments.

The mode "multiview" opens such input through `multiview_sources`. People in the views
of one moment are matched by geometry; whom one camera alone sees is left out.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from prohmr_jax.bulk_fitting.camera_checks import (
    Sighting,
    fitting_convention,
    require_fitting_cameras,
)
from prohmr_jax.bulk_fitting.camera_folders import Frames
from prohmr_jax.bulk_fitting.person_stream import SourceItem
from prohmr_jax.bulk_fitting.sources import fault_of, files_fingerprint
from prohmr_jax.bulk_fitting.view_reader import (
    PersonViews,
    ViewEntry,
    ViewReader,
    rig_of,
    stacked_joints,
)
from prohmr_jax.detection.types import PersonInPicture
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.triangulation import CameraRig
from prohmr_jax.geometry.view_matching import (
    MatchedPerson,
    PeopleOfView,
    match_people,
)

# As many moments, spread over all, say whether cameras fit each other.
_MOMENTS_CHECKED = 10
# Least share of the people whom another camera must see.
_MIN_MATCHED = 0.3
_ALONE = "matches nobody in the other views"
_View = tuple[ViewEntry, list[PersonInPicture]]


@dataclasses.dataclass(frozen=True)
class FramesSource:
    """Reads people moment by moment; an item is one moment (see `Source`)."""

    frames: Frames
    """Name of each moment, and the file of each camera that has one."""
    view_reader: ViewReader
    """Reader of the views, which uses cameras."""
    calibrated: bool = True
    """Whether cameras are used, as they always are."""

    def __len__(self) -> int:
        """Returns the number of moments."""
        return len(self.frames)

    @property
    def max_views(self) -> int:
        """Returns the largest number of cameras that have a file of one moment."""
        return max(len(entries) for _, entries in self.frames)

    def fingerprint(self) -> str:
        """Returns a digest of the files and the cameras."""
        digest = hashlib.sha256()
        entries = [entry for _, entries in self.frames for entry in entries]
        for camera in {id(e.camera): e.camera for e in entries}.values():
            digest.update(camera.content())
        paths, names = [e.path for e in entries], [e.name for e in entries]
        digest.update(files_fingerprint(paths, names).encode())
        return digest.hexdigest()

    def read(self, number: int) -> SourceItem:
        """Returns the people of a moment whom two cameras see or more."""
        name, _ = self.frames[number]
        views, left_out = self._views(number)
        if not views:
            return SourceItem(left_out=left_out)
        people = []
        for matched in _matched(rig_of([entry.camera for entry, _ in views]), views):
            if len(matched.numbers) > 1:
                whole = self._whole(name, f"{name}_{len(people)}", views, matched)
                if isinstance(whole, PersonViews):
                    people.append(whole)
                else:
                    left_out.append(whole)
                continue
            ((view, place),) = matched.numbers.items()
            entry, in_view = views[view]
            index = in_view[place].detection.person_index
            left_out.append(f"{name}, {entry.name}: person {index} {_ALONE}")
        return SourceItem(people, left_out)

    def require_fitting_cameras(self) -> None:
        """Refuses cameras by which people cannot be seen where they are seen.

        Raises:
          InputError: see `camera_checks.require_fitting_cameras`. If there are several
            people in the pictures, hardly anybody matches a person in another view.
        """
        step = -(-len(self) // _MOMENTS_CHECKED)
        moments = [self._views(number)[0] for number in range(0, len(self), step)]
        moments = [views for views in moments if len(views) > 1]
        if not moments:
            return
        file = moments[0][0][0].camera_file
        alone = [views for views in moments if all(len(p) == 1 for _, p in views)]
        cameras, sightings = [], []
        if 2 * len(alone) > len(moments):
            for views in alone:
                first = len(cameras)
                cameras += [entry.camera for entry, _ in views]
                people = [person for _, (person,) in views]
                places = tuple(range(first, len(cameras)))
                sightings.append(Sighting(places, *stacked_joints(people)))
            require_fitting_cameras(file, rig_of(cameras), sightings)
            return

        def matches(changed) -> bool:
            return _share_matched(changed, moments) >= _MIN_MATCHED

        if not matches(lambda rig: rig):
            likely = fitting_convention(matches)
            what = f"; the extrinsics look like {likely}" if likely else ""
            raise InputError(
                file,
                "has cameras by which hardly anybody is seen by two cameras: they are "
                f"others, or the pictures are not of the same moments{what}",
            )

    def _views(self, number: int) -> tuple[list[_View], list[str]]:
        """Returns the views of a moment with their people, and lines on faults."""
        name, entries = self.frames[number]
        views, left_out = [], []
        for entry in entries:
            try:
                people, faults = self.view_reader.people(entry)
                if len({person.picture for person in people.values()}) > 1:
                    raise InputError(entry.path, "holds more pictures than one")
            except InputError as error:
                fault = fault_of(entry.path, error)
                left_out.append(f"{name}, {entry.name}: {fault}")
                continue
            left_out += [
                f"{name}, {entry.name}: person {index} {fault}"
                for index, fault in sorted(faults.items())
            ]
            if people:
                views.append((entry, list(people.values())))
        return views, left_out

    def _whole(
        self, moment: str, person: str, views: Sequence[_View], matched: MatchedPerson
    ) -> PersonViews | str:
        """Returns a person with all views, or a line that says why there is none."""
        inputs, cameras = [], []
        for view, place in matched.numbers.items():
            entry, in_view = views[view]
            try:
                inputs.append(self.view_reader.whole(entry, in_view[place]))
            except InputError as error:
                return f"{moment}, {entry.name}: {fault_of(entry.path, error)}"
            cameras.append(entry.camera)
        return PersonViews(person, inputs, cameras)


def _matched(rig: CameraRig, views: Sequence[_View]) -> list[MatchedPerson]:
    seen = []
    for _, people in views:
        keypoints = [person.detection.keypoints for person in people]
        xy = np.stack([k.xy for k in keypoints]).astype(np.float64)
        seen.append(PeopleOfView(xy, np.stack([k.confidence for k in keypoints])))
    return match_people(rig, seen)


def _share_matched(changed, moments: Sequence[Sequence[_View]]) -> float:
    """Returns the share of the people whom another camera sees by changed cameras."""
    num_matched = num_people = 0
    for views in moments:
        rig = changed(rig_of([entry.camera for entry, _ in views]))
        counts = [len(person.numbers) for person in _matched(rig, views)]
        num_people += sum(counts)
        num_matched += sum(count for count in counts if count > 1)
    return num_matched / max(num_people, 1)
