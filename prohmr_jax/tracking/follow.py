"""Follows people from frame to frame: `follow_people` returns their tracks.

It is tracking by detection, as in SORT (Bewley et al., 2016) and ByteTrack (Zhang et
al., 2022): each track predicts where its person is, by a constant velocity; predictions
and detections are assigned to each other at once (`scipy.optimize`), first those of
good score, then the others; who is not seen for a while is looked for where the
prediction leads. Similarity is that of keypoints and boxes together.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from prohmr_jax.geometry.keypoint_similarity import (
    box_area,
    box_overlap,
    object_similarity,
)
from prohmr_jax.tracking.person_tracks import PersonTrack, VideoDetections

# Joints of one person in two frames differ more than those of two annotators.
_TOLERANCE = 2.0
# Growth of that tolerance with each frame in which a person was not seen, and its end.
_TOLERANCE_PER_FRAME, _LARGEST_TOLERANCE = 0.15, 4.0
# People who were not seen may also be near the prediction in another pose: standard
# deviation of their distance, in sizes of the person, for each frame without sight.
_WANDERING, _WANDERING_PER_FRAME, _MOST_WANDERING = 0.15, 0.05, 0.7
# How much nearness counts, beside similarity.
_NEARNESS = 0.5
# Least similarity of a detection to the prediction.
_LEAST_SIMILARITY = 0.2
# Largest change of a person's size from one frame to the next, its growth with each
# frame without sight, and its end.
_LARGEST_RATIO, _RATIO_PER_FRAME, _END_OF_RATIO = 1.6, 0.05, 2.5
# Velocities are shifts since the oldest sight within this time, seconds.
_VELOCITY_SPAN_S = 0.35
# What is left of the velocity after a second without sight.
_LEFT_PER_SECOND = 0.3
# Share of joints that a lost person must have in common with a detection.
_FEWEST_DETECTIONS = 3


@dataclasses.dataclass(frozen=True)
class TrackingSettings:
    """Says how people are followed."""

    frame_rate: float
    """Frames per second."""
    start_score: float = 0.35
    """Least score of a detection that starts a track."""
    max_gap_s: float = 1.0
    """Longest time without sight of a person, seconds; it is bridged."""
    min_length_s: float = 0.5
    """Least time in which a person is detected, seconds; shorter tracks are dropped."""


class _Track:
    """Holds what is known of one person so far."""

    def __init__(self, row: int, frame: int, xy: np.ndarray, seen: np.ndarray):
        self.rows = [row]
        self.first_frame = self.frame = frame
        self.xy, self.known = xy.copy(), seen.copy()
        self.velocity = np.zeros(2)
        self._history = [(frame, self.xy, self.known)]

    def predicted(self, frame: int, left_per_frame: float) -> np.ndarray:
        """Returns joints [17, 2] in a later frame; the velocity fades with time."""
        steps = left_per_frame ** np.arange(frame - self.frame)
        return self.xy + self.velocity * steps.sum()

    def update(
        self, row: int, frame: int, xy: np.ndarray, seen: np.ndarray, span: int
    ) -> None:
        """Adds a detection of the person; velocities span some frames."""
        moved = xy - self.xy
        common = seen & self.known
        shift = np.median(moved[common], axis=0) if common.any() else np.zeros(2)
        # Joints that are not seen move with the others.
        xy = np.where(seen[:, None], xy, self.xy + shift)
        recent = [entry for entry in self._history if frame - entry[0] <= span]
        before, before_xy, before_known = (recent or self._history)[0 if recent else -1]
        common = seen & before_known
        if common.any():
            shifts = (xy - before_xy)[common]
            self.velocity = np.median(shifts, axis=0) / (frame - before)
        self.rows.append(row)
        self.xy, self.known, self.frame = xy, self.known | seen, frame
        self._history = [*recent, (frame, xy, seen)]


def follow_people(
    detections: VideoDetections, settings: TrackingSettings
) -> list[PersonTrack]:
    """Returns the people of a video who are seen for long enough.

    Args:
      detections: detected people of all frames.
      settings: how people are followed.

    Returns:
      Tracks in the order of first appearance, from left to right within a frame. Gaps
      are filled in by interpolated keypoints.
    """
    xy, seen = detections.coco_xy.astype(float), detections.coco_seen
    score = detections.score
    max_gap = max(1, round(settings.max_gap_s * settings.frame_rate))
    left = _LEFT_PER_SECOND ** (1.0 / settings.frame_rate)
    span = max(1, round(_VELOCITY_SPAN_S * settings.frame_rate))
    least = max(_FEWEST_DETECTIONS, settings.min_length_s * settings.frame_rate)
    live: list[_Track] = []
    ended: list[_Track] = []
    frames, starts = np.unique(detections.frame, return_index=True)
    for frame, rows in zip(
        frames.tolist(),
        np.split(np.arange(len(detections)), starts[1:]),
        strict=True,
    ):
        ended += [track for track in live if frame - track.frame > max_gap]
        live = [track for track in live if frame - track.frame <= max_gap]
        strong = rows[score[rows] >= settings.start_score]
        weak = rows[score[rows] < settings.start_score]
        # Who has been followed for long goes first, and what is seen well.
        groups = [
            [track for track in live if (len(track.rows) >= least) == is_old]
            for is_old in (True, False)
        ]
        for candidates in (strong, weak):
            left_over = candidates
            for number, tracks in enumerate(groups):
                pairs = _assigned(tracks, frame, left, xy, seen, left_over)
                for place, row in pairs:
                    tracks[place].update(row, frame, xy[row], seen[row], span)
                matched = {place for place, _ in pairs}
                groups[number] = [
                    track for p, track in enumerate(tracks) if p not in matched
                ]
                left_over = np.setdiff1d(left_over, [row for _, row in pairs])
            if candidates is strong:
                new = left_over
        live = live + [_Track(row, frame, xy[row], seen[row]) for row in new]
    everybody = ended + live
    kept = [track for track in everybody if len(track.rows) >= least]
    kept.sort(key=lambda t: (t.first_frame, _middle(xy[t.rows[0]], seen[t.rows[0]])))
    return [
        _filled(number, detections.rows(np.array(track.rows)))
        for number, track in enumerate(kept)
    ]


def _middle(xy: np.ndarray, seen: np.ndarray) -> float:
    return float(xy[seen, 0].mean()) if seen.any() else 0.0


def _assigned(
    tracks: list[_Track],
    frame: int,
    left_per_frame: float,
    xy: Float[np.ndarray, "N 17 2"],
    seen: np.ndarray,
    rows: Int[np.ndarray, " n"],
) -> list[tuple[int, int]]:
    """Returns the tracks (their places) and detections (their rows) that belong."""
    if not tracks or not len(rows):
        return []
    similarity = similarities(
        np.stack([track.predicted(frame, left_per_frame) for track in tracks]),
        np.stack([track.known for track in tracks]),
        np.array([frame - track.frame for track in tracks]),
        xy[rows],
        seen[rows],
    )
    possible = similarity >= _LEAST_SIMILARITY
    places, columns = linear_sum_assignment(
        np.where(possible, similarity, 0.0), maximize=True
    )
    return [
        (place, int(rows[column]))
        for place, column in zip(places.tolist(), columns.tolist(), strict=True)
        if possible[place, column]
    ]


def similarities(
    xy: Float[np.ndarray, "T 17 2"],
    known: np.ndarray,
    age: Int[np.ndarray, " T"],
    other_xy: Float[np.ndarray, "D 17 2"],
    other_seen: np.ndarray,
) -> Float[np.ndarray, "T D"]:
    """Returns how alike predictions and detections are, in [0, 1].

    It is the mean of COCO's keypoint similarity, with a tolerance that grows with the
    age of the prediction, and of the overlap of the boxes. For people who were not seen
    in the frame before, half of the nearness of the boxes' centres counts if it is
    larger.

    Args:
      xy: predicted joints (COCO_17) of tracks, pixels.
      known: which of them were ever seen, [T, 17].
      age: frames since each track was seen.
      other_xy: joints of detected people, pixels.
      other_seen: which of them are seen, [D, 17].
    """
    box, other_box = _boxes(xy, known)[:, None], _boxes(other_xy, other_seen)[None]
    common = known[:, None] & other_seen[None]
    area = np.maximum(box_area(box), box_area(other_box))
    growth = _TOLERANCE_PER_FRAME * (age - 1)
    tolerance = np.minimum(_TOLERANCE + growth, _LARGEST_TOLERANCE)[:, None]
    joints = object_similarity(xy[:, None], other_xy[None], common, area, tolerance)
    overlap = box_overlap(box, other_box)
    side = np.sqrt(np.maximum(box_area(box), 1.0))
    other_side = np.sqrt(np.maximum(box_area(other_box), 1.0))
    ratio = np.maximum(side, other_side) / np.minimum(side, other_side)
    # A person whom something hides in part has fewer joints and a smaller box.
    allowed = np.minimum(_LARGEST_RATIO + _RATIO_PER_FRAME * (age - 1), _END_OF_RATIO)
    alike = (ratio <= allowed[:, None]) | (joints > 0.5)
    away = (box[..., :2] + box[..., 2:] - other_box[..., :2] - other_box[..., 2:]) / 2.0
    reach = np.minimum(_WANDERING + _WANDERING_PER_FRAME * age, _MOST_WANDERING)
    reach = reach[:, None] * np.minimum(side, other_side)
    near = np.exp(-np.sum(away**2, axis=-1) / (2.0 * reach**2)) * (age > 1)[:, None]
    return np.where(alike, np.maximum((joints + overlap) / 2.0, _NEARNESS * near), 0.0)


def _boxes(xy: np.ndarray, seen: np.ndarray) -> Float[np.ndarray, "n 4"]:
    """Returns the boxes of joints: left, top, right, bottom; zeros without joints."""
    some = seen.any(axis=1)[:, None]
    low = np.min(np.where(seen[..., None], xy, np.inf), axis=1)
    high = np.max(np.where(seen[..., None], xy, -np.inf), axis=1)
    return np.concatenate([np.where(some, low, 0.0), np.where(some, high, 0.0)], axis=1)


def _filled(number: int, detections: VideoDetections) -> PersonTrack:
    """Returns a person's track, with keypoints on straight lines across gaps.

    A joint of a gap is there if it was seen before and after the gap; if nothing was,
    the keypoints before the gap stay.
    """
    frame = detections.frame
    every = np.arange(frame[0], frame[-1] + 1)
    before = np.searchsorted(frame, every, side="right") - 1
    after = np.minimum(before + 1, len(frame) - 1)
    measured = frame[before] == every
    after = np.where(measured, before, after)
    span = np.maximum(frame[after] - frame[before], 1)
    share = ((every - frame[before]) / span)[:, None]
    seen = (detections.confidence[before] > 0) & (detections.confidence[after] > 0)
    nothing = ~seen.any(axis=1, keepdims=True)
    confidence = (
        np.minimum(detections.confidence[before], detections.confidence[after]) * seen
    )
    xy = (1 - share[..., None]) * detections.xy[before] + share[
        ..., None
    ] * detections.xy[after]
    confidence = np.where(nothing, detections.confidence[before], confidence)
    xy = np.where(nothing[..., None], detections.xy[before], xy)
    return PersonTrack(
        number,
        every,
        xy.astype(np.float32),
        confidence.astype(np.float32),
        measured,
    )
