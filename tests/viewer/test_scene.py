"""What the viewer shows: posed bodies, colours, and where it looks from."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.rendering.colors import BODY_BLUE, BODY_PINK
from prohmr_jax.viewer.people import (
    FIT,
    MODE,
    SAMPLE,
    VIEW,
    ShownBodies,
    ShownCamera,
    ShownPerson,
)
from prohmr_jax.viewer.scene import (
    BY_LIKELIHOOD,
    BY_SPREAD,
    PLAIN,
    VIEWS,
    PosedBodies,
    body_colors,
    camera_pose,
    field_of_view,
    look_from,
)


def bodies(kind: str, seed: int, frames: int = 1, log_prob: float = 0) -> ShownBodies:
    generator = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(generator.normal(0, 0.3, (24 * frames, 3)))
    return ShownBodies(
        kind,
        f"{kind} {seed}",
        turns.as_matrix().reshape(frames, 24, 3, 3),
        np.tile(generator.normal(0, 0.5, 10), (frames, 1)),
        generator.normal(0, 2, (frames, 3)),
        log_prob,
    )


def person_of(*shown: ShownBodies, frames: int = 1, **fields) -> ShownPerson:
    return ShownPerson("a", "", shown, np.arange(frames), **fields)


@pytest.fixture(scope="module")
def posed() -> PosedBodies:
    return PosedBodies(read_body("open"))


def test_many_bodies_are_those_of_one_at_a_time(posed):
    shown = [bodies(SAMPLE, seed, frames=2) for seed in range(9)]
    person = person_of(*shown, frames=2)
    together = posed(person, shown, frame=1)
    for number in (0, 7, 8):
        alone = posed(person, [shown[number]], frame=1)[0]
        np.testing.assert_allclose(together[number], alone, atol=1e-5)


def test_all_bodies_stand_where_the_first_does(posed):
    answer = bodies(FIT, 0)
    elsewhere = dataclasses.replace(answer, translation=answer.translation + 5)
    person = person_of(answer, elsewhere)
    first, second = posed(person, person.bodies)
    np.testing.assert_array_equal(first, second)
    moved = person_of(elsewhere, answer)
    np.testing.assert_allclose(posed(moved, [answer])[0], first + 5, atol=1e-5)


def test_the_spread_is_that_of_the_samples(posed):
    samples = [bodies(SAMPLE, seed) for seed in range(3)]
    person = person_of(bodies(MODE, 5), *samples)
    vertices = posed(person, samples).astype(float)
    expected = np.sqrt(vertices.var(axis=0).sum(axis=-1))
    np.testing.assert_allclose(posed.spread(person), expected, atol=1e-5)
    stated = np.ones(3)
    assert posed.spread(person_of(vertex_spread=stated)) is stated
    assert posed.spread(person_of(samples[0])) is None


def test_another_body_model_is_refused(posed):
    other = dataclasses.replace(bodies(FIT, 0), betas=np.zeros((1, 7)))
    with pytest.raises(InputError, match="10 shape coefficients, not 7"):
        posed(person_of(other), [other])


def test_results_of_another_body_are_refused(posed):
    own = tree_sha256(read_body("open"))
    stated = {"body": "mine.npz", "body_sha256": "0" * 64}
    posed.require_body_of([person_of(), person_of(body="open", body_sha256=own)])
    with pytest.raises(InputError, match="^open: is not the body 'mine.npz'"):
        posed.require_body_of([person_of(), person_of(**stated)])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(FIT, BODY_BLUE), (MODE, BODY_BLUE), (SAMPLE, BODY_PINK), (VIEW, BODY_PINK)],
)
def test_plain_colours_tell_answers_from_others(kind, expected):
    shown = bodies(kind, 0, log_prob=float("nan"))
    for meaning in (PLAIN, BY_SPREAD, BY_LIKELIHOOD):
        colors = body_colors(meaning, shown, person_of(shown), 4, None)
        np.testing.assert_allclose(colors / 255, np.tile(expected, (4, 1)), atol=0.01)


def test_colours_by_spread_darken_where_it_is_large():
    shown = bodies(MODE, 0)
    spread = np.linspace(0, 0.2, 50)
    colors = body_colors(BY_SPREAD, shown, person_of(shown), 50, spread)
    luma = colors @ [0.299, 0.587, 0.114]
    assert np.all(np.diff(luma) < 2)
    assert luma[0] > luma[-1] + 100


def test_colours_by_likelihood_darken_for_the_unlikely():
    shown = [bodies(MODE, 0, log_prob=90.0)] + [
        bodies(SAMPLE, seed, log_prob=-seed) for seed in range(4)
    ]
    person = person_of(*shown)
    luma = [
        body_colors(BY_LIKELIHOOD, each, person, 1, None)[0].mean() for each in shown
    ]
    # The mode has the colour of the likeliest sample.
    assert luma[0] == luma[1] > luma[2] > luma[3] > luma[4]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_all_of_the_body_before_it(view):
    vertices = np.random.default_rng(0).uniform(-1, 1, (50, 3)) + [0, 0, 9]
    position, middle, up = look_from(view, vertices)
    forward = middle - position
    assert forward @ up == pytest.approx(0)
    forward /= np.linalg.norm(forward)
    assert ((vertices - position) @ forward).min() > 1
    expected = {"camera": [0, 0, 1], "back": [0, 0, -1], "side": [1, 0, 0],
                "top": [0, 1, 0]}[view]  # fmt: skip
    np.testing.assert_allclose(forward, expected, atol=1e-9)


def test_a_camera_stands_where_it_sees_the_origin():
    rotation = Rotation.random(rng=3)
    translation = np.array([0.1, -2.0, 3.0])
    wxyz, position = camera_pose(rotation.as_matrix(), translation)
    np.testing.assert_allclose(rotation.apply(position) + translation, 0, atol=1e-12)
    back = Rotation.from_quat(wxyz, scalar_first=True)
    np.testing.assert_allclose((back * rotation).magnitude(), 0, atol=1e-7)


def test_the_field_of_view_ends_at_the_edges_of_the_picture():
    intrinsics = np.array([[500.0, 0, 320], [0, 400.0, 240], [0, 0, 1]])
    for size in ((640, 480), (0, 0)):
        camera = ShownCamera("", np.eye(3), np.zeros(3), intrinsics, np.array(size))
        fov, aspect = field_of_view(camera)
        assert 400 * np.tan(fov / 2) == pytest.approx(240)
        assert aspect == pytest.approx(640 / 480)
