"""Keeps decoders of pictures and videos from printing lines of their own.

The readers of photos and videos call it. Libraries of C, such as libjpeg, libpng and
libtiff, write to the standard error stream of the process what they find in a damaged
file, and the readers say in one line what is wrong with it.
"""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator

import cv2

_STANDARD_ERROR = 2
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT


@functools.cache
def silence_opencv() -> None:
    """Keeps OpenCV and its FFmpeg from printing; the first call decides for FFmpeg."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # OpenCV 5 has moved the function of OpenCV 4.
    module = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    module.setLogLevel(_SILENT)


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Drops what is written to the standard error stream meanwhile.

    That stream belongs to the whole process, so that only the main thread drops
    anything; messages of other threads would be lost all the time otherwise.
    """
    silence_opencv()
    saved = None
    if threading.current_thread() is threading.main_thread():
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
            saved = os.dup(_STANDARD_ERROR)
    if saved is None:  # another thread, or the stream is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(saved, _STANDARD_ERROR)
        os.close(saved)
