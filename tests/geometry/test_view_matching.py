"""People in different views are the same person where their rays meet."""

import itertools

import numpy as np
import pytest

from prohmr_jax.geometry.view_matching import (
    PeopleOfView,
    agreeing_views,
    match_people,
    view_errors,
)
from tests.support.view_scenes import people_in_room, ring_of_cameras, shown_by


def scene(seed: int, number: int, cameras: int, noise: float):
    """Cameras, what they see in random order, and who that is."""
    rng = np.random.default_rng(seed)
    rig, people = ring_of_cameras(cameras), people_in_room(rng, number)
    views, names = [], []
    for camera in range(cameras):
        seen = [p for p in rng.permutation(number) if rng.random() > 0.15]
        xy = shown_by(rig, camera, people[seen])
        size = np.ptp(xy, axis=1).max(axis=-1)[:, None, None]
        xy = xy + noise * size * rng.normal(size=xy.shape)
        wrong = rng.random(xy.shape[:2]) < 0.03
        xy[wrong] += 100.0
        confidence = rng.uniform(0.4, 1.0, xy.shape[:2])
        confidence *= rng.random(xy.shape[:2]) > 0.1
        views.append(PeopleOfView(xy, confidence))
        names.append(seen)
    return rig, views, names


@pytest.mark.parametrize(("number", "cameras"), [(1, 2), (2, 2), (3, 4), (4, 3)])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_people_are_matched(number, cameras, noise):
    said, right, same = 0, 0, 0
    for seed in range(8):
        rig, views, names = scene(seed, number, cameras, noise)
        groups = match_people(rig, views)
        everyone = [pair for group in groups for pair in group.numbers.items()]
        expected = [(v, n) for v, seen in enumerate(names) for n in range(len(seen))]
        assert sorted(everyone) == expected
        group_of = {pair: g for g, group in enumerate(groups)
                    for pair in group.numbers.items()}  # fmt: skip
        for (v, n), (w, m) in itertools.combinations(expected, 2):
            if v != w:
                is_same = names[v][n] == names[w][m]
                is_said = group_of[v, n] == group_of[w, m]
                said, same = said + is_said, same + is_same
                right += is_said and is_same
    assert right >= 0.95 * said
    assert right >= 0.95 * same


def test_a_person_in_one_view_stays_alone():
    rig = ring_of_cameras(3)
    people = people_in_room(np.random.default_rng(0), 2)
    both = PeopleOfView(shown_by(rig, 0, people), np.ones((2, 25)))
    first, second = (
        PeopleOfView(shown_by(rig, camera, people[:1]), np.ones((1, 25)))
        for camera in (1, 2)
    )
    nobody = PeopleOfView(np.zeros((0, 25, 2)), np.zeros((0, 25)))
    groups = match_people(rig, [both, first, second])
    assert [group.numbers for group in groups] == [{0: 0, 1: 0, 2: 0}, {0: 1}]
    assert groups[0].error < 1e-9
    groups = match_people(rig, [both, nobody, second])
    assert [group.numbers for group in groups] == [{0: 0, 2: 0}, {0: 1}]
    assert match_people(rig, [nobody] * 3) == []


def test_errors_are_in_sides_of_the_box():
    rig = ring_of_cameras(3)
    (person,) = people_in_room(np.random.default_rng(0), 1)
    xy = np.stack([shown_by(rig, camera, person) for camera in range(3)], axis=1)
    seen = np.ones((25, 3))
    np.testing.assert_allclose(view_errors(rig, xy, seen), 0, atol=1e-9)
    shifted = xy.copy()
    shifted[:, 1] += [0.0, 0.2 * np.ptp(xy[:, 1], axis=0).max()]
    errors = view_errors(rig, shifted, seen)
    assert errors.argmax() == 1
    assert 0.05 < errors[1] < 0.2
    far = view_errors(rig, shifted + [0.0, 300.0] * np.eye(3)[1][:, None], seen)
    assert far[1] > errors[1]
    # Fewer than three joints in common, and people of no human size.
    few = np.where(np.arange(25)[:, None] < 2, seen, [1.0, 0.0, 0.0])
    assert np.isinf(view_errors(rig, xy, few)).all()
    giants = type(rig)(rig.intrinsics, rig.rotation, 5 * rig.translation)
    assert np.isinf(view_errors(giants, xy, seen)).all()


def one_person(cameras: int, others: tuple[int, ...], noise: float = 2.0):
    """A person in all cameras but some, which see another; positions [J, N, 2]."""
    rng = np.random.default_rng(1)
    rig, people = ring_of_cameras(5)[:cameras], people_in_room(rng, 2)
    xy = [shown_by(rig, c, people[int(c in others)]) for c in range(cameras)]
    xy = np.stack(xy, axis=1)
    return rig, xy + noise * rng.normal(size=xy.shape), np.ones(xy.shape[:2])


@pytest.mark.parametrize(
    ("cameras", "others"), [(2, ()), (3, (1,)), (4, (0,)), (5, (1, 4))]
)
def test_views_of_others_are_told(cameras, others):
    agrees = agreeing_views(*one_person(cameras, others))
    assert list(np.flatnonzero(~agrees)) == list(others)


@pytest.mark.parametrize(("cameras", "others"), [(2, (1,)), (4, (0, 1))])
def test_without_a_majority_no_view_is_right(cameras, others):
    assert not agreeing_views(*one_person(cameras, others)).any()


def test_views_that_share_no_joints_are_not_judged():
    rig, xy, confidence = one_person(3, (1,))
    confidence[:, 1] = 0.0
    assert agreeing_views(rig, xy, confidence).all()
    confidence[:, 0] = 0.0
    assert agreeing_views(rig, xy, confidence).all()
    # Cameras in one place cannot judge.
    same = [0, 0]
    assert agreeing_views(rig[same], xy[:, same], np.ones((len(xy), 2))).all()
