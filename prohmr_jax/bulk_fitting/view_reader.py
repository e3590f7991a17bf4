"""Reads single views of people who are seen by several cameras.

The sources of `multiview_sources` and `camera_folders` read their views with
`ViewReader`, so that lenses are undone for both and people are refused by both for the
same reasons.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.detected_people import person_input
from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.people_reader import MIN_INSIDE, PeopleReader, share_inside
from prohmr_jax.detection.types import FilePeople, PersonInPicture
from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.geometry.lenses import Lens, undistort_points
from prohmr_jax.geometry.triangulation import CameraRig
from prohmr_jax.structs import Keypoints2D

_FILES_KEPT = 64
# As many joints must be seen for a box around the person.
_MIN_JOINTS = 2
# Joints that a pinhole camera would show at a larger tangent of the angle to its axis
# make the person's box too large to be of use.
_LARGEST_TAN = 4.0
Faults = dict[int, str]
"""Place in a file's list of people -> text that continues "person 3 ..."."""


@dataclasses.dataclass(frozen=True)
class ViewEntry:
    """Says where one view of a person is read from."""

    path: Path
    """File of detections, or photo."""
    name: str
    """Name of that file in results and messages."""
    person_index: int | None
    """Position in the file's list of people; None for the first usable person."""
    photo: str
    """Path of the photo; empty to follow the settings."""
    camera: CalibratedCamera | None
    """Camera of the view; None where it is not known."""
    camera_file: Path | None = None
    """File that the camera was read from; None without a camera."""
    is_photo: bool = False
    """Whether people are to be detected in the file, which is a photo."""


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
class ViewReader:
    """Reads the people of views, as pinhole cameras would show them."""

    reader: PeopleReader
    """Reader of the files of detections and the photos."""
    crop_px: int | None
    """Side of the crops that an image encoder sees, pixels; None for a keypoint
    encoder."""
    calibrated: bool
    """Whether cameras are used; views without a camera are then refused."""

    def people(self, entry: ViewEntry) -> tuple[dict[int, PersonInPicture], Faults]:
        """Returns the people of a view who can be used, and why others cannot.

        Both are keyed by a person's place in the file. Keypoints are undistorted.

        Raises:
          InputError: the file cannot be used, shows nobody who can be used, or has no
            camera although cameras are used.
        """
        if self.calibrated and entry.camera is None:
            raise InputError(entry.path, "has no camera")
        in_file, usable = self._file(entry), {}
        faults = {person.person_index: person.reason for person in in_file.left_out}
        for person in in_file.people:
            index = person.detection.person_index
            try:
                camera = entry.camera if self.calibrated else None
                usable[index] = person if camera is None else _pinhole(camera, person)
            except _UnseenError as error:
                faults[index] = str(error)
        return usable, faults

    def person(self, entry: ViewEntry) -> PersonInPicture:
        """Returns the person of a view whom `entry.person_index` names.

        Raises:
          InputError: the view or the person cannot be used.
        """
        people, faults = self.people(entry)
        index = entry.person_index
        if index is None:
            index = min(people or faults)
        if index not in people:
            fault = faults.get(index, "is not in the file")
            raise InputError(entry.path, f"person {index} {fault}")
        return people[index]

    def whole(self, entry: ViewEntry, person: PersonInPicture) -> PersonInput:
        """Returns a person of `people` with what the fits of a view need.

        Raises:
          InputError: the photo cannot be used.
        """
        lens = intrinsics = None
        if self.calibrated and entry.camera is not None:
            lens, intrinsics = entry.camera.lens, entry.camera.intrinsics
        view = person_input(self.reader, person, entry.name, self.crop_px, lens)
        if intrinsics is None:
            return view
        return dataclasses.replace(view, intrinsics=intrinsics)

    @functools.cached_property
    def _read(self) -> Callable[[InputFile, str], FilePeople]:
        """Returns a function that reads a file of detections, and keeps the last ones.

        Many people can be in the same file.
        """
        return functools.lru_cache(_FILES_KEPT)(self.reader.read)

    def _file(self, entry: ViewEntry) -> FilePeople:
        return self._read(
            InputFile(entry.path, entry.name, entry.is_photo), entry.photo
        )


def rig_of(cameras: Sequence[CalibratedCamera]) -> CameraRig:
    """Returns cameras as the pinhole cameras of a rig."""
    return CameraRig(
        *(
            np.stack([getattr(camera, name) for camera in cameras]).astype(np.float64)
            for name in ("intrinsics", "rotation", "translation")
        )
    )


def stacked_joints(people: Sequence[PersonInPicture]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the joints of one person in N views, [J, N, 2], and confidences [J, N].

    Args:
      people: the person in each view.
    """
    keypoints = [person.detection.keypoints for person in people]
    xy = np.stack([view.xy for view in keypoints], axis=1).astype(np.float64)
    return xy, np.stack([view.confidence for view in keypoints], axis=1)


class _UnseenError(ValueError):
    """Says why a camera cannot have seen a person; continues "person 3 ..."."""


def _pinhole(camera: CalibratedCamera, person: PersonInPicture) -> PersonInPicture:
    """Returns a person as a camera without distortion would show them.

    Raises:
      _UnseenError: the picture is not of the size for which the camera is calibrated,
        or does not hold the person, or the pinhole camera would not.
    """
    keypoints, size = person.detection.keypoints, tuple(person.image_size)
    if camera.image_size is not None:
        calibrated = "{} x {}".format(*camera.image_size)
        if min(size) > 0 and size != camera.image_size:
            stated = "{} x {}".format(*size)
            raise _UnseenError(
                f"is in a picture of {stated} pixels, but the camera is calibrated for "
                f"{calibrated}"
            )
        if share_inside(keypoints, camera.image_size) < MIN_INSIDE:
            raise _UnseenError(
                "is outside the picture, for whose size the camera is calibrated "
                f"({calibrated} pixels)"
            )
        size = camera.image_size
    if camera.lens is not None:
        keypoints = undistorted(camera.lens, keypoints)
        if np.sum(keypoints.confidence > MIN_CONFIDENCE) < _MIN_JOINTS:
            raise _UnseenError("is too far at the side for a camera without distortion")
    detection = dataclasses.replace(person.detection, keypoints=keypoints)
    return dataclasses.replace(person, detection=detection, image_size=size)


def undistorted(lens: Lens, keypoints: Keypoints2D) -> Keypoints2D:
    """Returns keypoints as a pinhole camera would show them.

    Keypoints that it cannot show, or shows at an angle of more than 76 degrees to its
    axis, get confidence 0.

    Args:
      lens: lens of the camera.
      keypoints: keypoints in NumPy, pixels of the photo.
    """
    xy, has_place = undistort_points(lens, keypoints.xy)
    focal_length, center = np.diagonal(lens.intrinsics)[:2], lens.intrinsics[:2, 2]
    has_place &= np.linalg.norm((xy - center) / focal_length, axis=-1) < _LARGEST_TAN
    xy = np.where(has_place[..., None], xy, 0.0)
    confidence = np.where(has_place, keypoints.confidence, np.float32(0))
    return Keypoints2D(xy.astype(np.float32), confidence)
