"""Photos to people: positions, sizes, crowds, odd pictures."""

import dataclasses
import resource

import cv2
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.detection.detector import (
    detect_people,
    load_detector,
    propose,
    read_keypoints,
)
from prohmr_jax.files.detected_keypoints import as_body25
from prohmr_jax.files.images import read_image
from prohmr_jax.models.movenet.network import multipose, thunder
from prohmr_jax.skeleton import BODY_25, COCO_17
from tests.support.paths import ROOT

# Places in the shipped portrait, 512 x 512, that anyone can read off, and how exactly.
FACE = {"nose": (222, 123), "right_eye": (202, 99), "left_eye": (245, 101)}
FACE_TOLERANCE = 6.0


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture(scope="module")
def portrait():
    return read_image(ROOT / "prohmr_jax" / "assets" / "demo" / "astronaut.jpg")


def joint(person, name):
    return person.keypoints.xy[COCO_17.index(name)]


def assert_face(person, scale=1.0, shift=(0.0, 0.0)):
    """Positions are edges-aligned: (x + .5) scales."""
    for name, place in FACE.items():
        expected = (np.array(place) + 0.5) * scale - 0.5 + shift
        error = np.linalg.norm(joint(person, name) - expected)
        assert error < max(FACE_TOLERANCE * scale, 2.5), name


def test_the_shipped_portrait(detector, portrait):
    (person,) = detect_people(detector, portrait)
    assert_face(person)
    assert person.score > 0.6
    confidence = person.keypoints.confidence
    assert np.all((confidence >= 0) & (confidence <= 1))
    assert np.mean(np.sort(confidence)[-8:]) == pytest.approx(person.score, abs=1e-6)
    assert np.all(confidence[[COCO_17.index(name) for name in FACE]] > 0.5)
    body = as_body25(person.keypoints, COCO_17.names)
    for name in FACE:
        np.testing.assert_array_equal(body.xy[BODY_25.index(name)], joint(person, name))


@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_keypoints_scale_with_the_photo(detector, portrait, scale):
    size = round(512 * scale)
    photo = cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA)
    (person,) = detect_people(detector, photo, smallest=0.5)
    assert_face(person, size / 512)


def test_a_mirrored_photo_gives_mirrored_people(detector, portrait):
    (person,) = detect_people(detector, portrait)
    (mirrored,) = detect_people(detector, portrait[:, ::-1].copy())
    back = mirrored.keypoints.xy[list(COCO_17.mirror)]
    back[:, 0] = 511 - back[:, 0]
    face = [COCO_17.index(name) for name in FACE]
    difference = (back - person.keypoints.xy)[face]
    assert np.all(np.abs(difference) < 4)
    # Both ways together there is no shift: positions are neither left nor right.
    assert abs(np.mean(difference[:, 0])) < 1.0


def test_grey_pictures(detector, portrait):
    grey = portrait.mean(axis=-1, keepdims=True).astype(np.uint8)
    (person,) = detect_people(detector, np.repeat(grey, 3, axis=-1))
    assert_face(person)


@pytest.mark.parametrize("sides", [(480, 640), (20, 20), (1, 1), (3, 900)], ids=str)
@pytest.mark.parametrize("value", [0, 255])
def test_nobody_in_an_empty_picture(detector, sides, value):
    blank = np.full((*sides, 3), value, np.uint8)
    assert detect_people(detector, blank) == []


def test_a_thumbnail_gives_a_person_or_none(detector, portrait):
    tiny = cv2.resize(portrait, (20, 20), interpolation=cv2.INTER_AREA)
    for person in detect_people(detector, tiny):
        assert np.all(np.isfinite(person.keypoints.xy))
        assert_face(person, 20 / 512)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(detector, image):
    with pytest.raises(ValueError, match="an image of"):
        detect_people(detector, image)


def test_a_small_person_in_a_wide_panorama(detector, portrait):
    """A person of 5 % of the width is found, without gigabytes."""
    panorama = np.full((1000, 12_000, 3), 140, np.uint8)
    panorama[300:812, 7000:7512] = portrait
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    people = detect_people(detector, panorama, smallest=0.5)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(people) == 1
    assert_face(people[0], 1.0, (7000, 300))
    assert (after - before) / 1e6 < 1.0  # kB to GB


def test_batches_are_filled_up_and_cut(detector, portrait):
    pieces = np.stack([portrait[y : y + 64, 190:254] for y in (60, 75, 90)])
    pairs = dataclasses.replace(detector, batch_size=2)
    forward, backward = (
        pairs.look_at_person(images) for images in (pieces, pieces[::-1])
    )
    assert forward.xy.shape == (3, 17, 2)
    np.testing.assert_allclose(forward.xy, backward.xy[::-1], atol=0.01)
    np.testing.assert_allclose(forward.confidence, backward.confidence[::-1], atol=1e-3)
    assert not np.allclose(forward.xy[0], forward.xy[1])


def test_twenty_people(detector, shared_goldens, rng):
    """A crowd of one photographed man, mirrored, of many sizes."""
    path = shared_goldens.parent / "data" / "pexels-anete-lusina-4793258.jpg"
    if not path.is_file():
        pytest.skip("needs the photo of the full set")
    man = read_image(path)[2300:5800, 100:3800]
    cell, columns, rows = 240, 5, 4
    picture = np.full((rows * cell, columns * cell, 3), 110, np.uint8)
    places = []
    for number in range(rows * columns):
        side = int(cell * rng.uniform(0.6, 1.0))
        patch = cv2.resize(man, (side, side), interpolation=cv2.INTER_AREA)
        row, column = divmod(number, columns)
        x, y = np.array([column, row]) * cell + rng.integers(0, cell - side + 1, 2)
        picture[y : y + side, x : x + side] = patch[:, :: -1 if number % 2 else 1]
        places.append((x, y, x + side, y + side))
    people = detect_people(detector, picture)
    counts = np.zeros(len(places), int)
    for person in people:
        middle = (person.box[:2] + person.box[2:]) / 2
        inside = [
            np.all(middle > place[:2]) and np.all(middle < place[2:])
            for place in places
        ]
        assert sum(inside) == 1
        counts[np.argmax(inside)] += 1
    assert np.all(counts <= 1)
    assert counts.sum() >= 18


def test_both_stages_lower_for_accelerators():
    for network, stage, pixels in (
        (multipose(), propose, (2, 64, 96, 3)),
        (thunder(), read_keypoints, (2, 256, 256, 3)),
    ):
        variables = jax.eval_shape(
            network.init, jax.random.key(0), network.example_input()
        )
        images = jax.ShapeDtypeStruct(pixels, jnp.uint8)
        platforms = ("tpu", "cuda")
        exported = jax.export.export(stage, platforms=platforms)(
            network, variables, images
        )
        assert exported.platforms == platforms
