"""Batches of people, and the sources that they come from."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.bulk_fitting.person_stream import (
    SourceItem,
    SourcePosition,
    person_batches,
)
from prohmr_jax.bulk_fitting.sources import open_source
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from tests.support.demo_cases import coco, openpose, person, write_photo

UNSEEN = [0.0] * 75


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A source of numbers, by the number of people in each item."""

    sizes: tuple[int, ...]

    def __len__(self):
        return len(self.sizes)

    def read(self, number):
        first = sum(self.sizes[:number])
        people = list(range(first, first + self.sizes[number]))
        return SourceItem(people, [f"bad in {number}"] if number % 2 else [])

    def fingerprint(self):
        return str(self.sizes)


SIZES = (3, 0, 1, 7, 0, 2, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 13, 40])
def test_batches_continue_from_any_of_them(size):
    source = Numbers(SIZES)
    batches = list(person_batches(source, SourcePosition(), size))
    everyone = [p for batch in batches for p in batch.people]
    left_out = [line for batch in batches for line in batch.left_out]
    assert everyone == list(range(sum(SIZES)))
    assert left_out == ["bad in 1", "bad in 3", "bad in 5"]
    full = [len(batch.people) for batch in batches[:-1]]
    assert full == [size] * (len(batches) - 1)
    for number, batch in enumerate(batches):
        following = list(person_batches(source, batch.next, size))
        assert following == batches[number + 1 :]


def test_a_batch_without_people_still_says_why():
    (batch,) = person_batches(Numbers((0, 0)), SourcePosition(), 4)
    assert (list(batch.people), list(batch.left_out)) == ([], ["bad in 1"])
    assert batch.next == SourcePosition(2)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    texts = {
        "a.json": openpose(person(0), UNSEEN, person(1)),
        "b.json": "{",
        "deep/c.json": coco("x.png", "y.png"),
    }
    for name, text in texts.items():
        (tmp_path / "in" / name).write_text(text)
    write_photo(tmp_path / "in" / "a.png")
    write_photo(tmp_path / "in" / "deep" / "x.png", size=(20, 20))
    return tmp_path / "in"


def open_input(path, **settings):
    reader = PeopleReader(ReadingSettings(**settings))
    return open_source(path, reader, path.parent / "out", crop_px=None)


def people_of(source):
    items = [source.read(number) for number in range(len(source))]
    return ([p for item in items for p in item.people],
            [line for item in items for line in item.left_out])  # fmt: skip


def test_a_folder(folder):
    source = open_input(folder)
    people, left_out = people_of(source)
    assert [(p.source, p.detection.person_index) for p in people] == [
        ("a.json", 0), ("a.json", 2), ("deep/c.json", 1),
    ]  # fmt: skip
    assert [p.photo_name for p in people] == ["a.png", "a.png", "y.png"]
    assert [tuple(p.image_size) for p in people] == [(200, 240), (200, 240), (0, 0)]
    assert people[0].keypoints.xy.shape == (len(JOINTS_44), 2)
    assert not people[0].keypoints.confidence[len(BODY_25) :].any()
    assert people[0].read_photo("honour").shape == (240, 200, 3)
    assert people[2].read_photo("honour") is None
    for line, fault in zip(
        left_out,
        ["a.json: person 1 has no joint", "b.json: is truncated",
         "deep/c.json: person 0 is mostly outside the photo (x.png, 20 x 20 pixels)"],
        strict=True,
    ):  # fmt: skip
        # Names within the input: the same wherever it lies.
        assert line.startswith(fault)
    no_photos = open_input(folder, photo="none", image_size=(300, 400))
    people, left_out = people_of(no_photos)
    assert (len(people), len(left_out)) == (4, 2)
    assert {tuple(p.image_size) for p in people} == {(300, 400)}


def test_a_list_and_a_file(folder):
    (folder / "list.txt").write_text("# mine\ndeep/c.json\n\n a.json\nmissing.json\n")
    people, left_out = people_of(open_input(folder / "list.txt", photo="none"))
    assert [p.source for p in people] == ["deep/c.json"] * 2 + ["a.json"] * 2
    assert "missing.json: cannot be read" in left_out[-1]
    people, _ = people_of(open_input(folder / "a.json", photo="none"))
    assert [p.source for p in people] == ["a.json"] * 2


def test_fingerprints_change_with_the_input(folder):
    def now():
        return open_input(folder).fingerprint()

    before = now()
    assert before == now()
    (folder / "a.json").write_text(openpose(person(3)))
    changed = now()
    (folder / "d.json").write_text(openpose(person(4)))
    assert len({before, changed, now()}) == 3


@pytest.mark.parametrize(
    ("name", "fault"),
    [("none", "no such file"), ("empty", "holds no .json"), ("a.txt", "is empty"),
     ("none.txt", "cannot be read")],
)  # fmt: skip
def test_nothing_to_read(tmp_path, name, fault):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match=fault):
        open_input(tmp_path / name)


def record(tmp_path, number: int, joints: dict[str, tuple[float, float]]):
    """A person of whom some joints are labelled."""
    path = tmp_path / f"{number}.png"
    Image.fromarray(np.full((80, 60, 3), 40 * number, np.uint8)).save(path)
    keypoints = np.zeros((len(JOINTS_44), 3))
    for name, xy in joints.items():
        keypoints[JOINTS_44.index(name)] = *xy, 1.0
    return PersonRecord(
        image=path.read_bytes(),
        name=path.name,
        box_center=np.array([30.0, 40.0]),
        box_size=70.0,
        keypoints_2d=keypoints,
        keypoints_3d=np.zeros((len(JOINTS_44), 4)),
        axis_angle=np.zeros((24, 3)),
        betas=np.zeros(10),
        has_pose=False,
        has_betas=False,
        intrinsics=np.array([[500.0, 0, 31], [0, 510, 42], [0, 0, 1]]),
    )


def test_a_dataset(tmp_path):
    labels = {
        "left_shoulder_extra": (40.0, 20.0),
        "right_shoulder_extra": (20.0, 22.0),
        "left_wrist": (44.0, 40.0),
    }
    records = {
        "train": [record(tmp_path, 0, labels), record(tmp_path, 1, {})],
        "a_test": [record(tmp_path, 2, labels)],
    }
    write_dataset(tmp_path / "set", "mine", records)
    source = open_input(tmp_path / "set")
    assert len(source) == 3
    people, left_out = people_of(source)
    assert [p.detection.person_index for p in people] == [0, 1]
    assert [p.photo_name for p in people] == ["2.png", "0.png"]
    assert "record 2 (1.png) has fewer than two distinct keypoints" in left_out[0]
    one = people[1]
    assert tuple(one.image_size) == (60, 80)
    np.testing.assert_array_equal(one.intrinsics[0], [500, 0, 31])
    assert one.read_photo("honour")[0, 0, 0] == 0
    shown = one.detection.keypoints
    seen = {n for n, c in zip(BODY_25.names, shown.confidence, strict=True) if c > 0}
    assert seen == {"left_shoulder", "right_shoulder", "neck", "left_wrist"}
    np.testing.assert_allclose(shown.xy[BODY_25.index("neck")], [30.0, 21.0])
    assert json.dumps(source.fingerprint())
