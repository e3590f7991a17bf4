"""Who of a file is read: chosen, in the photo, and with the picture's identity."""

import json
import logging

import numpy as np
import pytest

from prohmr_jax.detection.people_reader import (
    InputFile,
    PeopleReader,
    ReadingSettings,
)
from prohmr_jax.errors import InputError
from tests.support.demo_cases import coco, openpose, person, write_photo

UNSEEN = [0.0] * 75


def moved(values: list[float], by: float) -> list[float]:
    return [value + by * (place % 3 < 2) for place, value in enumerate(values)]


@pytest.fixture
def read(tmp_path):
    """Reads a file's people: their numbers, and the reasons why others are left out."""

    def run(text: str, **settings):
        (tmp_path / "a.json").write_text(text)
        reader = PeopleReader(ReadingSettings(**settings))
        return reader.read(InputFile(tmp_path / "a.json", "a.json", False))

    return run


def numbers(in_file) -> list[int]:
    return [p.detection.person_index for p in in_file.people]


def reasons(in_file) -> list[tuple[int, str]]:
    return [(p.person_index, p.reason) for p in in_file.left_out]


def test_a_person_outside_the_photo_costs_itself_alone(read, tmp_path):
    write_photo(tmp_path / "a.png")
    in_file = read(openpose(person(0), moved(person(1), 500), UNSEEN, person(2)))
    assert numbers(in_file) == [0, 3]
    (first, outside), (second, _) = reasons(in_file)
    assert (first, second) == (1, 2)
    assert outside == (
        "is mostly outside the photo (a.png, 200 x 240 pixels): it must be another "
        "photo, or this one in another size or rotation"
    )
    assert [p.image_size for p in in_file.people] == [(200, 240)] * 2
    with pytest.raises(
        InputError, match=r"none of its 2 people .* 0 is mostly outside"
    ):
        read(openpose(moved(person(1), 500), UNSEEN))


def test_a_bad_photo_costs_its_people_alone(read, tmp_path):
    write_photo(tmp_path / "one.png")
    (tmp_path / "two.png").write_bytes(b"\x89PNG")
    in_file = read(coco("one.png", "two.png", "three.png"))
    assert numbers(in_file) == [0, 2]
    assert [p.photo and p.photo.name for p in in_file.people] == ["one.png", None]
    assert [p.picture_name for p in in_file.people] == ["one.png", "three.png"]
    ((number, reason),) = reasons(in_file)
    assert number == 1
    assert reason.startswith("cannot be seen: the photo (two.png) is ")
    with pytest.raises(InputError, match=r"two\.png: is ") as caught:
        read(coco("two.png", "two.png"))
    assert caught.value.path == str(tmp_path / "two.png")
    # A model that looks at photos cannot do without.
    in_file = read(coco("one.png", "two.png", "three.png"), needs_photo=True)
    assert [number for number, _ in reasons(in_file)] == [1, 2]
    assert "has no photo, but" in reasons(in_file)[1][1]


def annotations(*sizes) -> str:
    images = [
        {"id": number, "file_name": f"{number}.png", "width": w, "height": h}
        for number, (w, h) in enumerate(sizes)
    ]
    people = [
        {"image_id": number, "keypoints": person(number, 17)}
        for number in range(len(sizes))
    ]
    return json.dumps({"images": images, "annotations": people})


def test_sizes_that_the_file_states(read, tmp_path):
    write_photo(tmp_path / "0.png")
    write_photo(tmp_path / "1.png")
    in_file = read(annotations((200, 240), (640, 480), (800, 600)))
    assert numbers(in_file) == [0, 2]
    assert [p.image_size for p in in_file.people] == [(200, 240), (800, 600)]
    assert reasons(in_file) == [
        (1, "was detected in a picture of another size (640 x 480) than the photo "
            "(1.png, 200 x 240 pixels)")
    ]  # fmt: skip
    plain = read(openpose(person(0)), image_size=(300, 400))
    assert plain.people[0].image_size == (300, 400)


def test_positions_that_are_shares_of_the_picture(read, tmp_path):
    sides = 200, 240, 1
    shares = [value / sides[place % 3] for place, value in enumerate(person(0))]
    whole = read(openpose(person(0))).people[0].detection.keypoints
    with pytest.raises(InputError, match="fractions of the image's size"):
        read(openpose(shares))
    sized = read(openpose(shares), image_size=(200, 240))
    write_photo(tmp_path / "a.png")
    for in_file in (sized, read(openpose(shares))):
        keypoints = in_file.people[0].detection.keypoints
        np.testing.assert_allclose(keypoints.xy, whole.xy, atol=1e-4)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"a\.json: none of its 1 people"):
        read(openpose(shares))


def test_the_order_of_joints_is_chosen(read):
    text = openpose(person(0))
    first, second = (
        read(text, joint_order=order).people[0].detection.keypoints.confidence
        for order in ("BODY_25", "BODY_25B")
    )
    assert np.any(first != second)


def test_pictures_are_told_apart(read):
    in_file = read(coco("a.jpg", "b.jpg", "a.jpg"))
    first, second, third = (p.picture for p in in_file.people)
    assert first == third != second
    ids = json.loads(coco("x", "x", "x"))
    for item, image_id in zip(ids, (7, 8, 7), strict=True):
        item["image_id"] = image_id
    first, second, third = read(json.dumps(ids)).people
    assert first.picture == third.picture != second.picture
    assert [p.describe_picture() for p in (first, second)] == ["7", "8"]
    ids[0]["track_id"] = 3
    assert read(json.dumps(ids)).people[0].describe_picture() == "7, track 3"


def test_people_are_chosen(read):
    small = person(0)
    large = [value * (1 + 3 * (place % 3 < 2)) for place, value in enumerate(small)]
    text = openpose(small, large, UNSEEN)
    assert numbers(read(text, people="largest")) == [1]
    assert reasons(read(text, people="largest")) == reasons(read(text))
    assert numbers(read(text, people="1, 0")) == [0, 1]
    chosen = read(text, people="0,2,9")
    assert numbers(chosen) == [0]
    assert [n for n, _ in reasons(chosen)] == [2, 9]
    assert reasons(chosen)[1][1] == "does not exist"
    with pytest.raises(InputError, match="no person 9 to reconstruct, but has 0, 1"):
        read(text, people="9")
    with pytest.raises(InputError, match="person 2 has no joint"):
        read(text, people="2")
    with pytest.raises(InputError, match=r'config\.people: "first" is not'):
        read(text, people="first")
    # The largest of each picture.
    assert numbers(read(coco("a.jpg", "a.jpg", "b.jpg"), people="largest"))[-1] == 2
    assert len(read(coco("a.jpg", "a.jpg", "b.jpg"), people="largest").people) == 2


def test_a_stated_size_must_hold_the_keypoints(read):
    text = openpose(person(0), moved(person(1), 130), moved(person(2), 500))
    in_file = read(text, image_size=(200, 240))
    assert numbers(in_file) == [0]
    assert reasons(in_file) == [
        (n, "is outside the picture, whose size is 200 x 240 by config.image_size")
        for n in (1, 2)
    ]
    assert numbers(read(text, image_size=(800, 800))) == [0, 1, 2]
    with pytest.raises(InputError, match=r"config\.image_size: needs both"):
        read(text, image_size=(200, 0))


def test_a_focal_length_that_no_camera_has_is_refused(read):
    """Where the picture's size is not known, the person alone must be possible."""
    known = r"a field of view of 153 degrees in a picture of 240 .* 29 mm on .*"
    alone = r"that the person alone fills 1\d\d degrees of the view; it is in pixels"
    cases = {(200, 240): known, (0, 0): alone}
    for size, what in cases.items():
        fault = f"person 0 cannot be seen: config.focal_length_px=29 means {what}"
        with pytest.raises(InputError, match=fault):
            read(openpose(person(0)), focal_length_px=29.0, image_size=size)
    assert numbers(read(openpose(person(0)), focal_length_px=200.0)) == [0]
    assert numbers(read(openpose(person(0)), focal_length_px=50000.0)) == [0]
    with pytest.raises(InputError, match="view of 0.275 degrees"):
        read(openpose(person(0)), focal_length_px=50000.0, image_size=(200, 240))


def test_a_size_that_is_not_used_is_said_once(read, tmp_path, caplog):
    for name in ("a", "b"):
        write_photo(tmp_path / f"{name}.png")
    for size, count in (((200, 240), 0), ((640, 480), 1)):
        with caplog.at_level(logging.WARNING):
            read(coco("a.png", "b.png"), image_size=size)
        assert caplog.text.count("config.image_size is not used") == count
