"""Body files that are damaged, hostile, missing or of another family."""

import io
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body, read_body_arrays
from tests.support.files_bodies import a_body, small
from tests.support.files_pickling import Ch, MatVecMult, pickled
from tests.support.paths import ROOT


def family(joints: int, directions: int) -> dict:
    """A body of another family, as their files are laid out."""
    return small(
        posedirs=np.zeros((30, 3, directions)),
        weights=np.eye(30, joints) + np.eye(30, joints, -joints),
        J_regressor=np.zeros((joints, 30)),
        kintree_table=np.zeros((2, joints), np.int64),
    )


NAN = np.full((30, 3), np.nan)
TURNED = a_body(30)["kintree_table"].copy()
TURNED[0, 5] = 3
BAD = {
    "no regressor": (small(J_regressor=None), "has no array 'J_regressor'"),
    "other sizes": (small(weights=np.ones((31, 24)) / 24), "weights has shape"),
    "flat": (small(v_template=np.zeros(90)), "v_template has shape [90]"),
    "NaN": (small(v_template=NAN), "v_template holds values that are not finite"),
    "weights": (small(weights=np.ones((30, 24))), "weights of a vertex do not add up"),
    "faces": (small(f=np.full((8, 3), 30)), "f names vertices that are not there"),
    "negative faces": (small(f=np.full((8, 3), -1)), "f names vertices"),
    "real faces": (small(f=np.zeros((8, 3))), "f is of type float64, not integer"),
    "landmarks": (small(landmark_vertices=np.arange(20, 41)), "landmark_vertices"),
    "no landmarks": (small(landmark_vertices=None), "30 vertices, and no landmark"),
    "other joints": (small(kintree_table=TURNED), "kintree_table does not join"),
    "no shapes": (small(shapedirs=np.zeros((30, 3, 0))), "no shape direction"),
    "SMPL-H": (family(52, 459), "is a body of SMPL-H: it has 52 joints"),
    "SMPL-X": (family(55, 486), "is a body of SMPL-X: it has 55 joints"),
    "STAR": (small(posedirs=np.zeros((30, 3, 93))), "is a body of STAR"),
    "unknown": (family(20, 171), "is no body of SMPL: it has 20 joints"),
}  # fmt: skip


@pytest.mark.parametrize("container", ["pkl", "npz"])
@pytest.mark.parametrize("name", BAD)
def test_bodies_that_are_none(name, container, tmp_path):
    fields, words = BAD[name]
    path = tmp_path / f"body.{container}"
    if container == "pkl":
        path.write_bytes(pickled(fields, 2))
    else:
        np.savez(path, **fields)
    with pytest.raises(InputError) as caught:
        read_body_arrays(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_needed_field_that_chumpy_computed(tmp_path):
    fields = small(shapedirs=MatVecMult(vec=Ch(x=1.0)))
    (tmp_path / "a.pkl").write_bytes(pickled(fields, 2))
    with pytest.raises(InputError, match=r"shapedirs is computed by 'chumpy.ch.MatVec"):
        read_body_arrays(tmp_path / "a.pkl")


def test_pickles_of_something_else(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(InputError, match="not of a body"):
        read_body_arrays(tmp_path / "a.pkl")


@pytest.mark.parametrize("container", ["pkl", "npz"])
def test_a_truncated_body(container, tmp_path):
    path = tmp_path / f"a.{container}"
    stream = io.BytesIO()
    np.savez(stream, **small())
    data = pickled(small(), 2) if container == "pkl" else stream.getvalue()
    for share in (0, 0.001, 0.3, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match="empty|truncated|damaged"):
            read_body_arrays(path)


def test_a_hostile_array_inside_an_archive(tmp_path):
    class Hostile:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "canary",)

    fields = small()
    regressor = np.empty((), object)
    regressor[()] = Hostile()
    np.savez(tmp_path / "a.npz", **{**fields, "J_regressor": regressor})
    with pytest.raises(InputError, match="is a pickle that is refused: it asks for"):
        read_body_arrays(tmp_path / "a.npz")
    assert not (tmp_path / "canary").exists()


def test_a_missing_body_says_where_to_get_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "SMPL_NEUTRAL.pkl", tmp_path / "empty"):
        with pytest.raises(InputError) as caught:
            read_body(path)
        for words in (
            str(path), "https://smpl.is.tue.mpg.de", "https://smplify.is.tue.mpg.de",
            'body="open"',
        ):  # fmt: skip
            assert words in str(caught.value)


def test_conversion_of_a_bad_file_says_so_in_one_line(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    script = ROOT / "tools" / "convert_smpl.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path / "a.pkl", tmp_path / "a.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{tmp_path / 'a.pkl'}: is a pickle that is refused")
    assert not (tmp_path / "a.npz").exists()
