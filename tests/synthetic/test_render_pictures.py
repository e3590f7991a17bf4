"""What is painted: clothes on the body, rooms around it, textures without a seam."""

import dataclasses

import cv2
import numpy as np
import pytest

from prohmr_jax.body import make_body_model
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.synthetic.appearance import random_appearance
from prohmr_jax.synthetic.body_map import BodyMap, map_body
from prohmr_jax.synthetic.picture_camera import PictureCamera
from prohmr_jax.synthetic.render_pictures import PictureRequest, render_pictures
from prohmr_jax.synthetic.rooms import draw_object, paint_room, random_room
from prohmr_jax.synthetic.textures import TEST_KINDS, TRAIN_KINDS, random_texture

SIZE = 32
FAR_AWAY = np.array([[100.0, 50.0, 100.0]])
UP = np.array([0.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def arrays():
    return read_body_arrays("open")


@pytest.fixture(scope="module")
def body(arrays):
    return map_body(make_body_model(**vars(arrays)))


def looking_down() -> PictureCamera:
    """From 2 m above the origin; the picture's x is the world's."""
    rotation = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    middle = (SIZE - 1) / 2
    view = Perspective((SIZE / 2, SIZE / 2), (middle, middle))
    return PictureCamera(rotation, -rotation @ [0.0, 2.0, 0.0], view, SIZE)


def test_limbs_have_coordinates_from_joint_to_joint(body):
    for name, along, part in (
        ("middle_tip", body.arm, body.is_arm),
        ("heel", body.leg, body.is_leg),
    ):
        for side in ("left", "right"):
            at = np.argmin(body.distance_to(f"{side}_{name}"))
            assert part[at]
            assert along[at] > 0.95
    nose = np.argmin(body.distance_to("nose"))
    assert body.is_head[nose]
    assert body.front[nose] > 0.8
    shares = [part.mean() for part in (body.is_head, body.is_arm, body.is_leg)]
    assert min(*shares, body.is_torso.mean()) > 0.05
    assert sum(shares) + body.is_torso.mean() == pytest.approx(1)


def test_map_does_not_depend_on_the_order_of_vertices(arrays, body):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(arrays.v_template))
    place = np.argsort(order)
    shuffled = dataclasses.replace(
        arrays,
        v_template=arrays.v_template[order],
        shapedirs=arrays.shapedirs[order],
        posedirs=arrays.posedirs[order],
        weights=arrays.weights[order],
        joint_regressor=arrays.joint_regressor[:, order],
        extra_regressor=arrays.extra_regressor[:, order],
        faces=place[arrays.faces],
        landmark_vertices=place[arrays.landmark_vertices],
    )
    mapped = map_body(make_body_model(**vars(shuffled)))
    for field in dataclasses.fields(BodyMap):
        if field.name not in ("faces", "landmarks"):
            wanted = getattr(body, field.name)[order]
            np.testing.assert_allclose(getattr(mapped, field.name), wanted, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_faces_and_hands_show_skin_and_backs_of_heads_do_not(body, seed):
    worn = random_appearance(np.random.default_rng(seed), body)
    assert ((worn.color >= 0) & (worn.color <= 1)).all()
    assert (worn.thickness >= 0).all()
    assert worn.thickness.max() < 0.05
    hands = body.is_arm & (body.arm > 1.05)
    cheeks = body.is_head & (body.front > 0.4) & (np.abs(body.up + 0.2) < 0.15)
    skin = np.median(worn.color[hands], axis=0)
    assert (worn.thickness[hands] == 0).all()
    np.testing.assert_allclose(np.median(worn.color[cheeks], axis=0), skin, atol=0.1)
    crown = body.is_head & (body.up > 0.7) & (body.front < 0.3)
    if worn.thickness[crown].any():  # not bald
        assert np.abs(worn.color[crown].mean(axis=0) - skin).max() > 0.05


def test_people_differ(body):
    looks = [random_appearance(np.random.default_rng(s), body).color for s in range(4)]
    for number, look in enumerate(looks):
        for other in looks[:number]:
            assert np.abs(look - other).mean() > 0.03


@pytest.mark.parametrize("kind", TEST_KINDS)
def test_textures_repeat_without_a_seam(kind):
    texture = random_texture(np.random.default_rng(1), (kind,))
    at = np.random.default_rng(2).uniform(-2, 2, (9, 9, 2))
    np.testing.assert_allclose(
        texture.sample(at), texture.sample(at + [1.0, -3.0]), atol=0.02
    )
    shown = texture.sample(np.stack(np.meshgrid(*2 * [np.arange(0, 1, 1 / 64)]), -1))
    assert shown.min() > -0.3
    assert shown.max() < 1.3
    assert shown.std() > 0


def test_tests_have_textures_of_their_own():
    assert set(TRAIN_KINDS) < set(TEST_KINDS)


def test_the_floor_is_seen_from_above_where_it_is():
    rng = np.random.default_rng(0)
    textures = [random_texture(rng, TRAIN_KINDS) for _ in range(4)]
    room = random_room(rng, textures)
    wide = dataclasses.replace(
        room, low=np.array([-9.0, 0, -9]), high=np.array([9.0, 3, 9]), turn=np.eye(3)
    )
    picture = paint_room(wide, looking_down(), FAR_AWAY, UP)
    # Two metres up, a focal length of half a picture: pixels are 4 m / SIZE apart.
    at = (np.arange(SIZE) - (SIZE - 1) / 2) * 4 / SIZE
    ground = np.stack(np.meshgrid(at, at), axis=-1)
    floor = wide.textures[2].sample(ground / wide.tile_size[2])
    np.testing.assert_allclose(picture, wide.light[2] * floor, atol=0.02)


def test_two_cameras_see_the_same_room():
    rng = np.random.default_rng(4)
    room = random_room(rng, [random_texture(rng, ("noise",)) for _ in range(3)])
    low, high = np.array([-4.0, 0, -4]), np.array([4.0, 3, 4])
    room = dataclasses.replace(room, low=low, high=high, tile_size=np.full(6, 4.0))
    first = looking_down()
    aside = -first.rotation @ [0.5, 2.0, 0.25]
    second = dataclasses.replace(first, translation=aside)
    one, two = (paint_room(room, c, FAR_AWAY, UP) for c in (first, second))
    # 0.5 m and 0.25 m are 4 and 2 pixels.
    moved = np.roll(one, (-2, -4), axis=(0, 1))
    np.testing.assert_allclose(two[4:-4, 4:-4], moved[4:-4, 4:-4], atol=0.01)


def test_shadows_darken_the_floor_below_a_person():
    rng = np.random.default_rng(0)
    room = random_room(rng, [random_texture(rng, ("plain",))])
    wide = dataclasses.replace(
        room, low=np.array([-9.0, 0, -9]), high=np.array([9.0, 3, 9])
    )
    person = rng.uniform([-0.2, 0, -0.2], [0.2, 1.7, 0.2], (3000, 3))
    lit = paint_room(wide, looking_down(), FAR_AWAY, UP)
    shaded = paint_room(wide, looking_down(), person, UP)
    dark = np.mean(lit - shaded, axis=2)
    middle = slice(SIZE // 2 - 1, SIZE // 2 + 1)
    assert dark[middle, middle].min() > 0.2 * lit[middle, middle].mean()
    np.testing.assert_allclose(dark[:4], 0, atol=1e-6)


def test_things_are_drawn_where_they_are():
    rng = np.random.default_rng(0)
    textures = [random_texture(rng, ("plain",))]
    picture = np.full((SIZE, SIZE, 3), 5.0, np.float32)
    draw_object(rng, picture, textures, np.array([8.0, 20.0]), 4.0)
    changed = np.argwhere(picture[..., 0] != 5.0)
    assert len(changed) > 4
    np.testing.assert_allclose(changed.mean(axis=0), (20, 8), atol=4)
    untouched = picture.copy()
    draw_object(rng, picture, textures, np.array([500.0, 500.0]), 4.0)
    np.testing.assert_array_equal(picture, untouched)


def test_a_person_is_in_the_middle_of_a_picture_that_is_a_jpeg(body):
    camera = PictureCamera(
        np.diag([1.0, -1, -1]), np.array([0.0, 0.9, 4.0]),
        Perspective((70.0, 70.0), (31.5, 31.5)), 64,
    )  # fmt: skip
    standing = body.rest - [0, body.rest[:, 1].min(), 0]
    request = PictureRequest((0, 0, 1), standing, [camera, camera], TRAIN_KINDS)
    files = render_pictures(body, request)
    assert files == render_pictures(body, request)
    assert files[0] != files[1]  # another lens, clutter and noise
    for file in files:
        picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (64, 64, 3)
        assert picture.std() > 5
    other = dataclasses.replace(request, seed=(0, 0, 2))
    assert render_pictures(body, other)[0] != files[0]
