"""Multi-view files: views of a person stay together; pickles are only read."""

import pickle

import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.multiview_annotations import read_multiview
from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles import machine
from tests.support.datasets_files import official_arrays, write_photos

VIEWS = [[f"P{person}_view{view}.jpg" for view in range(4)] for person in range(3)]


def people():
    """As the official tool writes them: rows of the arrays of an annotation file."""
    return [official_arrays(names, seed=n) for n, names in enumerate(VIEWS)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "multiview.pkl"


def save(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_views_of_a_person_have_its_name_and_a_wider_box(path, tmp_path, protocol):
    table = read_multiview(save(path, people(), protocol))
    images = write_photos(tmp_path / "images", sum(VIEWS, []))
    write_dataset(tmp_path / "out", "multiview", {"val": table}, images=images)
    source = DatasetReader(Source(str(tmp_path / "out"), "val", 1.0))
    records = [source[row][0] for row in range(len(source))]
    assert [r.name for r in records] == sum(VIEWS, [])
    assert [r.person for r in records] == [str(n) for n in range(3) for _ in range(4)]
    # BatchedImageDataset: 1.2 * scale, in pixels.
    scales = np.concatenate([person["scale"] for person in people()])
    np.testing.assert_allclose([r.box_size for r in records], 1.2 * scales, rtol=1e-6)
    expected = people()[1]["extra_keypoints_3d"][2]
    np.testing.assert_allclose(records[6].keypoints_3d[25:], expected, rtol=1e-6)


def test_lists_count_as_arrays(path):
    as_lists = [
        {
            **person,
            "imgname": list(person["imgname"].tolist()),
            "scale": person["scale"].tolist(),
            "center": list(person["center"]),
        }
        for person in people()
    ]
    actual = read_multiview(save(path, as_lists))
    expected = read_multiview(save(path, people()))
    for a, b in zip(actual, expected, strict=True):
        assert (a.name, a.person, a.box_size) == (b.name, b.person, b.box_size)
        np.testing.assert_array_equal(a.box_center, b.box_center)


def test_people_need_no_labels_and_may_have_any_number_of_views(path):
    only = [
        {key: person[key][:views] for key in ("imgname", "center", "scale")}
        for person, views in zip(people(), (1, 4, 2), strict=True)
    ]
    table = read_multiview(save(path, only))
    assert table.people.tolist() == ["0", "1", "1", "1", "1", "2", "2"]
    assert not any(record.keypoints_2d.any() for record in table)


def test_boxes_in_other_units_are_not_guessed(path):
    small = [{**person, "scale": person["scale"] / 200} for person in people()]
    with pytest.raises(InputError, match="seems to be in box_200"):
        read_multiview(save(path, small))
    table = read_multiview(path, box_unit="box_200")
    expected = read_multiview(save(path, people())).box_sizes
    np.testing.assert_allclose(table.box_sizes, expected)


def broken(**changes):
    first, second, third = people()
    second = {k: v for k, v in {**second, **changes}.items() if v is not None}
    return [first, second, third]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "no list of people"),
        ({"imgname": 1}, "no list of people"),
        ([[1, 2]], "person 0 has no named arrays"),
        (broken(center=None), "person 1 has no array 'center'"),
        (broken(betas=None), "persons 0 and 1 differ in having betas"),
        (broken(center=np.zeros((3, 2))), "center of person 1 has shape"),
        (broken(center=[np.zeros(2), np.zeros(3)] * 2), "center of person 1 has rows"),
        (broken(imgname=np.array([{}] * 4)), "imgname of person 1 is an array of Pyth"),
        (broken(imgname=[1, 2, 3, 4]), "imgname of person 1 is of type"),
        (broken(scale="large"), "scale of person 1 is missing or no array"),
        (broken(scale=np.zeros((4, 2))), "scale is not alike"),
    ],
)
def test_other_content_is_refused_by_person_and_name(path, content, fault):
    with pytest.raises(InputError, match=fault) as error:
        read_multiview(save(path, content))
    assert str(error.value).startswith(f"{path}: ")


def test_many_small_arrays_are_no_flood(path, monkeypatch):
    monkeypatch.setattr(machine, "_MAX_INSTRUCTIONS", 100)
    assert len(read_multiview(save(path, people()))) == 12


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04", b"no pickle"])
def test_files_that_are_none_are_named(path, content):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="multiview.pkl: "):
        read_multiview(path)


class Attack:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("place", ["whole", "person", "array", "name"])
def test_attacks_are_refused_and_never_run(path, tmp_path, place):
    canary = tmp_path / "canary"
    attack = Attack(open, str(canary), "w")
    content = {
        "whole": attack,
        "person": [*people(), attack],
        "array": broken(betas=attack),
        "name": broken(imgname=[attack] * 4),
    }[place]
    with pytest.raises(InputError, match="refused: it asks for '.*open'"):
        read_multiview(save(path, content))
    assert not canary.exists()
    pickle.loads(path.read_bytes())  # the canary sings where pickles are executed
    assert canary.exists()
