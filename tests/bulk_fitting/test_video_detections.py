"""Videos are searched at intervals, and at once where somebody is lost."""

import numpy as np
import pytest

from prohmr_jax.bulk_fitting import video_detections
from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.video_detections import VideoDetector
from prohmr_jax.files.detections import Detection, Detections
from prohmr_jax.files.images import write_png
from prohmr_jax.files.videos import open_video
from prohmr_jax.structs import Keypoints2D

NUMBER, COMES, GOES = 10, 2, 6
CONFIDENCE = np.full(25, 0.8, np.float32)


@pytest.fixture
def looks(tmp_path, monkeypatch):
    """Detects two people, of whom the second is there from COMES to before GOES."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(NUMBER):
        write_png(folder / f"{number}.png", np.full((40, 60, 3), number, np.uint8))
    seen = []

    def detect(detector, image, *, known, search=True, **options):
        number = int(image[0, 0, 0])
        seen.append((number, search))
        there = 2 if COMES <= number < GOES else 1
        # Without a search nobody new is found.
        there = there if search else min(there, len(known.xy))
        people = [
            Detection(Keypoints2D(np.full((25, 2), place, "f"), CONFIDENCE), place, "")
            for place in range(there)
        ]
        return Detections(tuple(people), ())

    monkeypatch.setattr(video_detections, "people_in_frame", detect)

    def looks(search_every, frames_per_part):
        seen.clear()
        detector = VideoDetector(
            lambda: None,
            min_score=0.25,
            smallest=0.16,
            search_every=search_every,
            remembered=3,
            frames_per_part=frames_per_part,
        )
        name = f"parts{search_every}_{frames_per_part}"
        parts = RunFolder(tmp_path / name, {}, tmp_path / "none")
        people = detector(open_video(folder), parts, lambda _: None)
        parts.close()
        return list(seen), people.frame[people.xy[:, 0, 0] == 1].tolist()

    return looks


def test_the_picture_is_searched_at_intervals_and_where_somebody_is_lost(looks):
    calls, second = looks(4, 100)
    # Who has gone is searched for as long as the frames before show that person.
    assert [number for number, search in calls if search] == [0, 4, GOES, 7, 8]
    assert [number for number, search in calls if not search] == [1, 2, 3, 5, 6, 9]
    # Who comes is found by the next search.
    assert second == [4, 5]


def test_every_frame_is_searched_where_the_interval_is_one(looks):
    calls, second = looks(1, 100)
    assert calls == [(number, True) for number in range(NUMBER)]
    assert second == list(range(COMES, GOES))


def test_searches_do_not_depend_on_parts(looks):
    assert looks(4, 3) == looks(4, 100)
