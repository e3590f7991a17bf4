"""Defines what tracking takes and returns: detections of a video, and tracks."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from prohmr_jax.skeleton import BODY_25, COCO_17

_COCO = np.array(COCO_17.positions_in(BODY_25))
# The surest joints that count for a person's score.
_SUREST_JOINTS = 8


@dataclasses.dataclass(frozen=True)
class VideoDetections:
    """Holds N detected people of a video, by ascending frame, NumPy."""

    frame: Int[np.ndarray, " N"]
    """Number of the frame of each person."""
    xy: Float[np.ndarray, "N 25 2"]
    """Joints (BODY_25), pixels of the frame."""
    confidence: Float[np.ndarray, "N 25"]
    """Confidences in [0, 1]; 0 for joints that are not seen."""

    def __len__(self) -> int:
        """Returns the number N of detected people."""
        return len(self.frame)

    def rows(self, chosen: np.ndarray) -> "VideoDetections":
        """Returns some of the people, by their numbers or by a mask."""
        return VideoDetections(
            self.frame[chosen], self.xy[chosen], self.confidence[chosen]
        )

    @property
    def coco_xy(self) -> Float[np.ndarray, "N 17 2"]:
        """Returns the joints of COCO_17, pixels."""
        return self.xy[:, _COCO]

    @property
    def coco_seen(self) -> Bool[np.ndarray, "N 17"]:
        """Returns which joints of COCO_17 are seen."""
        return self.confidence[:, _COCO] > 0

    @property
    def score(self) -> Float[np.ndarray, " N"]:
        """Returns the mean of the eight largest confidences of each person."""
        return np.sort(self.confidence[:, _COCO], axis=1)[:, -_SUREST_JOINTS:].mean(1)


@dataclasses.dataclass(frozen=True)
class PersonTrack:
    """Holds one person in all frames from the first to the last one seen, NumPy."""

    number: int
    """Number of the person, from 0, in the order of first appearance."""
    frame: Int[np.ndarray, " F"]
    """Numbers of the frames, each one greater than the one before."""
    xy: Float[np.ndarray, "F 25 2"]
    """Joints (BODY_25), pixels; interpolated where the person was not detected."""
    confidence: Float[np.ndarray, "F 25"]
    """Confidences in [0, 1]; interpolated likewise."""
    measured: Bool[np.ndarray, " F"]
    """Whether the person was detected in each frame."""

    def __len__(self) -> int:
        """Returns the number F of frames."""
        return len(self.frame)


def chosen_tracks(tracks: list[PersonTrack], people: str) -> list[PersonTrack]:
    """Returns the tracks that are wanted; none if there is no such number.

    Args:
      tracks: all tracks, at least one.
      people: "all"; "largest" for the person who is highest in the pictures, as the
        median over the frames; or numbers such as "0,2".
    """
    if people == "all":
        return tracks
    if people == "largest":
        return [max(tracks, key=_median_height)]
    numbers = {int(part) for part in people.split(",")}
    return [track for track in tracks if track.number in numbers]


def _median_height(track: PersonTrack) -> float:
    seen = track.confidence > 0
    low = np.min(np.where(seen, track.xy[..., 1], np.inf), axis=1)
    high = np.max(np.where(seen, track.xy[..., 1], -np.inf), axis=1)
    return float(np.median(high - low))
