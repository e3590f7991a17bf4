"""Decoding: people drawn into dense maps are read out of them again."""

import functools

import jax
import numpy as np
import pytest

from prohmr_jax.models.movenet.decoding import decode_people, decode_single
from prohmr_jax.models.movenet.network import CELL, HeadMaps

HEIGHT, WIDTH, JOINTS = 24, 32, 17
NO, YES = -12.0, 6.0


# Compiled as a whole, which is quicker than operation by operation.
decode_one = jax.jit(decode_single)
decode_some = functools.partial(jax.jit, static_argnames="max_people")(decode_people)


def empty_maps(boxes=True):
    def full(*shape, value=0.0):
        return np.full((HEIGHT, WIDTH, *shape), value, np.float32)

    return HeadMaps(
        center=full(value=NO),
        heatmap=full(JOINTS, value=NO),
        joint_vectors=full(JOINTS, 2),
        joint_offsets=full(JOINTS, 2),
        box_offset=full(2) if boxes else None,
        box_size=full(2) if boxes else None,
    )


def draw(heads, center, joints, size=(12.0, 10.0)):
    """Draws a person; `joints` [17, 2] are (y, x) in cells, not whole numbers."""
    heads.center[tuple(center)] = YES
    cells = np.floor(joints).astype(int)
    for joint, (y, x) in enumerate(cells):
        heads.heatmap[y, x, joint] = YES
        heads.joint_offsets[y, x, joint] = joints[joint] - cells[joint]
    heads.joint_vectors[tuple(center)] = cells - np.asarray(center) + 0.4
    if heads.box_size is not None:
        heads.box_size[tuple(center)] = size
        heads.box_offset[tuple(center)] = 0.25


def joints_around(rng, center, reach=4.0):
    return np.asarray(center) + rng.uniform(-reach, reach, (JOINTS, 2))


def test_two_people_are_read_out_again(rng):
    heads = empty_maps()
    centers = [(8, 8), (14, 22)]
    people = [joints_around(rng, center) for center in centers]
    for center, joints in zip(centers, people, strict=True):
        draw(heads, center, joints)
    heads.center[14, 22] = YES + 1  # the better one comes first
    decoded = decode_some(heads)
    for row, joints in zip((0, 1), people[::-1], strict=True):
        xy = CELL * joints[:, ::-1] - 0.5
        np.testing.assert_allclose(decoded.keypoints.xy[row], xy, atol=1e-4)
    corners = CELL * np.array([22.25 - 5, 14.25 - 6, 22.25 + 5, 14.25 + 6]) - 0.5
    np.testing.assert_allclose(decoded.box[0], corners, atol=1e-4)
    assert np.all(decoded.keypoints.confidence[:2] > 0.8)
    assert np.all(decoded.score[:2] > 0.8)
    assert np.all(decoded.score[2:] < 1e-3)


def test_the_box_is_clipped_and_holds_the_joints(rng):
    heads = empty_maps()
    draw(heads, (3, 3), joints_around(rng, (3, 3), 2.5))
    # A stronger answer of the nose outside the box does not count.
    heads.heatmap[20, 28, 0] = YES + 3
    decoded = decode_some(heads)
    np.testing.assert_allclose(decoded.box[0, :2], -0.5)
    low, high = decoded.box[0, :2], decoded.box[0, 2:]
    assert np.all((decoded.keypoints.xy[0] >= low) & (decoded.keypoints.xy[0] <= high))


def test_more_people_than_the_graph_returns(rng):
    heads = empty_maps()
    centers = [(y, x) for y in (4, 12, 20) for x in (4, 12, 20, 28)]
    for center in centers:
        draw(heads, center, joints_around(rng, center, 1.5), size=(5.0, 5.0))
    assert np.sum(decode_some(heads).score > 0.5) == 6
    decoded = decode_some(heads, max_people=20)
    assert decoded.keypoints.xy.shape == (20, JOINTS, 2)
    assert np.sum(decoded.score > 0.5) == len(centers)


def test_the_person_in_the_middle_is_taken(rng):
    heads = empty_maps(boxes=False)
    near, far = (12, 15), (4, 28)
    people = {center: joints_around(rng, center, 3.0) for center in (near, far)}
    for center, joints in people.items():
        draw(heads, center, joints)
    decoded = decode_one(heads)
    xy = CELL * people[near][:, ::-1] - 0.5
    np.testing.assert_allclose(decoded.xy, xy, atol=1e-4)
    probability = 1 / (1 + np.exp(-YES))
    np.testing.assert_allclose(decoded.confidence, probability, atol=1e-5)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_leading_axes_are_kept(rng, batch):
    heads = empty_maps()
    draw(heads, (10, 12), joints_around(rng, (10, 12)))

    def widen(array):
        return np.broadcast_to(array, (*batch, *array.shape))

    wide = HeadMaps(
        **{name: widen(getattr(heads, name)) for name in HeadMaps.__annotations__}
    )
    single, one = decode_one(wide), decode_one(heads)
    np.testing.assert_allclose(single.xy, widen(np.asarray(one.xy)))
    people, alone = decode_some(wide, max_people=4), decode_some(heads, max_people=4)
    np.testing.assert_allclose(people.box, widen(np.asarray(alone.box)))
    np.testing.assert_allclose(people.score, widen(np.asarray(alone.score)))
