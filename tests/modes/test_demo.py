"""The demo, run as its users run it: what it writes, and that it is right."""

import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import trimesh
from ml_collections import ConfigDict
from PIL import Image
from scipy.spatial.transform import Rotation

from prohmr_jax.body import body_mesh
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_files import read_body
from prohmr_jax.inference.result_pictures import photo_view, vertices_in_view
from prohmr_jax.inference.results import read_result
from prohmr_jax.modes.demo import run as run_demo
from prohmr_jax.rendering.colors import WARNING
from prohmr_jax.structs import SmplParams
from tests.support.demo_cases import (
    PHOTO_SIZE,
    ROOT,
    coco,
    demo_config,
    openpose,
    person,
    write_photo,
    write_weights,
)

NUM_HYPOTHESES = 5


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture
def work(tmp_path, tiny_weights):
    """A folder, and a way to run the demo on files in it."""

    class Work:
        folder = tmp_path
        output = tmp_path / "out"

        def run(self, text: str, name: str = "a.json", **changes):
            (tmp_path / name).write_text(text)
            config = demo_config(
                input=str(tmp_path / name),
                output=str(self.output),
                checkpoint=str(tiny_weights),
                num_hypotheses=NUM_HYPOTHESES,
                **{"meshes": (), "pictures": (), **changes},
            )
            return run_demo(config)

        def result(self, name: str):
            return read_result(self.output / f"{name}.npz")

        def names(self) -> set[str]:
            return {path.name for path in self.output.iterdir()}

    return Work()


def small_pictures(**changes) -> dict:
    return {"pictures": ("overlay", "sheet"), "sheet": {"panel_px": 64}, **changes}


def test_what_is_written(work):
    write_photo(work.folder / "a.png")
    report = work.run(
        openpose(person(0), person(1)),
        meshes=("glb", "obj"),
        **small_pictures(pictures=("overlay", "sheet", "report")),
    )
    people = ["a_person0", "a_person1"]
    endings = [".npz", ".glb", ".obj", "_sheet.png"]
    expected = {name + ending for name in people for ending in endings}
    assert work.names() == expected | {"a_overlay.png", "index.md", "report.html"}
    page = (work.output / "report.html").read_text()
    assert all(f"<h2>{name}</h2>" in page for name in people)
    assert "2 people, " in page
    assert page.count("data:image/jpeg") == 3
    assert report.last_lines("out dir", "x.json") == [
        "made: the bodies of 2 people, as .glb, .npz, .obj, .png in out dir",
        "look at: out dir/report.html, or prohmr-jax view 'out dir'",
        "try next: prohmr-jax export 'out dir', for Blender and others",
    ]
    assert [p.name for p in report.people] == people
    assert not report.skipped
    for summary in report.people:
        assert set(summary.files) == {summary.name + ending for ending in endings}
        result = work.result(summary.name)
        assert summary.num_seen == 24
        assert summary.error_percent == 100 * result.reprojection_error(0.1)
        # The camera looks along -z of the mesh files, whose Y is up.
        upright = result.placed_vertices * [1, -1, -1]
        for ending in (".glb", ".obj"):
            mesh = trimesh.load(work.output / (summary.name + ending), process=False,
                                force="mesh")  # fmt: skip
            np.testing.assert_allclose(mesh.vertices, upright, rtol=1e-6, atol=1e-5)
            np.testing.assert_array_equal(mesh.faces, result.faces)
    assert Image.open(work.output / "a_overlay.png").size == PHOTO_SIZE
    page = (work.output / "index.md").read_text()
    assert all(f"({name})" in page for name in work.names() if name.endswith("png"))


def test_implausible_people_are_named_and_marked(work, capsys):
    write_photo(work.folder / "a.png")
    text = openpose(person(0), person(1))
    wide = {
        "max_reprojection_percent": np.inf, "max_beta": np.inf, "min_box_px": 0.0,
        "stature_m": (0.0, np.inf), "box_m": (0.0, np.inf),
    }  # fmt: skip
    pictures = []
    for limits in (wide, {**wide, "stature_m": (9.0, 9.5)}):
        report = work.run(text, plausible=limits, **small_pictures())
        pictures.append(np.asarray(Image.open(work.output / "a_overlay.png")))
    result = work.result("a_person1")
    assert (result.plausible, result.is_implausible) == (0, True)
    tall = float(result.stature_m)
    assert str(result.implausible_reason) == f"the body is {tall:.2f} m tall (9 to 9.5)"
    assert result.reprojection_percent == pytest.approx(
        report.people[1].error_percent, rel=1e-4
    )
    assert result.largest_beta == np.abs(result.betas).max()
    assert result.distance_m == result.translation[2]
    line = f"  a_person1: {result.implausible_reason}"
    printed = capsys.readouterr().out
    assert "\n0 of 2 implausible\n" in printed
    assert "2 of 2 implausible\n  a_person0: the body is" in printed
    assert line in printed
    assert "- " + line.strip() in (work.output / "index.md").read_text()
    plain, marked = pictures
    assert np.all(marked[0] == WARNING)
    assert not np.all(plain[0] == WARNING)


def test_arrays_obey_their_definitions(work):
    write_photo(work.folder / "a.png")
    work.run(openpose(person(3)))
    result = work.result("a_person0")
    assert len(result.log_prob) == NUM_HYPOTHESES
    # The mode is the densest hypothesis, and hypotheses differ.
    assert result.log_prob.argmax() == 0
    assert result.joint_spread.max() > 1e-3
    matrices = Rotation.from_rotvec(result.pose_axis_angle.reshape(-1, 3)).as_matrix()
    np.testing.assert_allclose(
        matrices, result.pose_rotmat.reshape(-1, 3, 3), atol=1e-5
    )
    for points, px in zip(result.joints, result.joints_2d_px, strict=True):
        for point, pixel in zip(points, px, strict=True):
            x, y, depth = result.intrinsics.astype(float) @ (point + result.translation)
            np.testing.assert_allclose([x / depth, y / depth], pixel, atol=2e-3)
    np.testing.assert_allclose(result.principal_point_px, np.divide(PHOTO_SIZE, 2))
    np.testing.assert_allclose(result.focal_length_px, 5000 / 224 * max(PHOTO_SIZE))
    np.testing.assert_array_equal(result.image_size_px, PHOTO_SIZE)
    # Meshes and spreads again, one body at a time.
    body, mesh_of, meshes = read_body("open"), jax.jit(body_mesh), []
    for pose in result.pose_rotmat:
        posed = mesh_of(body, SmplParams.from_rotmats(pose, result.betas))
        meshes.append(np.asarray(posed.vertices, float))
    np.testing.assert_allclose(result.vertices, meshes[0], atol=1e-5)
    for spread, points in (
        (result.vertex_spread, np.stack(meshes)),
        (result.joint_spread, result.joints.astype(float)),
    ):
        per_axis = points[1:].std(axis=0)
        np.testing.assert_allclose(spread, np.linalg.norm(per_axis, axis=-1), atol=2e-5)


def test_repeats_itself_for_a_seed(work):
    results = []
    for seed in (0, 0, 1):
        work.run(openpose(person(0)), seed=seed)
        results.append((work.output / "a_person0.npz").read_bytes())
        shutil.move(work.output / "a_person0.npz", work.folder / f"{len(results)}.npz")
    assert results[0] == results[1]
    first, other = (read_result(work.folder / f"{i}.npz") for i in (1, 3))
    np.testing.assert_array_equal(first.pose_rotmat[0], other.pose_rotmat[0])
    assert np.abs(first.pose_rotmat[1:] - other.pose_rotmat[1:]).max() > 1e-3


@pytest.mark.parametrize("with_photo", [True, False])
def test_neighbours_make_no_difference(work, with_photo):
    if with_photo:
        write_photo(work.folder / "a.png")
    work.run(openpose(person(0), person(1), person(2)))
    among = work.result("a_person2")
    work.run(openpose(person(2)))
    alone = work.result("a_person0")
    assert np.abs(among.pose_rotmat - work.result("a_person1").pose_rotmat).max() > 1e-3
    for name, array in vars(alone).items():
        if name != "provenance":
            np.testing.assert_array_equal(getattr(among, name), array, err_msg=name)


def test_without_photo_the_pictures_are_plain(work):
    report = work.run(openpose(person(0), person(1)), **small_pictures())
    assert {"a_overlay.png", "a_person1_sheet.png"} <= work.names()
    assert len(report.people) == 2
    result = work.result("a_person1")
    np.testing.assert_array_equal(result.image_size_px, [0, 0])
    np.testing.assert_allclose(result.principal_point_px, result.box_center_px)
    assert result.provenance.photo == ""
    work.run(openpose(person(1)), image_size=(300, 200))
    given = work.result("a_person0")
    np.testing.assert_array_equal(given.principal_point_px, [150, 100])


def test_people_of_different_cameras_share_a_picture(work):
    work.run(openpose(person(0), person(1)))
    first, second = work.result("a_person0"), work.result("a_person1")
    assert first.focal_length_px[0] != second.focal_length_px[0]
    view = photo_view(first)
    for result in (first, second):
        shared = view.project(vertices_in_view(view, result).astype(float))
        own = photo_view(result).project(result.placed_vertices.astype(float))
        np.testing.assert_allclose(shared, own, atol=1e-2)


def test_people_of_several_photos(work):
    (work.folder / "sub").mkdir()
    for name in ("one.png", "sub/two.png"):
        write_photo(work.folder / name)
    work.run(coco("one.png", "sub/two.png"), **small_pictures())
    assert {"a_one_overlay.png", "a_two_overlay.png"} <= work.names()
    assert work.result("a_person1").provenance.photo == "two.png"


@pytest.mark.parametrize("kind", ["grey", "RGBA", "turned"])
def test_photos_of_every_kind(work, kind):
    path = work.folder / "a.png"
    write_photo(path, {"grey": "L", "RGBA": "RGBA"}.get(kind, "RGB"))
    if kind == "turned":
        picture = Image.open(path)
        exif = picture.getexif()
        exif[0x0112] = 6
        path.unlink()
        picture.save(work.folder / "a.jpg", exif=exif)
    work.run(openpose(person(0)), pictures=("overlay",))
    expected = PHOTO_SIZE[::-1] if kind == "turned" else PHOTO_SIZE
    assert Image.open(work.output / "a_overlay.png").size == expected
    np.testing.assert_array_equal(work.result("a_person0").image_size_px, expected)


def test_every_key_of_the_config_is_read(work, tiny_weights):
    read = set()

    class Recorder:
        def __init__(self, config, path=""):
            self._config, self._path = config, path

        def __getattr__(self, name):
            value = getattr(self._config, name)
            if isinstance(value, ConfigDict):
                return Recorder(value, f"{self._path}{name}.")
            read.add(self._path + name)
            return value

        __getitem__ = __getattr__

    (work.folder / "a.json").write_text(openpose(person(0)))
    config = demo_config(
        input=str(work.folder / "a.json"),
        output=str(work.output),
        checkpoint=str(tiny_weights),
        num_hypotheses=NUM_HYPOTHESES,
        pictures=(),
    )
    run_demo(Recorder(config))
    keys = set()
    for name, value in config.items():
        nested = isinstance(value, ConfigDict)
        keys |= {f"{name}.{key}" for key in value} if nested else {name}
    # The command line reads the mode, to come here.
    assert keys - read == {"mode"}


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "prohmr_jax.main", "--config", "configs/demo.py",
         *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_on_the_command_line(work, tiny_weights):
    run = command(
        f"--compilation_cache={work.folder / 'cache'}",
        f"--config.checkpoint={tiny_weights}",
        f"--config.output={work.output}",
        f"--config.num_hypotheses={NUM_HYPOTHESES}",
        "--config.sheet.panel_px=64",
        "--config.meshes=('glb',)",
    )
    assert run.returncode == 0, run.stderr
    assert "astronaut_person0" in run.stdout
    assert " of 25" in run.stdout
    assert "file 1 of 1" in run.stderr
    assert {f"astronaut_{name}" for name in (
        "person0.npz", "person0.glb", "person0_sheet.png", "overlay.png",
    )} | {"index.md", "report.html"} == work.names()  # fmt: skip
    assert run.stdout.splitlines()[-3].startswith("made: the bodies of 1 person, ")
    assert run.stdout.splitlines()[-1].startswith("try next: prohmr-jax photo.jpg")
    provenance = work.result("astronaut_person0").provenance
    assert (provenance.source, provenance.photo) == ("astronaut.jpg",) * 2
    assert any((work.folder / "cache").iterdir())


def test_bad_input_on_the_command_line(work, tiny_weights):
    bad = work.folder / "bad.json"
    bad.write_text(openpose(person(0))[:-9])
    run = command(
        f"--config.checkpoint={tiny_weights}",
        f"--config.input={bad}",
        f"--config.output={work.output}",
    )
    assert run.returncode == 2
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {bad}: is ")
    assert "JSON" in last
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert not list(pathlib.Path(work.output).glob("*"))


@pytest.mark.skipif(not KEYPOINT_WEIGHTS.exists(), reason="weights are not there")
def test_the_shipped_weights_fit_the_shipped_photo(work):
    report = run_demo(
        demo_config(output=str(work.output), meshes=(), pictures=(), num_hypotheses=10)
    )
    assert report.people[0].error_percent < 6
