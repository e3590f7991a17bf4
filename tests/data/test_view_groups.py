"""People of a dataset are read with all their views together."""

import dataclasses

import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.view_groups import view_batches, view_groups
from tests.support.datasets_case import make_record, write_people

# Who is seen in each record; the photo of one view is damaged, one person is seen once.
SEEN = ("a", "b", "c", "a", "", "b", "d", "e", "d", "d", "e", "")
DAMAGED = 7


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    records = [
        dataclasses.replace(make_record(n, damaged=n == DAMAGED), person=person)
        for n, person in enumerate(SEEN)
    ]
    directory = write_people(tmp_path_factory.mktemp("views"), records)
    return Source(str(directory), "train", 1.0)


def test_groups_are_the_people_with_several_views(source):
    people = DatasetReader(source)
    assert view_groups(people) == [[0, 3], [1, 5], [7, 10], [6, 8, 9]]
    assert view_groups(people, 2) == [[0, 3], [7, 10]]


def test_batches_have_one_number_of_views(source):
    batches = list(view_batches(source, 3, 8))
    assert [(len(b.has_pose), len(names), views) for b, names, views in batches] == [
        (6, 4, 2), (9, 3, 3)
    ]  # fmt: skip
    (first, names, _), _ = batches
    expected = [make_record(n) for n in (0, 3, 1, 5, 1, 5)]
    assert names == [record.action for record in expected[:4]]
    for row, record in enumerate(expected):
        assert first.smpl.betas[row] == pytest.approx(record.betas)
