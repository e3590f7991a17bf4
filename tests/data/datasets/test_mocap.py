"""Motion capture for the discriminator: either layout, and what is no such file."""

import numpy as np
import pytest

from prohmr_jax.data.datasets.mocap import read_mocap
from prohmr_jax.errors import InputError


@pytest.fixture
def poses(rng):
    return rng.normal(size=(5, 72))


@pytest.fixture
def betas(rng):
    return rng.normal(size=(5, 12))


@pytest.mark.parametrize("names", [("body_pose", "betas"), ("pose", "shape")])
def test_root_is_dropped_and_first_betas_are_kept(tmp_path, poses, betas, names):
    np.savez(tmp_path / "mocap.npz", **dict(zip(names, (poses, betas), strict=True)))
    actual = read_mocap(tmp_path / "mocap.npz")
    np.testing.assert_array_equal(actual.body_pose, poses[:, 3:].astype(np.float32))
    np.testing.assert_array_equal(actual.betas, betas[:, :10].astype(np.float32))


def test_poses_without_root_are_taken_whole(tmp_path, poses, betas):
    np.savez(tmp_path / "mocap.npz", body_pose=poses[:, 3:], betas=betas)
    actual = read_mocap(tmp_path / "mocap.npz")
    np.testing.assert_array_equal(actual.body_pose, poses[:, 3:].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"body_pose": None}, "no array 'body_pose' or 'pose'"),
        ({"betas": None}, "no array 'betas' or 'shape'"),
        ({"body_pose": np.zeros((5, 63))}, "63 numbers"),
        ({"betas": np.zeros((5, 9))}, "fewer than 10"),
        ({"betas": np.zeros((4, 10))}, "betas has shape"),
        ({"body_pose": np.full((5, 72), np.nan)}, "body_pose holds values that"),
        ({"body_pose": np.zeros((0, 72)), "betas": np.zeros((0, 10))}, "no poses"),
        ({"body_pose": np.full((5, 72), None)}, "Python objects"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, poses, betas, change, fault):
    arrays = {"body_pose": poses, "betas": betas, **change}
    path = tmp_path / "mocap.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(InputError, match=fault) as error:
        read_mocap(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_files_that_are_none_are_named(tmp_path, content):
    path = tmp_path / "mocap.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="mocap.npz"):
        read_mocap(path)
