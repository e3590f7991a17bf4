"""Writes videos as MP4; the mode "video" writes its pictures with `write_video`."""

import fractions
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.decoder_messages import silence_opencv

# Quality of H.264, at which compression is hardly seen.
_QUALITY = {"crf": "20", "preset": "veryfast"}
_ADVICE = "needs another package: pip install 'prohmr-jax[video]'"


def require_encoder(codec: str) -> str:
    """Returns what writes videos in a codec, in a few words.

    Args:
      codec: "h264", which browsers play, by the package `av`; or "mp4v" by OpenCV.

    Raises:
      InputError: the codec is "h264" and the package `av` cannot be imported.
    """
    if codec == "mp4v":
        return f"OpenCV {cv2.__version__}"
    try:
        import av
    except ImportError:
        raise InputError("H.264", f'{_ADVICE}, or set config.codec="mp4v"') from None
    return f"av {av.__version__}"


def best_codec() -> str:
    """Returns "h264" where it can be written, otherwise "mp4v"."""
    try:
        require_encoder("h264")
    except InputError:
        return "mp4v"
    return "h264"


def write_video(
    path: str | os.PathLike,
    pictures: Iterable[np.ndarray],
    frame_rate: float,
    codec: str = "h264",
) -> None:
    """Writes an MP4 as a whole or not at all; equal pictures give equal bytes.

    Args:
      path: the file to write.
      pictures: RGB uint8 [H, W, 3], at least one, all of one size. An odd row or column
        at the end is left out, as the codecs cannot store it.
      frame_rate: pictures per second.
      codec: see `require_encoder`.

    Raises:
      InputError: the file cannot be written.
    """
    pictures = iter(pictures)
    first = next(pictures)
    size = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    even = (p[: size[0], : size[1]] for p in itertools.chain([first], pictures))
    encode = _encode_mp4v if codec == "mp4v" else _encode_h264
    write_atomically(path, lambda stream: encode(stream, even, size, frame_rate))


def _encode_h264(
    stream: BinaryIO,
    pictures: Iterable[np.ndarray],
    size: tuple[int, int],
    frame_rate: float,
) -> None:
    require_encoder("h264")
    import av

    rate = fractions.Fraction(frame_rate).limit_denominator(1001)
    # Players start before they have read the whole file.
    options = {"movflags": "+faststart"}
    with av.open(stream, "w", format="mp4", options=options) as container:
        track = container.add_stream("libx264", rate=rate, options=_QUALITY)
        track.height, track.width = size
        track.pix_fmt = "yuv420p"
        # The bytes depend on the number of threads.
        track.codec_context.thread_count = 2
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            container.mux(track.encode(frame))
        container.mux(track.encode())


def _encode_mp4v(
    stream: BinaryIO,
    pictures: Iterable[np.ndarray],
    size: tuple[int, int],
    frame_rate: float,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        silence_opencv()
        code = cv2.VideoWriter_fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(path), code, frame_rate, size[::-1])
        if not writer.isOpened():
            raise InputError("OpenCV", "cannot write videos of this size as mp4v")
        for picture in pictures:
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        writer.release()
        with path.open("rb") as written:
            shutil.copyfileobj(written, stream)
