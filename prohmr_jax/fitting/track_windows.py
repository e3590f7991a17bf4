"""Divides a track into overlapping windows of one length, and joins what they hold.

Every window is fitted alone (`tracks`), so that memory does not grow with the length of
a video. In the overlap of two windows the share of the later one rises from 0 to 1.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Windows:
    """Says which frames of a track each window holds."""

    number_of_frames: int
    """Number F of frames of the track."""
    length: int
    """Number of frames of a window, padding included."""
    starts: tuple[int, ...]
    """First frame of each window."""

    def frames(self, window: int) -> Int[np.ndarray, " T"]:
        """Returns the frames of a window; padding repeats the last frame."""
        frames = self.starts[window] + np.arange(self.length)
        return np.minimum(frames, self.number_of_frames - 1)

    def window_of_frames(self) -> Int[np.ndarray, " F"]:
        """Returns the last window that holds each frame."""
        frames = np.arange(self.number_of_frames)
        return np.searchsorted(self.starts, frames, side="right") - 1

    def valid(self, window: int) -> Float[np.ndarray, " T"]:
        """Returns 1 for the frames of a window, 0 for padding."""
        frames = self.starts[window] + np.arange(self.length)
        return (frames < self.number_of_frames).astype(np.float32)

    def joined(self, values: Float[np.ndarray, "N T ..."]) -> np.ndarray:
        """Returns values of all frames, [F, ...], blended where windows overlap.

        Args:
          values: values in the frames of all N windows.
        """
        number = self.number_of_frames
        total = np.zeros((number, *values.shape[2:]))
        weight = np.zeros(number)
        for window, start in enumerate(self.starts):
            count = min(self.length, number - start)
            share = np.ones(count)
            if window > 0:
                overlap = self.starts[window - 1] + self.length - start
                share[:overlap] = (np.arange(overlap) + 0.5)[:count] / overlap
            if window + 1 < len(self.starts):
                overlap = start + self.length - self.starts[window + 1]
                share[-overlap:] *= 1.0 - (np.arange(overlap) + 0.5) / overlap
            rows = slice(start, start + count)
            shape = (count,) + (1,) * (values.ndim - 2)
            total[rows] += share.reshape(shape) * values[window, :count]
            weight[rows] += share
        return (total / weight.reshape(-1, *(1,) * (values.ndim - 2))).astype(
            values.dtype
        )


def split_into_windows(number_of_frames: int, length: int, overlap: int) -> Windows:
    """Returns windows that cover a track, with at least the given overlap.

    All windows but a single one are full: their starts are evenly spaced.

    Args:
      number_of_frames: number of frames of the track, at least one.
      length: number of frames of a window.
      overlap: least number of frames that neighbours share, at most half the length.
    """
    if number_of_frames <= length:
        return Windows(number_of_frames, length, (0,))
    rest = number_of_frames - length
    count = 1 + int(np.ceil(rest / (length - overlap)))
    starts = np.round(np.linspace(0, rest, count)).astype(int)
    return Windows(number_of_frames, length, tuple(starts.tolist()))
