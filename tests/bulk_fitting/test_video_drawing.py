"""The view from the side is scaled to bodies that can be believed."""

import dataclasses

import numpy as np

from prohmr_jax.bulk_fitting.before_after import PlacedBody
from prohmr_jax.bulk_fitting.video_drawing import VideoPerson, joints_to_show
from prohmr_jax.rendering.side_view import SideView


def person_at(distance, plausible, frames=4):
    joints = np.zeros((frames, 44, 3)) + [0.0, 0.0, distance]
    zeros = np.zeros((frames, 3))
    return VideoPerson(
        number=0,
        frame=np.arange(frames),
        placed=PlacedBody(np.zeros((frames, 24, 3)), np.zeros((frames, 10)), zeros),
        joints=joints,
        measured=np.ones(frames, bool),
        plausible=np.full(frames, plausible),
        keypoints=np.zeros((frames, 25, 2)),
        confidence=np.zeros((frames, 25)),
    )


def test_implausible_bodies_do_not_make_the_others_small():
    near, far = person_at(9.0, True), person_at(300.0, False, frames=20)
    alone = SideView.around(joints_to_show([near]), (200, 100))
    both = SideView.around(joints_to_show([near, far]), (200, 100))
    assert both.pixels_per_metre == alone.pixels_per_metre
    np.testing.assert_array_equal(both.low, alone.low)


def test_single_frames_are_left_out_and_somebody_always_stays():
    person = person_at(9.0, True)
    person.joints[0, :, 2] = 80.0
    mixed = dataclasses.replace(person, plausible=person.frame > 0)
    assert joints_to_show([mixed])[:, 2].max() == 9.0
    assert len(joints_to_show([person_at(300.0, False)])) == 4 * 44
