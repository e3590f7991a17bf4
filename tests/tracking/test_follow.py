"""People who cross, hide, enter and leave keep their numbers."""

import numpy as np
import pytest

from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.tracking.follow import TrackingSettings, follow_people, similarities
from prohmr_jax.tracking.person_tracks import VideoDetections, chosen_tracks

COCO = np.array(COCO_17.positions_in(BODY_25))
SETTINGS = TrackingSettings(frame_rate=30.0)
STANDING = np.random.default_rng(0).uniform(0, 1, (25, 2)) * [60.0, 170.0]


def person(frame, x, y=100.0, score=0.8, size=1.0):
    """A detection of a standing person whose left upper corner is at (x, y)."""
    return frame, STANDING * size + [x, y], np.full(25, score)


def detections(people, rng=None):
    people = sorted(people, key=lambda p: p[0])
    frame, xy, confidence = map(np.array, zip(*people, strict=True))
    if rng is not None:
        order = np.argsort(frame + rng.uniform(0, 0.5, len(frame)))
        frame, xy, confidence = frame[order], xy[order], confidence[order]
        xy = xy + rng.normal(0, 1.5, xy.shape)
    return VideoDetections(frame, xy.astype(np.float32), confidence.astype(np.float32))


def left_edges(track):
    return track.xy[..., 0].min(axis=1)


def test_people_who_cross_keep_their_numbers(rng):
    people = []
    for frame in range(90):
        people.append(person(frame, 4.0 * frame))
        # The one behind is hidden for a third of a second.
        if not 35 <= frame < 47:
            people.append(person(frame, 340.0 - 4.0 * frame, 110.0))
    first, second = follow_people(detections(people, rng), SETTINGS)
    assert first.measured.all()
    assert len(first) == 90
    assert len(second) == 90
    assert second.measured.sum() == 78
    np.testing.assert_allclose(left_edges(first)[[0, 89]], [0, 356], atol=8)
    np.testing.assert_allclose(left_edges(second)[[0, 89]], [340, -16], atol=8)


def test_gaps_lie_on_a_straight_line():
    people = [person(f, 2.0 * f) for f in range(60) if not 20 <= f < 30]
    (track,) = follow_people(detections(people), SETTINGS)
    np.testing.assert_array_equal(track.frame, np.arange(60))
    np.testing.assert_array_equal(np.flatnonzero(~track.measured), np.arange(20, 30))
    line = STANDING[None] + [0.0, 100.0] + 2.0 * np.arange(60)[:, None, None] * [1, 0]
    np.testing.assert_allclose(track.xy, line, atol=1e-3)


def test_a_joint_of_a_gap_is_seen_only_if_it_was_before_and_after():
    people = [person(f, 0.0) for f in range(40) if f != 20]
    people[19][2][4] = 0.0
    (track,) = follow_people(detections(people), SETTINGS)
    assert track.confidence[20, 4] == 0.0
    assert (np.delete(track.confidence[20], 4) > 0).all()


def test_who_stays_away_for_too_long_is_another_person():
    people = [person(f, 50.0) for f in range(120) if not 40 <= f < 75]
    tracks = follow_people(detections(people), SETTINGS)
    spans = [(track.frame[0], track.frame[-1]) for track in tracks]
    assert spans == [(0, 39), (75, 119)]
    longer = TrackingSettings(frame_rate=30.0, max_gap_s=1.5)
    assert len(follow_people(detections(people), longer)) == 1


@pytest.mark.parametrize("away", [8, 24])
def test_who_walks_out_and_comes_back_keeps_the_number(rng, away):
    """Beside the edge of the picture, where the person leaves, another one stands."""
    leaves = 45
    people = [person(f, 3.0 * (leaves - f)) for f in range(leaves)]
    people += [person(f, 3.0 * (f - leaves - away)) for f in range(leaves + away, 120)]
    people += [person(f, 110.0, 95.0) for f in range(120)]
    tracks = follow_people(detections(people, rng), SETTINGS)
    assert [len(track) for track in tracks] == [120, 120]
    (walker,) = (t for t in tracks if not t.measured.all())
    np.testing.assert_array_equal(
        np.flatnonzero(~walker.measured), np.arange(leaves, leaves + away)
    )
    ends = [135, 3 * (119 - leaves - away)]
    np.testing.assert_allclose(left_edges(walker)[[0, 119]], ends, atol=12)


def test_three_people_who_cross_at_once_keep_their_numbers(rng):
    speeds, starts = (5.0, 0.0, -5.0), (0.0, 225.0, 450.0)
    people = [
        person(frame, start + speed * frame, 100.0 + 12.0 * row)
        for frame in range(90)
        for row, (start, speed) in enumerate(zip(starts, speeds, strict=True))
        # The two behind are hidden while they pass.
        if row == 1 or not 40 <= frame < 50
    ]
    tracks = follow_people(detections(people, rng), SETTINGS)
    assert [len(track) for track in tracks] == [90, 90, 90]
    ends = [left_edges(track)[89] for track in tracks]
    np.testing.assert_allclose(ends, [445, 225, 5], atol=12)


def test_numbers_follow_the_order_of_appearance():
    people = [person(f, 400.0) for f in range(60)]
    people += [person(f, 100.0) for f in range(60)]
    people += [person(f, 700.0) for f in range(20, 60)]
    tracks = follow_people(detections(people), SETTINGS)
    assert [round(float(left_edges(t)[0]), -2) for t in tracks] == [100, 400, 700]
    assert [track.number for track in tracks] == [0, 1, 2]


def test_short_and_doubtful_tracks_are_dropped():
    people = [person(f, 0.0) for f in range(60)]
    people += [person(f, 300.0) for f in range(10)]
    people += [person(f, 600.0, score=0.3) for f in range(60)]
    (track,) = follow_people(detections(people), SETTINGS)
    assert left_edges(track)[0] < 50


def test_a_doubtful_detection_continues_a_track():
    people = [person(f, 0.0, score=0.3 if 20 <= f < 50 else 0.8) for f in range(60)]
    (track,) = follow_people(detections(people), SETTINGS)
    assert track.measured.all()


def test_a_pedestrian_who_is_overtaken_keeps_the_number(rng):
    people = [person(f, 300.0 + f) for f in range(90)]
    people += [person(f, 5.0 * f, 130.0, size=1.15) for f in range(90)]
    tracks = follow_people(detections(people, rng), SETTINGS)
    assert sorted(len(track) for track in tracks) == [90, 90]
    shifts = sorted(float(np.ptp(left_edges(track))) for track in tracks)
    np.testing.assert_allclose(shifts, [89, 445], rtol=0.12)


def test_results_do_not_depend_on_the_rate():
    """At half the rate, with twice the steps, the same people are followed."""
    people = [person(f, 8.0 * f) for f in range(45)]
    people += [person(f, 340.0 - 8.0 * f, 110.0) for f in range(45)]
    tracks = follow_people(detections(people), TrackingSettings(frame_rate=15.0))
    assert [len(track) for track in tracks] == [45, 45]


def test_similarity_of_equal_people_is_one_and_of_far_ones_zero():
    xy = STANDING[COCO][None]
    seen = np.ones((1, 17), bool)
    age = np.array([1])
    same = similarities(xy, seen, age, xy, seen)
    np.testing.assert_allclose(same, 1.0)
    assert similarities(xy, seen, age, xy + 500.0, seen)[0, 0] < 1e-3
    # Half of the way out, the prediction of someone long unseen is more tolerant.
    near = [similarities(xy, seen, np.array([a]), xy + 25, seen) for a in (1, 10)]
    assert near[0] < near[1]


@pytest.mark.parametrize(
    ("people", "numbers"), [("all", [0, 1]), ("largest", [1]), ("0,7", [0]), ("7", [])]
)
def test_people_are_chosen(people, numbers):
    detected = [person(f, 0.0) for f in range(30)]
    detected += [person(f, 300.0, size=1.5) for f in range(30)]
    tracks = follow_people(detections(detected), SETTINGS)
    assert [t.number for t in chosen_tracks(tracks, people)] == numbers
