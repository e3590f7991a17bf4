"""Writes pickles as libraries that are not installed would have written them.

Nothing here is a test; the tests of the readers share it.
"""

import io
import pickle
import subprocess
import sys
import types

import numpy as np


class Ch:
    """Stands for chumpy's variable: a value `x` and bookkeeping."""

    pickled_as = ("chumpy.ch", "Ch")

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Select(Ch):
    pickled_as = ("chumpy.reordering", "Select")


class MatVecMult(Ch):
    pickled_as = ("chumpy.ch", "MatVecMult")


class OldCsc(Ch):
    pickled_as = ("scipy.sparse.csc", "csc_matrix")


class NewCsc(Ch):
    pickled_as = ("scipy.sparse._csc", "csc_matrix")


class NewCsr(Ch):
    pickled_as = ("scipy.sparse._csr", "csr_matrix")


def compressed(dense: np.ndarray, kind: type):
    """The state of a compressed matrix, counted out entry by entry."""
    lines = dense if kind is NewCsr else dense.T
    data, indices, ends = [], [], [0]
    for line in lines:
        for place, value in enumerate(line):
            if value:
                data.append(value)
                indices.append(place)
        ends.append(len(data))
    return kind(
        _shape=dense.shape,
        maxprint=50,
        data=np.array(data, dense.dtype),
        indices=np.array(indices, np.int32),
        indptr=np.array(ends, np.int32),
    )


class Pickler(pickle._Pickler):
    """Names classes by `pickled_as`, and does not look whether they can be imported."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_global(self, obj, name=None):
        module, name = getattr(
            obj, "pickled_as", (obj.__module__, name or obj.__qualname__)
        )
        module, name = self.rename(module, name)
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(f"c{module}\n{name}\n".encode())
        self.memoize(obj)

    def rename(self, module, name):
        return module, name

    dispatch[type] = save_global
    dispatch[types.FunctionType] = save_global


class Python2Pickler(Pickler):
    """Strings are bytes, modules have their names of Python 2 and early NumPy."""

    dispatch = dict(Pickler.dispatch)

    def rename(self, module, name):
        module = {"builtins": "__builtin__", "copyreg": "copy_reg"}.get(module, module)
        return module.replace("numpy._core", "numpy.core"), name

    def save_string(self, obj):
        data = obj.encode("latin-1") if isinstance(obj, str) else obj
        if self.proto == 0:
            self.write(b"S" + repr(data)[1:].encode() + b"\n")
        elif len(data) < 256:
            self.write(b"U" + bytes([len(data)]) + data)
        else:
            self.write(b"T" + len(data).to_bytes(4, "little") + data)
        self.memoize(obj)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def pickled(value, protocol: int, pickler: type = Pickler) -> bytes:
    stream = io.BytesIO()
    pickler(stream, protocol).dump(value)
    return stream.getvalue()


ERAS = {
    "python 2, protocol 0": lambda value: pickled(value, 0, Python2Pickler),
    "python 2, protocol 2": lambda value: pickled(value, 2, Python2Pickler),
    "python 3, protocol 0": lambda value: pickled(value, 0),
    "python 3, protocol 2": lambda value: pickled(value, 2),
    "python 3, protocol 4": lambda value: pickled(value, 4),
    "python 3, protocol 5": lambda value: pickled(value, 5),
}


def pushed(text: str) -> bytes:
    """The instruction that pushes a text."""
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
