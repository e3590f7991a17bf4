"""Detects the people in all frames of a video, and keeps them part by part on disk.

A killed run continues after the last part. The mode "video" calls it.
"""

import collections
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.detection.detector import Detector
from prohmr_jax.detection.photo_people import people_in_frame
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.videos import Video, VideoFrame
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.tracking.person_tracks import VideoDetections

_MEMBERS = {
    "frame": Expected(("N",), "integer"),
    "xy": Expected(("N", len(BODY_25), 2), "real"),
    "confidence": Expected(("N", len(BODY_25)), "real"),
}


class VideoDetector:
    """Detects the people of one video."""

    def __init__(
        self,
        load: Callable[[], Detector],
        *,
        min_score: float,
        smallest: float,
        search_every: int,
        remembered: int,
        frames_per_part: int,
    ):
        """Keeps how people are detected; nothing is loaded yet.

        Args:
          load: loads the detector, once, when the first frame needs it.
          min_score: people below it are left out.
          smallest: see `detect_people`.
          search_every: every so many frames are searched for new people, and each frame
            that shows fewer people than one of the frames before it.
          remembered: number of frames before it that count for this.
          frames_per_part: number of frames that are kept together.
        """
        self._load, self._min_score, self._smallest = load, min_score, smallest
        self._search_every, self._remembered = search_every, remembered
        self._frames_per_part = frames_per_part

    def __call__(
        self, video: Video, parts: RunFolder, progress: Callable[[int], Any]
    ) -> VideoDetections:
        """Returns the people of all frames of the video.

        Frames that show the picture of the frame before have nobody.

        Args:
          video: the video.
          parts: where finished parts are kept.
          progress: is told the number of frames that are finished.

        Raises:
          InputError: a frame cannot be read, or nobody is in any frame.
        """
        frames: Iterator[VideoFrame] | None = None
        done: list[VideoDetections] = []
        counts: collections.Counter[int] = collections.Counter()
        size = self._frames_per_part
        for first in range(0, len(video), size):
            last = min(first + size, len(video))
            name = f"detections{first // size:05d}"
            if frames is None and not parts.has(name):
                frames = video.frames(first)
            before = done[-1].rows(done[-1].frame == first - 1) if done else None
            known = None
            if before is not None:
                known = Keypoints2D(before.xy, before.confidence)
            arrays = parts.kept(
                name,
                _MEMBERS,
                functools.partial(
                    self._detect, frames, last - first, known, counts.copy(), progress
                ),
            )
            counts.update(arrays["frame"].tolist())
            if frames is None:
                progress(last - first)
            done.append(VideoDetections(**arrays))
        people = VideoDetections(
            *(
                np.concatenate([getattr(part, name) for part in done])
                for name in _MEMBERS
            )
        )
        if not len(people):
            raise InputError(video.path, "nobody was found in any of its frames")
        return people

    def _detect(
        self,
        frames: Iterator[VideoFrame],
        count: int,
        known: Keypoints2D | None,
        counts: collections.Counter[int],
        progress: Callable[[int], Any],
    ) -> dict[str, np.ndarray]:
        """Returns the arrays of a part: the people of the next frames.

        The numbers of people in the frames before are counted, and are added to.
        """
        number, xy, confidence = [], [], []
        for _ in range(count):
            frame = next(frames)
            progress(1)
            if not frame.is_new:
                continue
            before = range(frame.number - self._remembered, frame.number)
            people = self._people(frame, known, max(counts[n] for n in before))
            counts[frame.number] = len(people)
            number += [frame.number] * len(people)
            xy += [person.keypoints.xy for person in people]
            confidence += [person.keypoints.confidence for person in people]
            known = None
            if people:
                known = Keypoints2D(
                    np.stack(xy[-len(people) :]), np.stack(confidence[-len(people) :])
                )
        joints = len(BODY_25)
        return {
            "frame": np.array(number, np.int64),
            "xy": np.array(xy, np.float32).reshape(-1, joints, 2),
            "confidence": np.array(confidence, np.float32).reshape(-1, joints),
        }

    def _people(
        self, frame: VideoFrame, known: Keypoints2D | None, expected: int
    ) -> tuple[Detection, ...]:
        """Returns the people of a frame, which is searched if that is due.

        Frames before show as many people as are expected.
        """
        look = functools.partial(
            people_in_frame,
            self._load(),
            frame.image,
            min_score=self._min_score,
            smallest=self._smallest,
            known=known,
        )
        is_due = frame.number % self._search_every == 0
        if known is not None and not is_due and len(known.xy) >= expected:
            people = look(search=False).people
            if len(people) >= expected:
                return people
        return look().people
