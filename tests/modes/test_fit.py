"""Bulk fits as users run them: folders in, one table out, interrupted or not."""

import re
import signal
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from prohmr_jax.bulk_fitting import keypoint_job
from prohmr_jax.bulk_fitting.initialization import PersonArrays, initial_fit
from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import read_detections
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.inference.results import schema_members
from prohmr_jax.modes.fit import run as run_fit
from prohmr_jax.rendering.colors import WARNING
from prohmr_jax.skeleton import HIPS_44
from prohmr_jax.solver.problem import Reason
from prohmr_jax.structs import Keypoints2D
from tests.support.demo_cases import ROOT, openpose, person, write_photo, write_weights
from tests.support.fit_cases import CONFIGS, config_of, projected, write_folder

DOCUMENT = ROOT / "docs" / "fit.md"
SLOTS = 3


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture
def run(tmp_path, tiny_weights):
    """Fits the people of a folder, or of what the changes say."""
    write_folder(tmp_path / "in")

    def run(**changes):
        settings = {
            "input": str(tmp_path / "in"),
            "output": str(tmp_path / "out"),
            "checkpoint": str(tiny_weights),
            "max_steps": 40,
            "num_hypotheses": 3,
            "slots": SLOTS,
            "people_per_shard": 2,
        }
        return run_fit(config_of("fit", **{**settings, **changes}))

    return run


def test_a_folder_of_all_formats(run, tmp_path):
    report = run()
    table, provenance, left_out = read_table(report.table)
    assert list(table.source) == [
        *["1_openpose.json"] * 2, *["3_coco.json"] * 2, *["4_alphapose.json"] * 2,
        "5_nan.json",
    ]  # fmt: skip
    assert list(table.person_index) == [0, 2, 0, 1, 0, 1, 1]
    assert set(table.frame) == {-1}
    pictures = ["", "", "x.jpg", "y.jpg", "x.jpg", "y.jpg", ""]
    assert list(table.photo) == list(table.image_id) == pictures
    assert list(table.track_id) == [""] * 4 + ["4", "5", ""]
    assert report.people == report.new_people == 7
    faults = [
        "1_openpose.json: person 1 has no joint", "2_cut.json: is truncated",
        "5_nan.json: person 0 has no joint at a position", "6_nobody.json: no people",
    ]  # fmt: skip
    for line, fault in zip(left_out, faults, strict=True):
        assert line.startswith(fault)
    assert (tmp_path / "out" / "left_out.txt").read_text().splitlines() == left_out
    assert provenance["num_hypotheses"] == "3"

    # Both bodies are where they say they are, and the second is nearer the keypoints.
    assert np.all(table.fit_loss < table.fit_start_loss)
    seen = table.keypoint_confidence > 0
    before, after = (
        np.linalg.norm(
            np.stack([projected(*body_and_camera) for body_and_camera in zip(
                joints, translation, table.intrinsics, strict=True)])
            - table.keypoints_px, axis=-1)
        for joints, translation in (
            (table.joints[:, 0], table.translation),
            (table.fit_joints, table.fit_translation),
        )
    )  # fmt: skip
    assert np.median(after[seen]) < np.median(before[seen])
    assert np.all(table.fit_evaluations > table.fit_steps)
    assert np.all(table.fit_steps <= 40)
    assert set(table.fit_reason) <= {int(r) for r in Reason} - {0}
    density = table.log_prob[:, 0] - np.sum(table.fit_z**2, axis=1) / 2
    np.testing.assert_allclose(table.fit_log_prob, density, rtol=1e-4)
    assert 0 < report.useful <= 1

    # Who is implausible is written, and the measures are those of the columns.
    seen &= ~np.isin(np.arange(44), HIPS_44)
    np.testing.assert_allclose(
        table.fit_reprojection_percent,
        100 * np.mean(after, axis=1, where=seen) / table.box_size_px, rtol=1e-3,
    )  # fmt: skip
    np.testing.assert_array_equal(table.fit_distance_m, table.fit_translation[:, 2])
    np.testing.assert_array_equal(
        table.fit_largest_beta, np.abs(table.fit_betas).max(axis=1)
    )
    assert set(table.fit_plausible) <= {0, 1}
    np.testing.assert_array_equal(
        table.fit_plausible == 0, table.fit_implausible_reason != ""
    )
    lines = (tmp_path / "out" / "implausible.txt").read_text().splitlines()
    assert lines == implausible_people(table)


def test_limits_are_those_of_the_config(run, tmp_path, capsys):
    write_photo(tmp_path / "in" / "3_coco.png")
    changes = {"input": str(tmp_path / "in" / "3_coco.json"), "overlays": 2}
    wide = {
        "max_reprojection_percent": np.inf, "min_log_density": -np.inf,
        "max_beta": np.inf, "stature_m": (0.0, np.inf), "box_m": (0.0, np.inf),
        "min_box_px": 0.0,
    }  # fmt: skip
    table, _, _ = read_table(run(**changes, plausible=wide).table)
    assert list(table.fit_plausible) == [1, 1]
    assert "\n0 of 2 implausible\n" in capsys.readouterr().out
    assert (tmp_path / "out" / "implausible.txt").read_text() == ""
    output = tmp_path / "b"
    narrow = {**wide, "stature_m": (9.0, 9.5)}
    report = run(**changes, plausible=narrow, output=str(output))
    table, _, _ = read_table(report.table)
    assert list(table.fit_plausible) == [0, 0]
    reasons = [
        f"the body is {tall:.2f} m tall (9 to 9.5)" for tall in table.fit_stature_m
    ]
    assert list(table.fit_implausible_reason) == reasons
    printed = capsys.readouterr().out
    assert "2 of 2 implausible, see implausible.txt:" in printed
    for number, reason in enumerate(reasons):
        assert f"3_coco.json: person {number}: {reason}" in printed
    # The fitted body has the mark, and the prediction on the left has not.
    for folder, marked in ((tmp_path / "out", False), (output, True)):
        path = folder / "overlays" / "000000_before_after.png"
        before, after = np.split(np.asarray(Image.open(path)), 2, axis=1)
        assert np.all(after[0] == WARNING) == marked
        assert not np.all(before[0] == WARNING)
    with pytest.raises(InputError, match="another plausible"):
        run(**changes, plausible=narrow)


@pytest.mark.parametrize(
    ("key", "value"), [("stature_m", (2.0, 1.0)), ("max_beta", float("nan"))]
)
def test_limits_that_cannot_be_used(run, key, value):
    with pytest.raises(InputError, match=rf"config\.plausible\.{key}"):
        run(plausible={key: value})


def test_before_is_what_the_demo_says(run, tmp_path, tiny_weights):
    table, _, _ = read_table(run().table)
    demo = load_reconstructor(
        tiny_weights, "open", seed=0, num_hypotheses=3, num_meshes=1,
        focal_length_px=0.0,
    )  # fmt: skip
    (one, _) = read_detections(tmp_path / "in" / "1_openpose.json").people
    source = {"source": "", "person_index": 0, "photo": ""}
    result, _ = demo(one, None, (0, 0), **source)
    same = "pose_axis_angle", "joints", "betas", "log_prob", "translation", "intrinsics"
    for name in same:
        np.testing.assert_allclose(
            getattr(table, name)[0], getattr(result, name), rtol=1e-4, atol=1e-4
        )


def test_company_order_and_shards_make_no_difference(run, tmp_path):
    table, _, _ = read_table(run().table)
    (tmp_path / "in" / "1_openpose.json").rename(tmp_path / "in" / "7_last.json")
    other, _, _ = read_table(run(output=str(tmp_path / "b"), people_per_shard=5).table)
    order = [2, 3, 4, 5, 6, 0, 1]
    for name in set(schema_members(FitTable)) - {"source"}:
        np.testing.assert_array_equal(
            getattr(other, name), getattr(table, name)[order], err_msg=name
        )


def test_frames_of_photos(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.json").write_text(openpose(person(0), person(1)))
    write_photo(tmp_path / "photos" / "a.png")
    report = run(
        input=str(tmp_path / "photos"), frame="image", focal_length_px=900.0,
        use_hips=True, overlays=1,
    )  # fmt: skip
    table, _, _ = read_table(report.table)
    assert list(table.photo) == ["a.png"] * 2
    assert np.all(table.image_size_px == [200, 240])
    camera = [[900, 0, 100], [0, 900, 120], [0, 0, 1]]
    np.testing.assert_allclose(table.intrinsics, [camera] * 2)
    assert np.all(table.fit_loss < table.fit_start_loss)
    drawn = sorted(path.name for path in (tmp_path / "out" / "overlays").iterdir())
    assert drawn == ["000000_before_after.png"]


def test_the_weight_of_keypoints(run, tmp_path):
    def data_term(weight):
        report = run(output=str(tmp_path / str(weight)), data_weight=weight)
        table, _, _ = read_table(report.table)
        # At the mode the rest of the objective is the prior of the shape.
        return table.fit_start_loss - 36.0 * np.sum(table.betas**2, axis=1)

    whole = data_term(1.0)
    assert (whole > 0).all()
    # 0 is the weight of models that have seen the keypoints.
    np.testing.assert_allclose(data_term(0.0), 0.01 * whole, rtol=1e-3)


def test_finished_runs_are_left_alone_and_others_refused(run, tmp_path):
    table = run().table
    data, when = table.read_bytes(), table.stat().st_mtime_ns
    again = run(people_per_shard=5)
    assert (again.people, again.new_people, len(again.left_out)) == (7, 0, 4)
    assert table.stat().st_mtime_ns == when
    for changes, fault in (
        ({"num_hypotheses": 2}, "another num_hypotheses (3, now 2)"),
        ({"slots": 4}, "another slots"),
        ({"input": str(tmp_path / "in" / "3_coco.json")}, "another input"),
    ):
        with pytest.raises(InputError, match=re.escape(fault)):
            run(**changes)
    (tmp_path / "in" / "1_openpose.json").write_text(openpose(person(5)))
    with pytest.raises(InputError, match="another input_fingerprint"):
        run()
    assert table.read_bytes() == data
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "fits.npz").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        run(output=str(tmp_path / "foreign"))


def test_a_full_disk_loses_nothing(run, tmp_path, monkeypatch):
    whole = run(output=str(tmp_path / "whole")).table.read_bytes()
    write = np.lib.format.write_array
    for allowed in (0, 40, 40):
        count = iter(range(10**6))

        def full_disk(stream, array, allowed=allowed, count=count, **options):
            write(stream, array, **options)
            if next(count) >= allowed:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(np.lib.format, "write_array", full_disk)
            with pytest.raises(InputError, match="No space left on device"):
                run()
    assert not (tmp_path / "out" / "fits.npz").exists()
    report = run()
    assert report.table.read_bytes() == whole
    assert 0 < report.new_people < 7
    shards = tmp_path / "out" / "shards"
    assert {path.name for path in shards.iterdir()} == {"run.json", "lock"}


def test_a_damaged_shard_is_named(run, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prohmr_jax.bulk_fitting.shards.write_table", stop)
        with pytest.raises(KeyboardInterrupt):
            run()
    shard = tmp_path / "out" / "shards" / "000001.npz"
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=re.escape(str(shard))):
        run()
    shard.unlink()
    # What comes after the gap is made again.
    assert run().new_people == 5


def test_two_runs_do_not_share_an_output(run, tmp_path, monkeypatch):
    def second(*_):
        with pytest.raises(InputError, match="another run is writing here"):
            run()
        raise KeyboardInterrupt

    monkeypatch.setattr("prohmr_jax.bulk_fitting.shards.write_table", second)
    with pytest.raises(KeyboardInterrupt):
        run()


@pytest.mark.slow
def test_killed_and_restarted_it_gives_the_same_bytes(run, tmp_path, tiny_weights):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        people = [person(100 + 5 * number + i) for i in range(5)]
        (folder / f"{number:02d}.json").write_text(openpose(*people))
    options = {"input": str(folder), "people_per_shard": 4, "max_steps": 60}
    whole = run(**options, output=str(tmp_path / "whole")).table.read_bytes()
    command = [
        sys.executable, "-m", "prohmr_jax.main", f"--config={CONFIGS / 'fit.py'}",
        f"--config.output={tmp_path / 'out'}", f"--config.checkpoint={tiny_weights}",
        f"--config.slots={SLOTS}", "--config.num_hypotheses=3",
        *(f"--config.{key}={value}" for key, value in options.items()),
        f"--compilation_cache={jax.config.jax_compilation_cache_dir}",
    ]  # fmt: skip
    shards = tmp_path / "out" / "shards"
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    while running.poll() is None and not (shards / "000002.npz").exists():
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    done = len(list(shards.glob("*.npz")))
    assert 3 <= done < 15
    report = run(**options)
    assert report.new_people == 60 - 4 * done
    assert report.table.read_bytes() == whole


@pytest.mark.parametrize(
    ("key", "value"),
    [("input", ""), ("photo", "a.png"), ("exif", "honor"), ("frame", "photo"),
     ("slots", 0), ("num_hypotheses", 0), ("focal_length_px", float("nan")),
     ("people_per_shard", 0), ("image_size", (-1, 5)), ("overlays", -1),
     ("data_weight", -1.0), ("detector", "openpose")],
)  # fmt: skip
def test_values_of_the_config(run, key, value):
    with pytest.raises(InputError) as caught:
        run(**{key: value})
    assert str(caught.value).startswith(f"config.{key}: ")


def test_nobody_can_be_used(run, tmp_path):
    for name in ("3_coco", "4_alphapose", "5_nan"):
        (tmp_path / "in" / f"{name}.json").unlink()
    (tmp_path / "in" / "1_openpose.json").write_text(openpose([0.0] * 75))
    with pytest.raises(InputError, match="nobody can be used; 1_openpose"):
        run()
    assert not (tmp_path / "out" / "fits.npz").exists()


def test_one_size_is_compiled(run, monkeypatch):
    traced = chex.assert_max_traces(keypoint_job.keypoint_problem.__wrapped__, n=1)
    problem = jax.jit(traced, static_argnames="use_hips")
    monkeypatch.setattr(keypoint_job, "keypoint_problem", problem)
    before = initial_fit._cache_size()
    run(people_per_shard=5)
    assert initial_fit._cache_size() <= before + 1


def test_lowers_for_accelerators(tiny_weights):
    loaded = load_reconstructor(
        tiny_weights, "open", seed=0, num_hypotheses=1, num_meshes=0,
        focal_length_px=0.0,
    )  # fmt: skip
    zeros = lambda *shape: np.zeros((2, *shape), np.float32)  # noqa: E731
    people = PersonArrays(
        encoder_input=Keypoints2D(zeros(25, 2), zeros(25)),
        keypoints=Keypoints2D(zeros(44, 2), zeros(44)),
        image_size=zeros(2),
        focal_length=zeros(2),
        principal_point=zeros(2),
        detection_hash=np.zeros(2, np.uint32),
    )

    def run(model, body, people):
        key = jax.random.key(0)
        return initial_fit(model, body, key, people, num_hypotheses=2, frame="crop")

    arguments = loaded.model, loaded.body, people
    platforms = ("tpu", "cuda")
    exported = jax.export.export(jax.jit(run), platforms=platforms)(*arguments)
    assert exported.platforms == platforms


def test_the_table_is_documented(run):
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: shape.split() for name, shape in rows}
    sizes = {"P": 7, "K": 3, "S": 10, "L": 4}
    with np.load(run().table, allow_pickle=False) as archive:
        assert set(documented) >= set(archive.files)
        for name in archive.files:
            axes = [] if documented[name] == ["scalar"] else documented[name]
            expected = [sizes[a] if a in sizes else int(a) for a in axes]
            assert list(archive[name].shape) == expected, name
