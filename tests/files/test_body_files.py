"""Body files of every container and era give one and the same body."""

import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from prohmr_jax.errors import InputError
from prohmr_jax.files import body_files
from prohmr_jax.files.body_files import (
    read_body,
    read_body_arrays,
    read_mean_params,
    write_body,
)
from prohmr_jax.skeleton import LANDMARKS_21
from tests.support.files_bodies import OFFICIAL_NAMES, a_body, official, small
from tests.support.files_pickling import ERAS, pickled
from tests.support.paths import ROOT


def check(body: body_files.BodyArrays, fields: dict) -> None:
    for name, field in (
        ("v_template", "v_template"), ("posedirs", "posedirs"), ("weights", "weights"),
        ("joint_regressor", "J_regressor"), ("faces", "f"),
    ):  # fmt: skip
        np.testing.assert_allclose(
            getattr(body, name), fields[field], rtol=1e-6, atol=1e-12
        )
    np.testing.assert_allclose(body.shapedirs, fields["shapedirs"][..., :10], rtol=1e-6)
    assert body.v_template.dtype == np.float32
    assert body.faces.dtype == np.int32


@pytest.mark.parametrize("era", ERAS)
def test_official_pickles_in_miniature(era, tmp_path):
    fields = small()
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(ERAS[era](official(fields)))
    body = read_body_arrays(tmp_path / "SMPL_NEUTRAL.pkl")
    check(body, fields)
    np.testing.assert_array_equal(body.landmark_vertices, np.arange(21))


@pytest.fixture(scope="module")
def full_size(tmp_path_factory) -> tuple[pathlib.Path, dict, np.ndarray]:
    """A folder with a full-size body of the first era and its joint regressor."""
    folder = tmp_path_factory.mktemp("smpl")
    fields = a_body(6890)
    fields["posedirs"] = fields["posedirs"].astype(np.float32)
    extra = np.random.default_rng(2).random((19, 6890))
    write = ERAS["python 2, protocol 2"]
    (folder / OFFICIAL_NAMES[0]).write_bytes(write(official(fields)))
    (folder / "SMPL_to_J19.pkl").write_bytes(pickle.dumps(extra, 2))
    return folder, fields, extra


def test_a_full_size_official_folder(full_size):
    folder, fields, extra = full_size
    body = read_body_arrays(folder)
    check(body, fields)
    np.testing.assert_allclose(body.extra_regressor, extra, rtol=1e-6)
    for name, vertex in (("nose", 332), ("left_ear", 583), ("right_pinky_tip", 6133)):
        assert body.landmark_vertices[LANDMARKS_21.index(name)] == vertex


def test_conversion_keeps_the_body_and_needs_nothing_beside_it(full_size, tmp_path):
    folder, fields, extra = full_size
    script = ROOT / "tools" / "convert_smpl.py"
    output = tmp_path / "converted" / "smpl.npz"
    done = subprocess.run(
        [sys.executable, script, folder / OFFICIAL_NAMES[0], output],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6890 vertices, 10 shape directions" in done.stdout
    before, after = read_body_arrays(folder), read_body_arrays(output)
    for name, array in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), array)
    with np.load(output) as plain:  # allow_pickle is off
        assert plain["posedirs"].dtype == np.float32
        assert plain["kintree_table"].shape == (2, 24)


def test_the_first_ten_shape_directions_are_used(tmp_path):
    fields = small(**{"shapedirs": np.random.default_rng(0).normal(size=(30, 3, 300))})
    (tmp_path / "a.pkl").write_bytes(pickled(official(fields), 2))
    body = read_body_arrays(tmp_path / "a.pkl")
    assert body.shapedirs.shape == (30, 3, 10)
    check(body, fields)


@pytest.mark.parametrize(
    "name", [n.replace(".pkl", ".npz") for n in OFFICIAL_NAMES[4:]]
)
@pytest.mark.parametrize("sparse", [False, True])
def test_npz_with_a_dense_or_a_sparse_regressor(name, sparse, tmp_path):
    fields = small()
    stored = dict(fields)
    if sparse:
        stored["J_regressor"] = scipy.sparse.csc_matrix(fields["J_regressor"])
    np.savez(tmp_path / name, **stored)
    check(read_body_arrays(tmp_path / name), fields)


@pytest.mark.parametrize("name", OFFICIAL_NAMES)
def test_a_folder_with_any_official_name(name, tmp_path):
    fields = small()
    for folder in (tmp_path / "plain", tmp_path / "smplx" / "smpl"):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(pickled(official(fields), 2))
    check(read_body_arrays(tmp_path / "plain"), fields)
    check(read_body_arrays(tmp_path / "smplx"), fields)


def test_a_folder_prefers_the_neutral_body_and_does_not_guess_a_sex(tmp_path):
    for name in ("SMPL_MALE.pkl", "SMPL_FEMALE.pkl"):
        (tmp_path / name).write_bytes(pickled(small(), 2))
    with pytest.raises(InputError, match="SMPL_FEMALE.pkl and SMPL_MALE.pkl"):
        read_body_arrays(tmp_path)
    marked = small()
    marked["v_template"] = marked["v_template"] + 1
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(pickled(marked, 2))
    check(read_body_arrays(tmp_path), marked)


def test_the_open_body_is_a_model():
    model = read_body("open")
    arrays = read_body_arrays()
    assert model.num_vertices == len(arrays.v_template)
    assert model.num_vertices != 6890  # regressors of SMPL's mesh must not fit
    assert model.num_betas == 10
    expected = arrays.joint_regressor.astype(float) @ arrays.v_template
    np.testing.assert_allclose(model.joints_template, expected, atol=1e-6)


def test_a_written_body_is_read_as_it_was(tmp_path):
    before = read_body_arrays()
    write_body(tmp_path / "a.npz", before)
    after = read_body_arrays(tmp_path / "a.npz")
    for name, array in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), array)


def test_the_extra_regressor_is_found_named_or_asked_for(full_size, tmp_path):
    source, _, extra = full_size
    body = tmp_path / "smpl" / "SMPL_NEUTRAL.pkl"
    body.parent.mkdir()
    body.symlink_to(source / OFFICIAL_NAMES[0])
    with pytest.raises(InputError) as caught:
        read_body_arrays(body)
    assert str(body.parent / "SMPL_to_J19.pkl") in str(caught.value)
    assert "ProHMR" in str(caught.value)
    assert 'body="open"' in str(caught.value)
    named = tmp_path / "elsewhere.pkl"
    named.write_bytes(pickle.dumps(2 * extra))
    regressor = read_body_arrays(body, extra_regressor=named).extra_regressor
    np.testing.assert_allclose(regressor, 2 * extra, rtol=1e-6)
    named.write_bytes(pickle.dumps(extra[:9]))
    with pytest.raises(InputError, match=r"elsewhere.pkl: the joint regressor has sha"):
        read_body_arrays(body, extra_regressor=named)
    # The official layout: data/SMPL_to_J19.pkl beside data/smpl/SMPL_NEUTRAL.pkl.
    (tmp_path / "SMPL_to_J19.pkl").symlink_to(source / "SMPL_to_J19.pkl")
    regressor = read_body_arrays(body).extra_regressor
    np.testing.assert_allclose(regressor, extra, rtol=1e-6)


def test_mean_params(tmp_path):
    path = tmp_path / "smpl_mean_params.npz"
    with pytest.raises(InputError, match="ProHMR"):
        read_mean_params(path)
    betas, camera = np.linspace(-1, 1, 10), np.array([0.9, 0.0, 0.1])
    np.savez(path, pose=np.zeros(144), shape=betas, cam=camera)
    found_betas, found_camera = read_mean_params(path)
    np.testing.assert_allclose(found_betas, betas, rtol=1e-6)
    np.testing.assert_allclose(found_camera, camera, rtol=1e-6)
    np.savez(path, pose=np.zeros(144), shape=np.zeros(300), cam=camera)
    with pytest.raises(InputError, match=r"shape has shape \[300\]"):
        read_mean_params(path)


def test_the_landmarks_of_smpl_are_those_of_the_set():
    assert set(body_files.SMPL_LANDMARK_VERTICES) == set(LANDMARKS_21.names)
    assert len(set(body_files.SMPL_LANDMARK_VERTICES.values())) == len(LANDMARKS_21)
