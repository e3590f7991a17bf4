"""Joints are located from the views beside the one that is measured."""

import numpy as np
import pytest

from prohmr_jax.evaluation.footage_truth import (
    BONES,
    LIMBS_12,
    located_by,
    located_by_others,
    truth_precision,
)
from tests.support.view_scenes import ring_of_cameras, shown_by

RIG = ring_of_cameras(4)
J = len(LIMBS_12)


@pytest.fixture
def points():
    """Two people of human size, [2, 12, 3], world."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, J, 3))


def shown(points):
    xy = np.stack([shown_by(RIG, camera, points) for camera in range(4)], axis=1)
    return xy, np.ones(xy.shape[:-1])


def in_cameras(points):
    """[2, 4, 12, 3]: the points in the axes of every camera, by loops."""
    return np.array(
        [
            [
                [R @ p + t for p in person]
                for R, t in zip(RIG.rotation, RIG.translation, strict=True)
            ]
            for person in points
        ]
    )


def test_the_limbs_are_arms_and_legs():
    assert len(LIMBS_12) == 12
    assert len(BONES) == 8
    names = {LIMBS_12.names[end] for bone in BONES for end in bone}
    assert names == set(LIMBS_12.names)


def test_exact_views_locate_the_joints_in_every_camera(points):
    xy, confidence = shown(points)
    for truth in (
        located_by_others(RIG, xy, confidence),
        located_by(RIG, xy, confidence, [0, 2]),
    ):
        assert truth.is_located.all()
        np.testing.assert_allclose(truth.joints, in_cameras(points), atol=1e-9)
    precision = truth_precision(RIG, xy, confidence)
    assert precision.pairs_mm < 1e-6
    assert precision.num_distances == 6 * 2 * J
    # The two people have bones of different lengths, by chance.
    assert precision.bones_mm > 10.0


def test_a_view_has_no_part_in_its_own_truth(points):
    xy, confidence = shown(points)
    xy[:, 1] += 300.0
    truth = located_by_others(RIG, xy, confidence)
    np.testing.assert_allclose(truth.joints[:, 1], in_cameras(points)[:, 1], atol=1e-9)
    assert truth.is_located[:, 1].all()
    # The others do not agree with the wrong view, so that they locate nothing.
    assert not truth.is_located[:, [0, 2, 3]].any()


def test_joints_that_one_view_alone_shows_are_not_located(points):
    xy, confidence = shown(points)
    confidence[0, [1, 2], 3] = 0.0
    truth = located_by_others(RIG, xy, confidence)
    # Beside the cameras 0 and 3, one view is left; beside 1 and 2 there are two.
    assert list(truth.is_located[0, :, 3]) == [False, True, True, False]
    assert truth.is_located[1].all()
    assert not truth.joints[0, 0, 3].any()


def test_noise_makes_the_truth_as_imprecise_as_it_is(points):
    xy, confidence = shown(points)
    xy = xy + np.random.default_rng(1).normal(size=xy.shape)
    coarse = truth_precision(RIG, xy, confidence).pairs_mm
    fine = truth_precision(RIG, 0.9 * shown(points)[0] + 0.1 * xy, confidence).pairs_mm
    assert 0 < fine
    assert coarse == pytest.approx(10.0 * fine, rel=0.02)
