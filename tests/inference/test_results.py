"""The schema of results: what goes in comes out, and nothing else is let in."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.npz import write_npz
from prohmr_jax.inference.results import (
    SCHEMA_VERSION,
    PersonResult,
    Provenance,
    read_result,
    write_result,
)
from tests.support.paths import ROOT

DOCUMENT = ROOT / "docs" / "result_files.md"
SIZES = {"K": 4, "S": 10, "V": 7, "F": 5}
ARRAYS = [field for field in dataclasses.fields(PersonResult) if field.metadata]


KINDS = {
    "integer": lambda generator, shape: generator.integers(0, 7, shape),
    "text": lambda _, shape: np.full(shape, "the body is 3.00 m tall"),
    "real": lambda generator, shape: generator.normal(size=shape).astype(np.float32),
}


def shape_of(field: dataclasses.Field) -> tuple[int, ...]:
    return tuple(SIZES.get(size, size) for size in field.metadata["expected"].shape)


@pytest.fixture
def result() -> PersonResult:
    generator = np.random.default_rng(0)
    arrays = {
        field.name: KINDS[field.metadata["expected"].kind](generator, shape_of(field))
        for field in ARRAYS
    }
    provenance = Provenance(
        source="ä b.json",
        person_index=2,
        photo="",
        weights="w.npz",
        weights_sha256="0" * 64,
        body="open",
        body_sha256="1" * 64,
        package_version="0",
        seed=5,
    )
    return PersonResult(provenance=provenance, **arrays)


@pytest.fixture
def written(tmp_path, result) -> pathlib.Path:
    write_result(tmp_path / "r.npz", result)
    return tmp_path / "r.npz"


def rewritten(path: pathlib.Path, **changes) -> pathlib.Path:
    """The same file with members changed; None takes one out."""
    with np.load(path) as archive:
        members = {**archive, **changes}
    write_npz(path, {k: v for k, v in members.items() if v is not None})
    return path


def test_round_trip(written, result):
    read = read_result(written)
    assert read.provenance == result.provenance
    for field in ARRAYS:
        there, here = getattr(read, field.name), getattr(result, field.name)
        assert there.dtype == here.dtype
        np.testing.assert_array_equal(there, here)


def test_a_result_that_was_not_judged_is_read(tmp_path, result):
    members = [f.name for f in ARRAYS if f.metadata["expected"].optional]
    assert {"plausible", "implausible_reason", "stature_m"} < set(members)
    unjudged = dataclasses.replace(result, **dict.fromkeys(members))
    write_result(tmp_path / "r.npz", unjudged)
    read = read_result(tmp_path / "r.npz")
    assert [getattr(read, name) for name in members] == [None] * len(members)
    assert not read.is_implausible
    assert dataclasses.replace(result, plausible=np.int32(0)).is_implausible
    assert not dataclasses.replace(result, plausible=np.int32(1)).is_implausible


def test_equal_results_are_equal_bytes(tmp_path, written, result):
    write_result(tmp_path / "again.npz", result)
    assert (tmp_path / "again.npz").read_bytes() == written.read_bytes()


def test_needs_no_pickle_and_is_documented(written):
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: shape.split() for name, shape in rows}
    with np.load(written, allow_pickle=False) as archive:
        assert set(documented) == set(archive.files)
        for name, shape in documented.items():
            axes = [] if shape == ["scalar"] else shape
            sizes = [SIZES[a] if a in SIZES else int(a) for a in axes]
            assert list(archive[name].shape) == sizes, name
    for name in (field.name for field in dataclasses.fields(Provenance)):
        assert f"`{name}`" in DOCUMENT.read_text()
    assert f"schema version {SCHEMA_VERSION}" in DOCUMENT.read_text()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": np.array(SCHEMA_VERSION + 1)}, f"version {SCHEMA_VERSION + 1}"),
        ({"version": None}, "no array 'version'"),
        ({"version": np.array(1.5)}, "version is of type float64"),
        ({"betas": None}, "no array 'betas'"),
        ({"joints": np.zeros((4, 43, 3))}, "joints has shape"),
        # Fits by itself, but not to the other arrays.
        ({"log_prob": np.zeros(3)}, "log_prob has shape"),
        ({"vertices": np.full((7, 3), np.nan)}, "vertices holds values"),
        ({"joint_names": np.array([f"joint {i}" for i in range(44)])}, "joint_names"),
        ({"provenance": np.array("[]")}, "damaged member provenance"),
        ({"provenance": np.array('{"source": 1}')}, "damaged member provenance"),
    ],
)
def test_refuses_what_is_no_result(written, changes, fault):
    with pytest.raises(InputError, match=fault) as caught:
        read_result(rewritten(written, **changes))
    assert caught.value.path == str(written)
    assert "\n" not in str(caught.value)


def test_refuses_provenance_of_other_types(written, result):
    fields = dataclasses.asdict(result.provenance) | {"seed": "5"}
    with pytest.raises(InputError, match="seed"):
        read_result(rewritten(written, provenance=np.array(json.dumps(fields))))


def test_refuses_files_cut_anywhere(written):
    data = written.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        written.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match="r.npz"):
            read_result(written)


@pytest.mark.parametrize("bad", [np.full(44, np.nan, np.float32), np.zeros(43)])
def test_writes_nothing_that_it_would_not_read(written, result, bad):
    before = written.read_bytes()
    with pytest.raises(InputError, match="joint_spread"):
        write_result(written, dataclasses.replace(result, joint_spread=bad))
    assert written.read_bytes() == before
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_reprojection_error_counts_what_was_seen(result):
    confidence = np.zeros(25, np.float32)
    confidence[[3, 8]] = 0.5, 0.11
    joints_2d = np.zeros_like(result.joints_2d_px)
    joints_2d[0, 3], joints_2d[0, 8] = [3, 4], [0, 10]
    person = dataclasses.replace(
        result,
        joints_2d_px=joints_2d,
        keypoints_px=np.zeros((25, 2), np.float32),
        keypoint_confidence=confidence,
        box_size_px=np.float32(50),
    )
    assert person.reprojection_error(0.1) == pytest.approx((5 + 10) / 2 / 50)
    assert person.reprojection_error(0.2) == pytest.approx(5 / 50)
    assert person.seen(0.1).sum() == 2
