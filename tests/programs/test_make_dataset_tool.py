"""The command as its users run it."""

import os
import pickle
import runpy
import subprocess
import sys

import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from tests.support.datasets_files import NAMES, official_arrays, write_photos
from tests.support.paths import ROOT

TOOL = ROOT / "tools" / "make_dataset.py"


def run(kind, *options, **paths):
    named = [f"--{name}={value}" for name, value in paths.items()]
    return subprocess.run(
        [sys.executable, TOOL, kind, *named, *options],
        capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(TOOL.parents[1])},
    )  # fmt: skip


@pytest.fixture
def paths(tmp_path):
    """Of an annotation file, photos of which one is missing, and the output."""
    np.savez(tmp_path / "a.npz", **official_arrays())
    images = write_photos(tmp_path / "images", NAMES[:2])
    return {"annotations": tmp_path / "a.npz", "images": images,
            "output": tmp_path / "out"}  # fmt: skip


def test_annotations_become_a_dataset_of_cut_outs(paths):
    done = run("annotations", "--split=val", "--box_px=16", **paths)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{paths['output']}: 2 people, 1 skipped",
        "labels of 2 people: 2 have all 3D joints of h36m_14, 2 have all 3D joints of "
        "h36m_17, 2 have all 3D joints of mpi_inf_17, 1 a pose, 2 2D keypoints of "
        "BODY_25, 2 a name that views share",
    ]
    assert f"{NAMES[2]}: does not exist" in done.stderr
    people = DatasetReader(Source(str(paths["output"]), "val", 1.0))
    assert len(people) == 2
    record, photo = people[0]
    assert photo.shape[0] < 60
    assert abs(record.box_size - 16) < 0.5


def test_an_attack_is_one_line_and_code_2(paths, tmp_path):
    (tmp_path / "attack.pkl").write_bytes(pickle.dumps(print))
    done = run("multiview", **{**paths, "annotations": tmp_path / "attack.pkl"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"{tmp_path}/attack.pkl: is a pickle that is refused: it asks for "
        "'builtins.print', which is not harmless data\n"
    )


@pytest.mark.parametrize(
    ("kind", "change", "fault"),
    [
        ("annotations", {"annotations": "none.npz"}, "none.npz: "),
        ("annotations", {"images": "."}, "nobody of split 'train' can be used"),
        ("annotations", {"output": "a.npz"}, "is there already"),
        ("3dpw", {"annotations": "."}, "--body: is needed"),
        ("3dpw", {"annotations": ".", "body": "a.npz"}, "a.npz: has no array"),
        ("3dpw", {"annotations": ".", "body": "open"}, "holds no .pkl files"),
    ],
)
def test_faults_are_one_line_and_code_2(
    paths, tmp_path, monkeypatch, capsys, kind, change, fault
):
    monkeypatch.chdir(tmp_path)
    named = [f"--{name}={value}" for name, value in {**paths, **change}.items()]
    assert runpy.run_path(str(TOOL))["main"]([kind, *named]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert fault in output.err.splitlines()[-1]
    assert not paths["output"].exists()
