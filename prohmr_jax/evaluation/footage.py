"""Reads people whom several calibrated cameras film: detected and matched over views.

The modes "evaluate_real" and "evaluate_real_video" call `film_people`. All cameras must
have been started together, so that frames of one number show one moment.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prohmr_jax.detection.detector import Detector
from prohmr_jax.detection.photo_people import people_in_photo
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.calibrations.any_format import read_cameras
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.files.videos import Video, open_video
from prohmr_jax.geometry.lenses import undistort_photo, undistort_points
from prohmr_jax.geometry.triangulation import CameraRig
from prohmr_jax.geometry.view_matching import PeopleOfView, match_people
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D

_VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm")
_LEAST_CAMERAS = 3
# Codecs pad pictures to whole blocks of this side, and programs cut them off or not.
_CODEC_PX = 16
_EXPECTED = {
    "frame": Expected(("people",), "integer"),
    "xy": Expected(("people", len(BODY_25), 2)),
    "confidence": Expected(("people", len(BODY_25))),
    "frames": Expected(("frames",), "integer"),
    "video_sha256": Expected((), "text"),
}


@dataclasses.dataclass(frozen=True)
class FilmedPeople:
    """Holds P sightings of people, each in N cameras at one moment, NumPy."""

    frame: np.ndarray
    """Number of the frame, [P]."""
    keypoints: Keypoints2D
    """BODY_25 [P, N, 25] in pixels without distortion; a camera that does not see the
    person has the confidence 0 everywhere."""
    rig: CameraRig
    """The N cameras, metres."""
    names: tuple[str, ...]
    """Names of the cameras."""
    num_frames: int
    """How many frames of each camera were looked at."""

    def __len__(self) -> int:
        """Returns the number of sightings."""
        return len(self.frame)


def film_people(
    folder: Path, detections: Path, detector: Detector, step: int, limit: int
) -> FilmedPeople:
    """Returns the people whom at least three cameras of a folder see.

    Detections of each camera are kept in a file, so that a command that was stopped
    goes on with the next camera.

    Args:
      folder: folder with a calibration and a video for each camera, with the camera's
        name, in the folder itself or in its folder `videos`.
      detections: folder that keeps the detections.
      detector: the detector.
      step: every so many frames are looked at.
      limit: largest number of frames of each camera that are looked at; 0 for all.

    Raises:
      InputError: calibration or videos are missing, do not fit each other or cannot be
        read, or no person is seen by three cameras.
    """
    cameras = read_cameras(folder)
    videos = _videos_of_cameras(folder, cameras)
    length = min(len(video) for video in videos.values())
    frames = range(0, length, step)[: limit or None]
    rig = CameraRig(
        *(
            np.stack([getattr(cameras[name], part) for name in videos])
            for part in ("intrinsics", "rotation", "translation")
        )
    )
    seen = [
        _people_of_camera(
            video, cameras[name], frames, detections / f"{name}.npz", detector
        )
        for name, video in videos.items()
    ]
    sightings = [
        (frame, person)
        for frame in frames
        for person in _matched(rig, [view[frame] for view in seen])
    ]
    if not sightings:
        what = f"no person is seen by {_LEAST_CAMERAS} cameras in {len(frames)} frames"
        raise InputError(folder, what)
    numbers, people = zip(*sightings, strict=True)
    stacked = Keypoints2D(
        np.stack([person.xy for person in people]),
        np.stack([person.confidence for person in people]),
    )
    return FilmedPeople(np.array(numbers), stacked, rig, tuple(videos), len(frames))


def frame_rate_of(folder: Path) -> float:
    """Returns the frames per second of the first camera's video.

    Args:
      folder: see `film_people`.
    """
    videos = _videos_of_cameras(folder, read_cameras(folder))
    return next(iter(videos.values())).frame_rate


def photos_of_moment(folder: Path, frame: int) -> dict[str, np.ndarray]:
    """Returns what each camera shows, [H, W, 3] uint8 without distortion, by name.

    Args:
      folder: see `film_people`.
      frame: number of the frame.
    """
    cameras = read_cameras(folder)
    photos = {}
    for name, video in _videos_of_cameras(folder, cameras).items():
        photo, lens = next(video.frames(frame)).image, cameras[name].lens
        is_pinhole = lens is None or lens.is_pinhole
        photos[name] = photo if is_pinhole else undistort_photo(lens, photo)
    return photos


def _videos_of_cameras(
    folder: Path, cameras: dict[str, CalibratedCamera]
) -> dict[str, Video]:
    """Returns the videos by the name of the camera, in the order of the cameras."""
    files = {
        file.stem: file
        for place in (folder, folder / "videos")
        if place.is_dir()
        for file in sorted(place.iterdir())
        if file.suffix.lower() in _VIDEO_SUFFIXES
    }
    videos = {name: open_video(files[name]) for name in cameras if name in files}
    if len(videos) < _LEAST_CAMERAS:
        what = (
            f"has videos of {len(videos)} of the cameras {', '.join(cameras)}, and "
            f"{_LEAST_CAMERAS} are needed; its videos are {', '.join(files) or 'none'}"
        )
        raise InputError(folder, what)
    for name, video in videos.items():
        stated = cameras[name].image_size
        if (
            stated is not None
            and np.ptp([stated, video.size], axis=0).max() > _CODEC_PX
        ):
            sizes = " and ".join(f"{w} x {h}" for w, h in (video.size, stated))
            what = f"pictures and calibration have different sizes: {sizes}"
            raise InputError(video.path, what)
    return videos


def _people_of_camera(
    video: Video,
    camera: CalibratedCamera,
    frames: Sequence[int],
    path: Path,
    detector: Detector,
) -> dict[int, PeopleOfView]:
    """Returns the people of each frame, in pixels without distortion."""
    if not path.exists():
        _detect(video, frames, path, detector)
    arrays = read_npz(path, _EXPECTED)
    if list(arrays["frames"]) != list(frames):
        raise InputError(path, "holds the detections of other frames; remove it")
    if arrays["video_sha256"] != _sha256(video):
        raise InputError(path, "holds the detections of another video; remove it")
    xy, confidence = arrays["xy"].astype(np.float64), arrays["confidence"]
    if camera.lens is not None and not camera.lens.is_pinhole:
        xy, has_place = undistort_points(camera.lens, xy)
        confidence = np.where(has_place, confidence, 0.0)
    return {
        frame: PeopleOfView(
            xy[arrays["frame"] == frame], confidence[arrays["frame"] == frame]
        )
        for frame in frames
    }


def _detect(
    video: Video, frames: Sequence[int], path: Path, detector: Detector
) -> None:
    """Detects the people of a video's frames and writes them."""
    numbers, people = [], []
    wanted = set(frames)
    progress = tqdm(total=len(frames), desc=video.path.name, unit="frame")
    for frame in itertools.islice(video.frames(), max(frames) + 1):
        if frame.number not in wanted:
            continue
        try:
            in_picture = people_in_photo(detector, video.path, frame.image).people
        except InputError:  # nobody is there
            in_picture = ()
        numbers += [frame.number] * len(in_picture)
        people += [person.keypoints for person in in_picture]
        progress.update()
    progress.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "frame": np.array(numbers, np.int64),
        "xy": np.reshape([p.xy for p in people], (-1, len(BODY_25), 2)),
        "confidence": np.reshape([p.confidence for p in people], (-1, len(BODY_25))),
        "frames": np.array(frames),
        "video_sha256": np.array(_sha256(video)),
    }
    write_npz(path, arrays)


def _sha256(video: Video) -> str:
    with video.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _matched(rig: CameraRig, views: Sequence[PeopleOfView]) -> list[Keypoints2D]:
    """Returns the people of one moment, [N, 25] each, whom enough cameras see."""
    people = []
    for person in match_people(rig, views):
        if len(person.numbers) < _LEAST_CAMERAS:
            continue
        xy = np.zeros((len(rig), len(BODY_25), 2))
        confidence = np.zeros((len(rig), len(BODY_25)))
        for view, number in person.numbers.items():
            xy[view] = views[view].xy[number]
            confidence[view] = views[view].confidence[number]
        people.append(Keypoints2D(xy, confidence))
    return people
