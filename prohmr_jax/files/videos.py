"""Reads the pictures of videos at a steady rate, one at a time.

The mode "video" reads its input with `open_video`; `video_writer` writes what it draws.
"""

import dataclasses
import functools
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from prohmr_jax.errors import InputError
from prohmr_jax.files.decoder_messages import silence_opencv
from prohmr_jax.files.images import read_image
from prohmr_jax.files.photos import is_picture_name

# Frames per second of folders of pictures, and of videos that state no times.
_DEFAULT_RATE = 30.0
# Times whose median step agrees so well with the stated rate have that rate.
_RATE_TOLERANCE = 0.02
_MAX_RATE = 1000.0
# More than a day of video.
_MAX_FRAMES = 3_000_000
_ANIMATION = ".gif"
_NO_PICTURES = "holds no pictures that can be read"
# Numbers of frames that containers state are estimates in some formats. A file that
# lacks more frames than this number, and more than this share, is taken for cut.
_LACKING, _LACKING_SHARE = 2, 0.01
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """Holds the picture that a video shows at one tick of a steady clock."""

    number: int
    """Number of the tick, from 0."""
    image: UInt8[np.ndarray, "H W 3"]
    """RGB, upright."""
    is_new: bool
    """Whether the picture was not shown at the tick before. Videos whose rate varies
    show a picture for several ticks."""


@dataclasses.dataclass(frozen=True)
class Video:
    """Describes a video, or a folder of pictures, and reads its frames."""

    path: Path
    """The file or the folder."""
    frame_rate: float
    """Ticks per second."""
    picture_of_tick: Int[np.ndarray, " T"]
    """Number of the picture in the file, or of the file in the folder, that each tick
    shows."""
    files: tuple[Path, ...] = ()
    """Pictures of a folder in order; empty for a file."""

    def __len__(self) -> int:
        """Returns the number of ticks."""
        return len(self.picture_of_tick)

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Returns (width, height) of the upright pictures, pixels."""
        height, width = next(self.frames()).image.shape[:2]
        return width, height

    def frames(self, start: int = 0) -> Iterator[VideoFrame]:
        """Yields the frames from a tick on; two or three pictures are in memory.

        Args:
          start: number of the first tick.

        Raises:
          InputError: a picture cannot be read, or differs in size from the first one.
        """
        pictures = self.picture_of_tick
        number, image = -1, None
        reader = self._pictures(int(pictures[start])) if start < len(self) else None
        for tick in range(start, len(self)):
            while number < pictures[tick]:
                number, image = next(reader, (None, None))
                if image is None:
                    raise InputError(self.path, f"cannot be read after frame {tick}")
            is_new = tick == 0 or pictures[tick] != pictures[tick - 1]
            yield VideoFrame(tick, image, is_new)

    def _pictures(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the numbers of pictures and the pictures, from one on."""
        wanted = set(self.picture_of_tick.tolist())
        size = None
        for number, image in self._stored(first, wanted):
            if size not in (None, image.shape):
                what = f"has pictures of two sizes, the second from number {number} on"
                raise InputError(self.path, what)
            size = image.shape
            yield number, image

    def _stored(
        self, first: int, wanted: set[int]
    ) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
        if self.files:
            for number in range(first, len(self.files)):
                yield number, read_image(self.files[number])
            return
        capture = _opened(self.path)
        try:
            number = -1
            while capture.grab():
                number += 1
                if number < first or number not in wanted:
                    continue
                is_read, image = capture.retrieve()
                if not is_read:
                    return
                yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()


def open_video(path: str | os.PathLike, frame_rate: float = 0.0) -> Video:
    """Returns a video whose pictures can be read.

    All time stamps are read first. Each tick of a steady clock shows the picture whose
    time is nearest. Pictures of phones are turned upright. A file that is cut is read
    as far as it goes, with a warning.

    Args:
      path: a video that FFmpeg reads, or a folder of pictures, whose numbers in names
        give the order.
      frame_rate: ticks per second; 0 for the rate of the video (30 for a folder).

    Raises:
      InputError: there is no such file, or it holds no pictures that can be read.
    """
    path = Path(path)
    if path.is_dir():
        files = _pictures_in(path)
        return Video(path, frame_rate or _DEFAULT_RATE, np.arange(len(files)), files)
    _require_file(path)
    times, stated_rate = _read_times(path)
    if len(times) > _MAX_FRAMES:
        raise InputError(path, f"has more than {_MAX_FRAMES} frames")
    own_rate = _steady_rate(times, stated_rate)
    if own_rate == stated_rate and not frame_rate:
        return Video(path, own_rate, np.arange(len(times)))
    rate = frame_rate or own_rate
    return Video(path, rate, nearest_pictures(times, rate))


def describe_video(path: str | os.PathLike) -> str:
    """Returns the size of the first picture of a video in words; reads nothing else.

    Raises:
      InputError: see `open_video`.
    """
    path = Path(path)
    if path.is_dir():
        files = _pictures_in(path)
        height, width = read_image(files[0]).shape[:2]
        return f"{path}: {len(files)} pictures, {width} x {height}"
    _require_file(path)
    capture = _opened(path)
    is_read, image = capture.read()
    capture.release()
    if not is_read:
        raise InputError(path, _NO_PICTURES)
    return f"{path}: a video, {image.shape[1]} x {image.shape[0]}"


def _pictures_in(folder: Path) -> tuple[Path, ...]:
    pictures = (path for path in folder.iterdir() if is_picture_name(path))
    files = tuple(sorted(pictures, key=lambda path: _natural(path.name)))
    if not files:
        raise InputError(folder, "holds no pictures")
    return files


def _require_file(path: Path) -> None:
    if not path.exists():
        raise InputError(path, "no such file or folder")
    if is_picture_name(path) and path.suffix.lower() != _ANIMATION:
        raise InputError(path, "is a photo and no video; use the mode demo for photos")
    if not path.stat().st_size:
        raise InputError(path, "is empty")


def nearest_pictures(
    times: Float[np.ndarray, " N"], frame_rate: float
) -> Int[np.ndarray, " T"]:
    """Returns the number of the picture whose time is nearest to each tick.

    Args:
      times: times of the pictures, seconds, ascending.
      frame_rate: ticks per second; the first tick is at the first picture.
    """
    # The small number keeps rounding from dropping the last tick.
    number = int(np.floor((times[-1] - times[0]) * frame_rate + 1e-6)) + 1
    ticks = times[0] + np.arange(number) / frame_rate
    middles = (times[1:] + times[:-1]) / 2.0
    return np.searchsorted(middles, ticks - 1e-9, side="left")


def _read_times(path: Path) -> tuple[np.ndarray, float]:
    """Returns the times of all pictures, seconds, and the rate that the file states."""
    capture = _opened(path)
    stated = float(capture.get(cv2.CAP_PROP_FPS))
    stated_number = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    times = []
    while capture.grab() and len(times) <= _MAX_FRAMES:
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
    capture.release()
    if not times:
        raise InputError(path, _NO_PICTURES)
    _warn_of_cut_file(path, len(times), stated_number)
    if not 0.1 < stated < _MAX_RATE:
        stated = _DEFAULT_RATE
    times = np.array(times)
    if len(times) > 1 and not np.all(np.diff(times) > 0):
        # Some files state no times, or wrong ones.
        times = np.arange(len(times)) / stated
    return times, stated


def _warn_of_cut_file(path: Path, number: int, stated: float) -> None:
    """Warns if a video has fewer frames than its container states."""
    lacking = stated - number
    if _LACKING < lacking < _MAX_FRAMES and lacking > _LACKING_SHARE * stated:
        _LOG.warning(
            "%s: only %d of the %.0f frames that the file states can be read; it seems "
            "to be cut or damaged", path, number, stated,
        )  # fmt: skip


def _steady_rate(times: np.ndarray, stated: float) -> float:
    """Returns pictures per second, the stated number where the times agree with it."""
    if len(times) < 2:
        return stated
    steps = np.diff(times) * stated
    if np.all(np.abs(steps - 1.0) < 0.1):
        return stated
    rate = 1.0 / float(np.median(np.diff(times)))
    if abs(rate / stated - 1.0) < _RATE_TOLERANCE:
        # The clock is right, but pictures are missing: this rate is steady anyway.
        rate = float(np.nextafter(stated, 0.0))
    return min(rate, _MAX_RATE)


def _opened(path: Path) -> cv2.VideoCapture:
    silence_opencv()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise InputError(path, "is no video that can be read")
    return capture


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Returns a key that sorts numbers in names by their size."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]
