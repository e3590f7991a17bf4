"""Bad input to the demo: one line with file and fault, and nothing lost."""

import dataclasses
import errno
import json
import os
import pickle

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.inference.results import read_result, write_result
from prohmr_jax.modes.demo import run as run_demo
from prohmr_jax.weights.weight_files import load_weights, save_weights
from tests.support.demo_cases import (
    demo_config,
    openpose,
    person,
    write_photo,
    write_weights,
)
from tests.support.files_bodies import small

UNSEEN = [0.0] * 75
ALL_NAN = openpose([float("nan")] * 75)


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture
def run(tmp_path, tiny_weights):
    """Runs the demo on `a.json` in `tmp_path`, or on what the changes say."""

    def run(text: str | None = None, **changes):
        if text is not None:
            (tmp_path / "a.json").write_text(text)
        settings = {
            "input": str(tmp_path / "a.json"),
            "output": str(tmp_path / "out"),
            "checkpoint": str(tiny_weights),
            "num_hypotheses": 5,
            "meshes": (),
            "pictures": (),
        }
        return run_demo(demo_config(**{**settings, **changes}))

    return run


def line_of(call, **arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(**arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        (openpose(person(0))[:-20], "not JSON"),
        (openpose(), "no people"),
        (openpose(UNSEEN), "no joint with a confidence"),
        (ALL_NAN, "no joint at a position"),
        (openpose(person(0, 20)), "20 joints instead of"),
        (None, "no such file"),
    ],
)
def test_detections(run, tmp_path, text, fault):
    line = line_of(run, text=text)
    assert line.startswith(f"{tmp_path / 'a.json'}: ")
    assert fault in line


def test_photos(run, tmp_path):
    text = openpose(person(0))
    missing = str(tmp_path / "b.png")
    line = line_of(run, text=text, photo=missing)
    assert line.startswith(f"{missing}: ")
    write_photo(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    line = line_of(run, text=text)
    assert line == f"{tmp_path / 'a.png'}: is a truncated or damaged image"
    assert not (tmp_path / "out").exists()
    # A thumbnail, on which the keypoints cannot lie.
    write_photo(tmp_path / "a.png", size=(20, 24))
    line = line_of(run, text=text)
    assert "person 0 is mostly outside the photo (a.png, 20 x 24 pixels)" in line
    assert len(run(text, photo="none").people) == 1


def test_a_bad_person_costs_itself_alone(run, tmp_path, monkeypatch):
    def write(path, result):
        if result.provenance.person_index == 1:
            raise InputError(path, "joints holds values that are not finite")
        write_result(path, result)

    monkeypatch.setattr("prohmr_jax.modes.demo.write_result", write)
    report = run(openpose(*(person(n) for n in range(3))))
    assert [summary.name for summary in report.people] == ["a_person0", "a_person2"]
    assert report.skipped == [
        f"{tmp_path / 'a.json'}: person 1: joints holds values that are not finite"
    ]


def test_a_full_disk_ends_the_run_and_skips_nobody(run, tmp_path, monkeypatch):
    for name in ("b.json", "c.json"):
        (tmp_path / name).write_text(openpose(person(0)))

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("prohmr_jax.files.atomic.os.fsync", full)
        line = line_of(run, input=str(tmp_path))
    result = tmp_path / "out" / "b_person0.npz"
    assert line == f"{result}: cannot be written: No space left on device"
    assert len(run(input=str(tmp_path)).people) == 2
    assert sorted(path.name for path in result.parent.iterdir()) == [
        "b_person0.npz", "c_person0.npz", "index.md",
    ]  # fmt: skip


class Hostile:
    """Writes a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_bodies(run, tmp_path):
    text = openpose(person(0))
    body = tmp_path / "body.npz"
    np.savez(body, **small(weights=np.ones((31, 24)) / 24))
    assert f"{body}: weights has shape" in line_of(run, text=text, body=str(body))
    np.savez(body, **small())
    body.write_bytes(body.read_bytes()[:-500])
    assert f"{body}: is no .npz" in line_of(run, text=text, body=str(body))
    # Fewer shape coefficients than the weights predict.
    np.savez(body, **small(shapedirs=np.zeros((30, 3, 4))))
    assert "10 shape coefficients, but the body" in line_of(
        run, text=text, body=str(body)
    )
    hostile, proof = tmp_path / "hostile.pkl", tmp_path / "was here"
    hostile.write_bytes(pickle.dumps({"v_template": Hostile(str(proof))}))
    assert line_of(run, text=text, body=str(hostile)).startswith(f"{hostile}: ")
    assert not proof.exists()
    missing = str(tmp_path / "nothing.pkl")
    assert 'use body="open"' in line_of(run, text=text, body=missing)


def test_weights(run, tmp_path, tiny_weights):
    text = openpose(person(0))
    bad = tmp_path / "w.npz"
    bad.write_bytes(tiny_weights.read_bytes()[:-100])
    assert line_of(run, text=text, checkpoint=str(bad)).startswith(f"{bad}: ")
    spec, variables = load_weights(tiny_weights)
    save_weights(bad, dataclasses.replace(spec, head_hidden=9), variables)
    assert "has shape" in line_of(run, text=text, checkpoint=str(bad))
    write_weights(bad, num_betas=4)
    line = line_of(run, text=text, checkpoint=str(bad))
    assert line.startswith(f"{bad}: predicts 4 shape coefficients")
    assert "no such weights" in line_of(run, text=text, checkpoint=str(tmp_path / "x"))


def test_output_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "out"
    line = line_of(run, text=openpose(person(0)), output=str(output))
    assert str(output) in line
    assert "cannot be written" in line


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("meshes", ("stl",)),
        ("pictures", ("sheets",)),
        ("exif", "honor"),
        ("num_hypotheses", 2),
        ("seed", -1),
        ("focal_length_px", float("nan")),
        ("image_size", (-1, 5)),
        ("sheet", {"panel_px": 0}),
    ],
)
def test_values_of_the_config(run, key, value):
    line = line_of(run, text=openpose(person(0)), **{key: value})
    assert line.startswith(f"config.{key}")


def test_a_folder_goes_on(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    texts = {
        "1_good": openpose(person(0)),
        "2_cut": openpose(person(0))[:-5],
        "3_one_of_two": openpose(UNSEEN, person(1)),
        "4_empty": "",
    }
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    (folder / "notes.txt").write_text("not for us")
    report = run(input=str(folder))
    assert [p.name for p in report.people] == ["1_good_person0", "3_one_of_two_person1"]
    assert len(report.skipped) == 3
    for line, name in zip(report.skipped, list(texts)[1:], strict=True):
        assert line.startswith(f"{folder / name}.json: ")
    page = (tmp_path / "out" / "index.md").read_text()
    assert all(line in page for line in report.skipped)

    (folder / "1_good.json").write_text("{")
    (folder / "3_one_of_two.json").unlink()
    line = line_of(run, input=str(folder))
    assert line.startswith(f"{folder}: none of its 3 files")
    # What the first run wrote is still there, and whole.
    assert read_result(tmp_path / "out" / "1_good_person0.npz")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no .json file and no photo" in line_of(run, input=str(empty))
    photo = str(folder / "x.png")
    assert "input is a folder" in line_of(run, input=str(folder), photo=photo)


def test_a_fault_in_the_middle_leaves_whole_files(run, tmp_path, monkeypatch):
    write = np.lib.format.write_array
    count = iter(range(10**6))

    def full_disk(stream, array, **options):
        write(stream, array, **options)
        if next(count) > 30:  # within the second person
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    line = line_of(run, text=openpose(person(0), person(1)))
    assert "a_person1.npz: cannot be written: No space left" in line
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert names == ["a_person0.npz"]
    provenance = read_result(tmp_path / "out" / "a_person0.npz").provenance
    assert json.dumps(dataclasses.asdict(provenance))
