"""The page of a run: one file, which shows what it was given."""

import base64
import dataclasses
import html.parser
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.rendering.color_bar import spread_scale
from prohmr_jax.rendering.colors import spread_color
from prohmr_jax.viewer.page import (
    MAX_PEOPLE,
    Page,
    PageJoint,
    PagePerson,
    jpeg,
    quantise,
)
from tests.support.browser import browser_page
from tests.support.result_cases import CUBE_FACES, cube_meshes

HOSTILE = "</script><script>alert(1)</script>@DATA@ & ü"


def cube_person(**changes) -> PagePerson:
    person = PagePerson(
        name="a_person0",
        verdict="",
        facts=(("stature", "1.63 m"),),
        labels=("mode", "sample 1", "sample 2"),
        bodies=cube_meshes(3),
        faces=CUBE_FACES,
        vertex_spread=np.linspace(0, 0.1, 8),
        joints=(PageJoint("left wrist", 0.0, 0.212), PageJoint("nose", 0.5, 0.05)),
        pictures=(("a sheet", jpeg(np.zeros((4, 6, 3), np.uint8))),),
    )
    return dataclasses.replace(person, **changes)


def page_of(*people: PagePerson) -> Page:
    return Page("A title", ["A note"], people=list(people))


class Reader(html.parser.HTMLParser):
    """Collects the tags, their attributes and the texts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts, self.data = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.texts.append(text)
        if self.tags[-1:] == [("script", {"type": "application/json", "id": "data"})]:
            self.data = self.data or json.loads(text)


def array(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_a_page_refers_to_nothing_outside():
    text = page_of(cube_person()).text()
    for tag, attributes in Reader(text).tags:
        assert tag not in {"link", "iframe", "object"}
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert not re.search(r"https?:|url\(|@import|fetch\(|import\(|@[A-Z]+@", text)
    assert "default-src 'none'" in text


def test_bodies_colours_and_triangles_come_back():
    person = cube_person()
    data = Reader(page_of(person).text()).data
    (shown,), (mesh,) = data["people"], data["faces"]
    assert mesh["wide"] is False
    np.testing.assert_array_equal(
        array(mesh["numbers"], "<u2").reshape(-1, 3), CUBE_FACES
    )
    bodies = np.stack([array(b, "<i2").reshape(-1, 3) for b in shown["bodies"]])
    metres = bodies * shown["range"] / 32767
    offset = metres - person.bodies
    np.testing.assert_allclose(offset - offset[0, 0], 0, atol=shown["range"] / 32767)
    assert shown["labels"] == list(person.labels)
    share = person.vertex_spread / spread_scale(person.vertex_spread)
    colors = array(shown["spread"], "u1").reshape(-1, 3)
    np.testing.assert_allclose(colors / 255, spread_color(share), atol=0.5 / 255 + 1e-9)


def test_quantised_vertices_are_about_the_first_body():
    bodies = np.random.default_rng(0).normal(3, 1, (4, 50, 3))
    vertices, largest = quantise(bodies)
    assert np.abs(vertices).max() == 32767
    metres = vertices * largest / 32767
    np.testing.assert_allclose(
        metres[0].min(axis=0), -metres[0].max(axis=0), atol=largest / 32767
    )
    assert quantise(np.zeros((1, 3, 3)))[1] > 0


def test_people_of_one_body_share_its_triangles():
    other = cube_person(faces=CUBE_FACES[:, [1, 2, 0]])
    data = Reader(page_of(cube_person(), cube_person(), other).text()).data
    assert [person["faces"] for person in data["people"]] == [0, 0, 1]
    assert len(data["faces"]) == 2


def test_a_large_mesh_has_32_bit_numbers():
    bodies = np.zeros((1, 70_000, 3))
    faces = np.array([[0, 1, 69_999]])
    person = cube_person(bodies=bodies, faces=faces, vertex_spread=None, labels=("a",))
    (mesh,) = Reader(page_of(person).text()).data["faces"]
    assert mesh["wide"] is True
    assert array(mesh["numbers"], "<u4").tolist() == [0, 1, 69_999]


def test_names_are_text_and_no_program():
    person = cube_person(
        name=HOSTILE, verdict=HOSTILE, labels=(HOSTILE, "b", "c"),
        facts=((HOSTILE, HOSTILE),), joints=(PageJoint(HOSTILE, 1.0, 0.1),),
    )  # fmt: skip
    page = page_of(person)
    page.title, page.notes = HOSTILE.replace("@DATA@", ""), [HOSTILE]
    page.pictures = [(HOSTILE, jpeg(np.zeros((4, 6, 3), np.uint8)))]
    reader = Reader(page.text())
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert reader.data["people"][0]["labels"][0] == HOSTILE
    assert HOSTILE in reader.texts


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("", "plausible"), ("too tall", "implausible: too tall"), (None, None)],
)
def test_the_verdict_is_shown(verdict, said):
    reader = Reader(page_of(cube_person(verdict=verdict)).text())
    classes = [attributes.get("class", "") for _, attributes in reader.tags]
    assert ("verdict" in " ".join(classes).split()) == (said is not None)
    assert said is None or said in reader.texts


def test_joints_are_a_table():
    texts = Reader(page_of(cube_person()).text()).texts
    assert {"left wrist", "212 mm", "-", "nose", "50 mm", "0.50"} <= set(texts)


def test_without_samples_there_is_no_spread():
    person = cube_person(vertex_spread=None, joints=())
    reader = Reader(page_of(person).text())
    assert "spread" not in reader.data["people"][0]
    assert "spread" not in [attributes.get("name") for _, attributes in reader.tags]


def test_pictures_are_scaled_down_and_in_the_page():
    picture = np.zeros((1000, 4000, 3), np.uint8)
    page = page_of()
    page.pictures.append(("wide", jpeg(picture)))
    ((_, image),) = [tag for tag in Reader(page.text()).tags if tag[0] == "img"]
    encoded = base64.b64decode(image["src"].partition("base64,")[2])
    assert Image.open(io.BytesIO(encoded)).size == (1600, 400)


def test_a_page_is_full_at_some_people(tmp_path):
    page = page_of(*[cube_person()] * (MAX_PEOPLE - 1))
    assert not page.is_full
    page.people.append(cube_person())
    assert page.is_full
    page.write(tmp_path / "out" / "page.html")
    assert (tmp_path / "out" / "page.html").read_text("utf-8") == page.text()


@pytest.mark.slow
def test_a_browser_shows_the_bodies_and_asks_for_nothing(tmp_path):
    path = tmp_path / "page.html"
    page_of(cube_person(), cube_person(vertex_spread=None)).write(path)

    def picture(page) -> np.ndarray:
        shot = page.locator("canvas").first.screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), int)

    with browser_page() as page:
        page.goto(path.as_uri())
        assert page.faults == []
        assert page.requests == [path.as_uri()]
        first = picture(page)
        middle = first[len(first) // 2, len(first) // 2]
        assert np.abs(middle - first[2, 2]).max() > 20
        # A body, the view and the colours can be chosen.
        pictures = [first]
        page.locator("[name=body]").first.fill("2")
        assert page.locator("output").first.text_content() == "sample 2"
        pictures.append(picture(page))
        page.locator("button[value=top]").first.click()
        pictures.append(picture(page))
        page.locator("[name=spread]").first.uncheck()
        pictures.append(picture(page))
        page.locator("[name=ghosts]").first.check()
        pictures.append(picture(page))
        for before, after in zip(pictures, pictures[1:], strict=False):
            assert np.abs(before - after).max() > 20
        assert page.faults == []
