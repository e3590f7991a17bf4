"""Honest pickles of every era give what Python's own reader gives."""

import collections
import io
import pickle

import numpy as np
import pytest
import scipy.sparse

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles import machine
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import BODY_TABLE, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle
from tests.support.files_pickling import (
    ERAS,
    Ch,
    MatVecMult,
    NewCsc,
    NewCsr,
    OldCsc,
    Select,
    compressed,
    pickled,
)


def read(data: bytes, **options):
    return unpickle(io.BytesIO(data), "body.pkl", BODY_TABLE, **options)


PLAIN = {
    "numbers": [0, -1, 255, 65535, 2**31, -(2**40), 2**200, True, False, None, 0.1],
    "text": {"": "é\n\\'", "long": "x" * 300, "unicode": "\u20ac\U0001f600"},
    "nested": {"a": [1, (2,), (3, 4), (5, 6, 7), (8, 9, 10, 11)], (1, "b"): {}},
    "bytes": [b"", b"abc", bytes(range(256)) * 2],
    "sets": [{1, 2, 3}, frozenset("ab"), set()],
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_read_as_python_reads_them(name, protocol):
    data = pickle.dumps(PLAIN[name], protocol)
    assert read(data) == pickle.loads(data) == PLAIN[name]


def test_shared_and_circular_values_stay_shared():
    shared = [1]
    shared.append(shared)
    a, b = read(pickle.dumps([shared, shared]))
    assert a is b
    assert a[1] is a


ARRAYS = {
    "float64": np.linspace(-1, 1, 12).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(24, dtype=np.int16).reshape(4, 6)[::2, ::3],
    "big endian": np.arange(5, dtype=">f4"),
    "uint32 maximum": np.array([2**32 - 1, 0], np.uint32),
    "half": np.arange(4, dtype=np.float16),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "no axes": np.array(2.5),
    "scalar": np.float64(2.5),
    "scalar of bool": np.bool_(True),
    "text": np.array(["nose", "left_eye"]),
    "every byte": np.frombuffer(bytes(range(256)) * 8, np.uint8),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_every_era(name, era):
    array = to_numpy(read(ERAS[era](ARRAYS[name])))
    np.testing.assert_array_equal(array, ARRAYS[name])
    assert array.dtype.newbyteorder("=") == ARRAYS[name].dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", range(6))
def test_what_the_libraries_write_themselves(protocol):
    dense = np.random.default_rng(0).normal(size=(5, 7)) * (np.eye(5, 7) > 0)
    for make in (scipy.sparse.csc_matrix, scipy.sparse.csr_matrix,
                 scipy.sparse.csc_array):  # fmt: skip
        data = pickle.dumps({"J": make(dense), "v": dense}, protocol)
        np.testing.assert_array_equal(to_numpy(read(data)["J"]), dense)
        np.testing.assert_array_equal(to_numpy(read(data)["v"]), dense)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", [OldCsc, NewCsc, NewCsr])
def test_sparse_matrices_of_every_era(kind, era):
    dense = np.random.default_rng(0).normal(size=(4, 6))
    dense[np.random.default_rng(1).random((4, 6)) < 0.6] = 0
    dense[:, 2] = dense[3] = 0  # nothing in a column, nothing in a row
    array = to_numpy(read(ERAS[era](compressed(dense, kind))))
    np.testing.assert_array_equal(array, dense)


@pytest.mark.parametrize("era", ERAS)
def test_chumpy_gives_values_that_it_holds_and_no_others(era):
    x = np.arange(24.0).reshape(2, 3, 4)
    places = np.arange(24).reshape(2, 3, 4)[..., :2]
    value = {
        "held": Ch(x=x, _dirty_vars={"x"}, _itr=None),
        "picked": Select(a=Ch(x=x), idxs=places.ravel(), preferred_shape=(2, 3, 2)),
        "computed": MatVecMult(mtx=compressed(x[0], OldCsc), vec=Ch(x=x)),
    }
    value_read = read(ERAS[era](value))
    np.testing.assert_array_equal(to_numpy(value_read["held"]), x)
    np.testing.assert_array_equal(to_numpy(value_read["picked"]), x[..., :2])
    with pytest.raises(Refused, match=r"computed by 'chumpy.ch.MatVecMult'"):
        to_numpy(value_read["computed"])


@pytest.mark.parametrize("protocol", range(6))
def test_attributes_of_a_dictionary_mean_nothing(protocol):
    value = collections.OrderedDict(a=1)
    value._metadata = collections.OrderedDict(version=1)  # as checkpoints have it
    value_read = read(pickle.dumps(value, protocol))
    assert value_read == value
    assert not hasattr(value_read, "_metadata")


def test_a_stream_is_left_behind_the_pickle():
    stream = io.BytesIO(pickle.dumps([1]) + pickle.dumps([2]) + b"rest")
    assert unpickle(stream, "a", {}) == [1]
    assert unpickle(stream, "a", {}) == [2]
    assert stream.read() == b"rest"


def test_the_table_is_an_argument():
    data = pickled([Ch(x=1)], 2)
    with pytest.raises(InputError, match=r"asks for 'chumpy.ch.Ch'"):
        unpickle(io.BytesIO(data), "a", {})
    (variable,) = unpickle(io.BytesIO(data), "a", {"chumpy.ch.Ch": machine.Inert})
    assert variable.state == {"x": 1}
    persistent = b"\x80\x02X\x01\x00\x00\x00aQ."
    assert read(persistent, persistent=lambda name: name * 2) == "aa"
