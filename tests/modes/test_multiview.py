"""Bulk fits of views as users run them: manifests and folders in, bodies out."""

import functools
import json
import re
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from prohmr_jax.body import body_joints, make_body_model
from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.multiview_sources import open_multiview_source
from prohmr_jax.bulk_fitting.shards import ShardWriter
from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.modes.multiview import run as run_multiview
from prohmr_jax.rendering.colors import WARNING
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import SmplParams
from tests.support.demo_cases import ROOT, openpose, write_photo, write_weights
from tests.support.fit_cases import UNSEEN, config_of, projected

DOCUMENT = ROOT / "docs" / "multiview.md"
LENS = [[900.0, 0, 100], [0, 900.0, 120], [0, 0, 1]]


def camera(heading: float) -> dict:
    """Four metres away, in some direction, upright."""
    c, s = np.cos(heading), np.sin(heading)
    rotation = np.diag([1.0, -1, -1]) @ [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    return {"K": LENS, "R": rotation.tolist(), "t": [0.0, 0.0, 4.0]}


CAMERAS = {"a": camera(0.0), "b": camera(1.0), "c": camera(2.2)}

# Known cameras are always tested with these: what one compiled serves the next.
SHIPPED = {"checkpoint": "", "max_steps": 100}


def joints_of(poses: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """[P, 44, 3], metres: the open body in poses [P, 24, 3], axis-angle."""
    body = make_body_model(**vars(read_body_arrays("open")))
    rotmats = axis_angle_to_rotmat(poses)
    people = SmplParams.from_rotmats(rotmats, betas)
    return np.asarray(jax.jit(body_joints)(body, people).joints)


@functools.cache
def standing_people() -> np.ndarray:
    """[3, 44, 3], metres, world: bodies in poses near rest."""
    rng = np.random.default_rng(0)
    poses, betas = 0.2 * rng.normal(size=(3, 24, 3)), 0.5 * rng.normal(size=(3, 10))
    return joints_of(poses.astype(np.float32), betas.astype(np.float32))


def seen_by(camera: dict, joints: np.ndarray) -> np.ndarray:
    """Pixels [J, 2] at which a camera sees joints [J, 3] of the world, metres."""
    rotation, translation, lens = (np.array(camera[key]) for key in ("R", "t", "K"))
    return projected(joints @ rotation.T, translation, lens)


def detections(number: int, camera: dict, *others: list) -> str:
    """A person as a camera sees them, with others before them in the list."""
    xy = seen_by(camera, standing_people()[number, : len(BODY_25)])
    seen = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
    return openpose(*others, seen.ravel().tolist())


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture
def work(tmp_path, tiny_weights):
    """A folder with people in it, and what runs them."""
    folder = tmp_path / "in"
    for seed, (person, views) in enumerate({"p": "abc", "q": "ab", "r": "ca"}.items()):
        (folder / person).mkdir(parents=True)
        for view in views:
            others = [UNSEEN] if view == "b" else []
            text = detections(seed, CAMERAS[view], *others)
            (folder / person / f"{view}_keypoints.json").write_text(text)

    def run(**changes):
        settings = {
            "input": str(folder),
            "output": str(tmp_path / "out"),
            "checkpoint": str(tiny_weights),
            "max_steps": 40,
            "slots": 2,
            "people_per_shard": 2,
        }
        return run_multiview(config_of("multiview", **{**settings, **changes}))

    run.folder = folder
    return run


def manifest(cameras: bool) -> dict:
    def view(person, name):
        entry = {"detections": f"{person}/{name}_keypoints.json"}
        entry["person_index"] = 1 if name == "b" else 0
        return {**entry, "camera": name} if cameras else entry

    people = {"p": "abc", "q": "ab", "r": "ac"}
    entries = [
        {"person": person, "views": [view(person, name) for name in views]}
        for person, views in people.items()
    ]
    return {"people": entries, "cameras": CAMERAS} if cameras else entries


def test_a_folder_without_cameras(work):
    report = work()
    assert report.people == 3
    table, provenance, left_out = read_table(report.table, ViewsTable)
    assert provenance["method"] == "joint"
    assert left_out == []
    assert list(table.person) == ["p", "q", "r"]
    np.testing.assert_array_equal(table.valid, [[1, 1, 1], [1, 1, 0], [1, 1, 0]])
    assert list(table.source[2]) == ["r/a_keypoints.json", "r/c_keypoints.json", ""]
    assert list(table.person_index[0]) == [0, 1, 0]
    assert np.all(table.fit_loss < table.fit_start_loss)
    for name in ("fit_z", "joints", "fit_joints", "fit_translation", "intrinsics"):
        column = getattr(table, name)
        assert not column[table.valid == 0].any(), name
        assert np.all(np.any(column[table.valid == 1] != 0, axis=-1).any(axis=-1)), name
    # Near the one body's keypoints, in every view.
    errors = {}
    for name in ("", "fit_"):
        joints, translation = (
            getattr(table, name + column) for column in ("joints", "translation")
        )
        shown = [
            np.abs(projected(joints[p, n], translation[p, n], table.intrinsics[p, n])
                   - table.keypoints_px[p, n])[:25].mean()
            for p, n in np.argwhere(table.valid)
        ]  # fmt: skip
        errors[name] = np.mean(shown)
    assert errors["fit_"] < errors[""]
    for name in ("plausible", "stature_m", "distance_m", "reprojection_percent"):
        column = getattr(table, f"fit_{name}")
        assert not column[table.valid == 0].any(), name
    assert set(table.fit_implausible_reason[table.valid == 0]) == {""}
    lines = (report.table.parent / "implausible.txt").read_text().splitlines()
    assert lines == implausible_people(table)


@pytest.mark.slow
def test_a_manifest_says_the_same_as_a_folder(work, tmp_path):
    (work.folder / "people.json").write_text(json.dumps(manifest(cameras=False)))
    first, _, _ = read_table(work().table, ViewsTable)
    report = work(input=str(work.folder / "people.json"), output=str(tmp_path / "b"))
    second, _, _ = read_table(report.table, ViewsTable)
    for name, column in vars(first).items():
        np.testing.assert_array_equal(column, getattr(second, name), err_msg=name)


def test_fusion_makes_poses_agree(work):
    table, _, _ = read_table(work(method="fusion").table, ViewsTable)

    def apart(poses):
        return np.linalg.norm(poses[0, :, 1:] - poses[0, :1, 1:])

    before, after = apart(table.pose_axis_angle), apart(table.fit_pose_axis_angle)
    assert after < 0.2 * before
    np.testing.assert_allclose(table.fit_translation, table.translation)
    mean = np.sum(table.betas[1] * table.valid[1][:, None], axis=0) / 2
    np.testing.assert_allclose(table.fit_betas[1], mean, atol=1e-5)
    np.testing.assert_allclose(
        table.fit_body_pose[0], table.fit_pose_axis_angle[0, 0, 1:], atol=0.05
    )


def test_known_cameras_give_one_body_in_the_world(work, tmp_path):
    """With the weights that ship: people are where they are, in the world's metres."""
    (work.folder / "cameras.json").write_text(json.dumps(CAMERAS))
    table, provenance, _ = read_table(work(**SHIPPED).table, WorldTable)
    assert provenance["calibrated"] == "True"
    np.testing.assert_allclose(table.intrinsics[0], [LENS] * 3, rtol=1e-5)
    truth = standing_people()
    errors = np.linalg.norm(table.world_joints - truth, axis=-1)
    assert errors.mean(axis=1).max() < 0.03
    assert np.all(table.fit_plausible == table.valid)
    assert table.fit_reprojection_percent.max() < 2.0
    error = seen_by(CAMERAS["b"], table.world_joints[0]) - seen_by(
        CAMERAS["b"], truth[0]
    )
    assert np.linalg.norm(error, axis=1).mean() < 5.0
    # Its columns say where the one body is.
    poses = np.concatenate([table.world_orient[:, None], table.fit_body_pose], axis=1)
    placed = joints_of(poses, table.fit_betas) + table.world_translation[:, None]
    np.testing.assert_allclose(placed, table.world_joints, atol=1e-4)
    # The manifest's cameras are the same.
    (work.folder / "people.json").write_text(json.dumps(manifest(cameras=True)))
    report = work(
        input=str(work.folder / "people.json"), output=str(tmp_path / "b"), **SHIPPED
    )
    other, _, _ = read_table(report.table, WorldTable)
    np.testing.assert_array_equal(other.world_joints, table.world_joints)
    forgotten = work(output=str(tmp_path / "c"), use_cameras=False)
    with np.load(forgotten.table) as archive:
        assert "world_joints" not in archive.files


def test_bad_views_cost_their_person_only_themselves(work):
    (work.folder / "p" / "b_keypoints.json").write_text("{")
    (work.folder / "q" / "a_keypoints.json").write_text(openpose(UNSEEN))
    (work.folder / "q" / "b_keypoints.json").write_text("")
    table, _, left_out = read_table(work().table, ViewsTable)
    assert list(table.person) == ["p", "r"]
    np.testing.assert_array_equal(table.valid, [[1, 1, 0], [1, 1, 0]])
    assert list(table.source[0]) == ["p/a_keypoints.json", "p/c_keypoints.json", ""]
    faults = [
        "p, p/b_keypoints.json: is truncated", "q, q/a_keypoints.json: none of its",
        "q, q/b_keypoints.json: is empty", "q: has no view",
    ]  # fmt: skip
    for line, fault in zip(left_out, faults, strict=True):
        assert line.startswith(fault)


def test_it_goes_on_where_it_was(work, tmp_path, monkeypatch):
    whole = work(output=str(tmp_path / "whole")).table.read_bytes()
    append, count = ShardWriter.append, iter((0, 1))

    def killed(self, *arguments):
        if next(count):
            raise KeyboardInterrupt
        append(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            work()
    report = work()
    assert report.new_people == 1
    assert report.table.read_bytes() == whole
    with pytest.raises(InputError, match="another method"):
        work(method="fusion")


def test_pictures_and_meshes(work, tmp_path, capsys):
    write_photo(work.folder / "p" / "a.png")
    (work.folder / "cameras.json").write_text(json.dumps(CAMERAS))
    limits = {"joint": {"stature_m": (9.0, 9.5)}}
    work(
        overlays=1, meshes=2, overlay_longest_side_px=64, plausible=limits, **SHIPPED
    )  # fmt: skip
    names = {
        folder: sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        for folder in ("overlays", "meshes")
    }
    assert names == {
        "overlays": ["000000_before_after.png"],
        "meshes": ["000000.glb", "000001.glb"],
    }
    # Nobody is nine metres tall: each view says so, over the body and not before it.
    printed = capsys.readouterr().out
    assert "3 of 3 implausible, see implausible.txt:" in printed
    assert "p: view p/b_keypoints.json: the body is" in printed
    path = tmp_path / "out" / "overlays" / names["overlays"][0]
    before, after = np.split(np.asarray(Image.open(path)), 2, axis=1)
    assert np.all(after[0] == WARNING)
    assert not np.all(before[0] == WARNING)


BAD = {
    "nothing": ("[]", "holds nobody"),
    "a number": ("3", 'no list of "people"'),
    "no JSON": ("{", "truncated"),
    "no views": ('[{"person": "a"}]', "entry 0 of people has no list of views"),
    "no file": ('[{"views": [{}]}]', "needs the path of its detections"),
    "unknown camera": (
        '[{"views": [{"detections": "a", "camera": "x"}]}]', "unknown camera x",
    ),
    "half a camera": (
        json.dumps({"people": [], "cameras": {"x": {"K": LENS}}}),
        "camera x does not have K, R and t",
    ),
    "a skewed camera": (
        json.dumps({"people": [], "cameras": {"x": {**CAMERAS["a"], "R": LENS}}}),
        "camera x: R is not a rotation",
    ),
    "a mirror": (
        json.dumps({"people": [], "cameras": {
            "x": {**CAMERAS["a"], "R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}}}),
        "R is a reflection",
    ),
    "a skewed lens": (
        json.dumps({"people": [], "cameras": {
            "x": {**CAMERAS["a"], "K": [[900, 9, 1], [0, 900, 1], [0, 0, 1]]}}}),
        "camera x: K has a skew",
    ),
    "no lens": (
        json.dumps({"people": [], "cameras": {
            "x": {**CAMERAS["a"], "K": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}}}),
        "K has no positive focal length",
    ),
    "NaN": (
        json.dumps({"people": [], "cameras": {
            "x": {**CAMERAS["a"], "t": [0, 0, float("nan")]}}}),
        "t is not finite numbers of shape (3,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_manifests(tmp_path, name):
    text, fault = BAD[name]
    path = tmp_path / "people.json"
    path.write_text(text)
    reader = PeopleReader(ReadingSettings())
    with pytest.raises(InputError, match=re.escape(fault)) as caught:
        open_multiview_source(path, reader, crop_px=None, use_cameras=True)
    assert caught.value.path == str(path)


def test_values_and_inputs_that_are_refused(work, tmp_path):
    for key, value in {"input": "", "method": "mean", "slots": 0, "frame": "x"}.items():
        with pytest.raises(InputError, match=f"config.{key}"):
            work(**{key: value})
    with pytest.raises(InputError, match="cannot be read"):
        work(input=str(tmp_path / "none.json"))
    shutil.rmtree(work.folder)
    work.folder.mkdir()
    with pytest.raises(InputError, match="holds nobody"):
        work()


def test_the_table_is_documented(work):
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: shape.split() for name, shape in rows}
    sizes = {"P": 3, "N": 3, "S": 10, "L": 0}
    (work.folder / "cameras.json").write_text(json.dumps(CAMERAS))
    with np.load(work(**SHIPPED).table, allow_pickle=False) as archive:
        assert set(documented) == set(archive.files)
        for name in archive.files:
            axes = [] if documented[name] == ["scalar"] else documented[name]
            expected = [sizes[a] if a in sizes else int(a) for a in axes]
            assert list(archive[name].shape) == expected, name
