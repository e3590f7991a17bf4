"""Arrays, sparse matrices and chumpy objects that are not what they claim."""

import io

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import BODY_TABLE, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle
from tests.support.files_pickling import (
    Ch,
    OldCsc,
    Select,
    compressed,
    pickled,
    pushed,
    run_python,
)


def read(data: bytes):
    return unpickle(io.BytesIO(data), "body.pkl", BODY_TABLE)


def array(shape: bytes, code: str = "f8", raw: bytes = b"C\x00") -> bytes:
    """An array whose shape, type and bytes need not agree."""
    return (
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t"
        + pushed("b") + b"tR(K\x01" + shape + b"cnumpy\ndtype\n(" + pushed(code)
        + b"I00\nI01\ntR\x89" + raw + b"tb."
    )  # fmt: skip


HUGE = b"J\xff\xff\xff\x7f"
FALSE_ARRAYS = {
    "huge": (array(b"(" + HUGE * 2 + b"t"), "another size"),
    "huge product": (array(b"(" + HUGE * 8 + b"t"), "another size"),
    "short": (array(b"(K\x02t", raw=b"C\x08" + bytes(8)), "another size"),
    "negative": (array(b"(J\xff\xff\xff\xfft"), "no shape"),
    "shape of text": (array(b"(" + pushed("3") + b"t"), "no shape"),
    "no shape": (array(b"N"), "no shape"),
    "objects": (array(b"(K\x01t", "O8", b"](K\x01e"), "array of Python objects"),
    "structure": (array(b"(K\x01t", "V8", b"C\x08" + bytes(8)), "neither numbers"),
    "type of commas": (array(b"(K\x01t", "f8,f8", b"C\x10" + bytes(16)), "neither"),
    "no dtype": (
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)K\x01\x89C\x00tb.",
        "cannot take",
    ),
    "no state": (
        array(b")").replace(b"tb.", b"t0."),
        "array without content",
    ),
    "text beyond Latin-1": (array(b"(K\x01t", "u1", pushed("\u20ac")), "damaged array"),
    "itself": (
        array(b"(t", "O8", b"](h\x05e").replace(b"tR(K\x01", b"tRq\x05(K\x01"),
        "too many layers",
    ),
}


@pytest.mark.parametrize("name", FALSE_ARRAYS)
def test_arrays_that_are_none(name):
    data, words = FALSE_ARRAYS[name]
    with pytest.raises((Refused, InputError), match=words):
        to_numpy(read(data))


def sparse(**changes) -> OldCsc:
    state = vars(compressed(np.eye(3, 4), OldCsc)) | changes
    return OldCsc(**state)


@pytest.mark.parametrize(
    "changes",
    [
        {"_shape": (2**30, 2**30)},
        {"_shape": (10**4, 10**4)},
        {"_shape": (3,)},
        {"_shape": None},
        {"_shape": (2, 4)},
        {"_shape": (3, 5)},
        {"indices": np.array([0, 1, -1])},
        {"indices": np.array([0, 1, 9])},
        {"indices": np.array([0.0, 1.0, 2.0])},
        {"indices": np.array([0, 1])},
        {"indptr": np.array([0, 2, 1, 3, 3])},
        {"indptr": np.array([1, 1, 2, 3, 3])},
        {"indptr": np.array([0, 1, 2, 3, 4])},
        {"data": np.array([["a"]])},
        {"data": None},
    ],
)
def test_sparse_matrices_that_are_none(changes):
    with pytest.raises(Refused):
        to_numpy(read(pickled(sparse(**changes), 2)))


def test_chumpy_that_contains_itself():
    loop = Ch()
    loop.x = loop
    with pytest.raises(Refused, match="too many layers"):
        to_numpy(read(pickled(loop, 2)))
    select = Select(a=Ch(x=np.arange(4.0)), idxs=np.array([3, 4]))
    with pytest.raises(Refused, match="not there"):
        to_numpy(read(pickled(select, 2)))


def test_false_lengths_take_no_memory(tmp_path):
    """A process that may not grow by 300 MB reads claims of terabytes."""
    claims = [
        array(b"(" + HUGE * 2 + b"t"),
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00.",
        b"K\x01r\xff\xff\xff\xff.",
        pickled(sparse(_shape=(2**30, 2**30)), 2),
    ]
    for number, data in enumerate(claims):
        (tmp_path / f"{number}.pkl").write_bytes(data)
    script = (
        "import resource, sys\n"
        "from prohmr_jax.errors import InputError\n"
        "from prohmr_jax.files.pickles.numpy_arrays import BODY_TABLE, to_numpy\n"
        "from prohmr_jax.files.pickles.machine import Refused\n"
        "from prohmr_jax.files.pickles.unpickle import unpickle_file\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + 300_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        to_numpy(unpickle_file(path, BODY_TABLE))\n"
        "        print('value')\n"
        "    except (InputError, Refused) as error:\n"
        "        print('refused')\n"
    )
    paths = [str(tmp_path / f"{i}.pkl") for i in range(len(claims))]
    done = run_python(script, *paths)
    assert done.stdout.split() == ["refused", "refused", "value", "refused"]
