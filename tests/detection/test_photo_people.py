"""What becomes of people whom the detector finds in a photo, and of photos without."""

import numpy as np
import pytest

from prohmr_jax.detection import photo_people
from prohmr_jax.detection.photo_people import people_in_photo
from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Keypoints2D

PHOTO = np.arange(200 * 300 * 3, dtype=np.uint8).reshape(200, 300, 3)


def a_person(score: float = 0.8, extent: float = 100.0, **joints) -> DetectedPerson:
    """A person in the middle of the photo; joints by name as (x, y, confidence)."""
    draw = np.random.default_rng(0)
    xy = np.array([150.0, 100.0]) + extent * (draw.random((17, 2)) - 0.5)
    confidence = np.full(17, 0.8)
    for name, (x, y, value) in joints.items():
        joint = COCO_17.index(name)
        xy[joint], confidence[joint] = (x, y), value
    box = np.concatenate([[150.0, 100.0]] * 2) + extent / 2 * np.array([-1, -1, 1, 1])
    return DetectedPerson(Keypoints2D(xy, confidence), box, np.float64(score))


@pytest.fixture
def read(monkeypatch):
    """Reads a photo in which the detector finds given people."""

    def run(*people, photo=PHOTO, **settings):
        monkeypatch.setattr(photo_people, "detect_people", lambda *_, **__: people)
        return people_in_photo(None, "a.jpg", photo, **settings)

    return run


@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ((150.0, 100.0, 0.26), True),
        ((150.0, 100.0, 0.24), False),  # guessed
        ((-5.0, 100.0, 0.9), False),  # outside
        ((150.0, 205.0, 0.9), False),
        ((2.0, 100.0, 0.9), False),  # at the border, where those outside are put
        ((150.0, 197.0, 0.9), False),
        ((297.0, 100.0, 0.9), False),
        ((4.0, 195.0, 0.9), True),
    ],
)
def test_joints_that_are_guessed_count_as_missing(read, place, seen):
    (person,) = read(a_person(left_wrist=place)).people
    confidence = person.keypoints.confidence
    wrist = BODY_25.index("left_wrist")
    assert confidence[wrist] == (np.float32(place[2]) if seen else 0)
    names = [name for name in COCO_17.names if name != "left_wrist"]
    assert np.all(confidence[list(BODY_25.indices(*names))] > 0)
    np.testing.assert_allclose(person.keypoints.xy[wrist], place[:2], rtol=1e-6)


def test_a_middle_between_a_joint_seen_and_one_guessed_is_missing(read):
    (person,) = read(a_person(left_hip=(150.0, 120.0, 0.1))).people
    assert person.keypoints.confidence[BODY_25.index("mid_hip")] == 0
    assert person.keypoints.confidence[BODY_25.index("neck")] > 0


def test_people_who_cannot_be_used_are_left_out(read):
    hidden = {name: (150.0, 100.0, 0.2) for name in COCO_17.names[1:]}
    detections = read(
        a_person(), a_person(0.4), a_person(extent=19.0), a_person(**hidden),
        min_score=0.5,
    )  # fmt: skip
    assert [p.person_index for p in detections.people] == [0]
    assert [p.reason for p in detections.left_out] == [
        "has a score of 0.40, which is less than 0.5",
        "is only 19 pixels large",
        "has fewer than two joints in sight",
    ]
    with pytest.raises(InputError, match="nobody clearly: the surest has a score of 0"):
        read(a_person(0.4), min_score=0.5)


@pytest.mark.parametrize(
    ("photo", "fault"),
    [
        (PHOTO, "nobody was found"),
        (PHOTO[:20, :20], "is only 20 x 20 pixels"),
        (PHOTO[:1, :31], "is only 31 x 1 pixels"),
        (np.full((50, 50, 3), 7, np.uint8), "is blank"),
    ],
)
def test_photos_without_people(read, photo, fault):
    with pytest.raises(InputError, match=rf"^a\.jpg: .*{fault}"):
        read(photo=photo)
