"""Converts arrays inside pickles, written by NumPy, by SciPy (sparse) or by chumpy.

Arrays stay as the file describes them until `to_numpy` converts one. Only then are
sizes checked and memory is taken, so that a fault in a field that nobody needs does no
harm. The unpickling code of the three libraries is not run. `BODY_TABLE` and
`NUMPY_TABLE` are the tables that the readers give to `unpickle`.
"""

import functools
import math
import re

import numpy as np

from prohmr_jax.files.pickles.machine import Construct, Inert, Refused, quoted

# Codes of the types of real numbers, and of text of a fixed width.
_DTYPE_CODE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SU][1-9]\d{0,3})")
_MAX_DENSE_ENTRIES = 10_000_000
# Real files wrap a value twice at most; a hostile one could put it into itself.
_MAX_DEPTH = 8


class PickledDtype(Inert):
    """Stands for `numpy.dtype(code)`; its state holds the byte order."""

    def __init__(self, code: str, align: int = 0, copy: int = 0):
        """Keeps the code.

        Args:
          code: NumPy's code of the type.
          align: ignored, because it does not change the type of a plain number.
          copy: ignored, for the same reason.
        """
        self.code = code

    def to_numpy(self) -> np.dtype:
        """Returns the type.

        Raises:
          Refused: it is neither a plain number nor text.
        """
        if not isinstance(self.code, str) or not _DTYPE_CODE.fullmatch(self.code):
            raise Refused("has values that are neither numbers nor text")
        dtype = np.dtype(self.code)
        order = self.state[1:2] if isinstance(self.state, tuple) else ()
        return dtype.newbyteorder(*order) if order in (("<",), (">",)) else dtype


class PickledArray(Inert):
    """Stands for an array; its state is (version, shape, dtype, is Fortran, bytes)."""

    def to_numpy(self, depth: int = 0) -> np.ndarray:
        """Returns the array as a read-only view of the file's bytes.

        Args:
          depth: number of wrappers around the array.

        Raises:
          Refused: the array is damaged or holds Python objects.
        """
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise Refused("is an array without content")
        _, shape, dtype, fortran, raw = self.state
        if not isinstance(dtype, PickledDtype):
            raise Refused("is a damaged array")
        shape = _shape(shape)
        if dtype.code in ("O", "O8", "|O") and isinstance(raw, list):
            if shape == () and len(raw) == 1:  # NumPy wraps a sparse matrix so
                return to_numpy(raw[0], depth)
            raise Refused("is an array of Python objects")
        if isinstance(raw, str):
            raw = _bytes_of_python_2(raw)
        dtype = dtype.to_numpy()
        if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize:
            raise Refused(f"is an array of another size than its shape {shape}")
        flat = np.frombuffer(raw, dtype) if raw else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")


class SparseMatrix(Inert):
    """Stands for a matrix of `scipy.sparse` with compressed columns or rows."""

    def __init__(self, name: str = ""):
        """Keeps the name of the class, which tells compressed columns from rows."""
        self.name = name

    def to_numpy(self, depth: int = 0) -> np.ndarray:
        """Returns the dense matrix [rows, columns].

        Args:
          depth: number of wrappers around the matrix.

        Raises:
          Refused: the matrix is damaged or too large.
        """
        state = _attributes(self.state)
        shape = _shape(state.get("_shape", state.get("shape")))
        if len(shape) != 2:
            raise Refused("is a sparse matrix without a shape")
        if math.prod(shape) > _MAX_DENSE_ENTRIES:
            raise Refused(f"is a sparse matrix of too large a shape, {shape}")
        data, indices, ends = (
            to_numpy(state.get(key), depth) for key in ("data", "indices", "indptr")
        )
        columns = self.name.rpartition(".")[2].startswith("csc")
        across, along = shape if columns else shape[::-1]
        if (
            {a.ndim for a in (data, indices, ends)} != {1}
            or data.dtype.kind not in "biuf"
            or {indices.dtype.kind, ends.dtype.kind} - set("iu")
            or len(ends) != along + 1
            or len(data) != len(indices)
            or ends[0] != 0
            or ends[-1] != len(data)
            or (np.diff(ends.astype(np.int64)) < 0).any()
            or (indices < 0).any()
            or (indices >= across).any()
        ):
            raise Refused("is a damaged sparse matrix")
        dense = np.zeros((across, along), data.dtype.newbyteorder("="))
        np.add.at(dense, (indices, np.repeat(np.arange(along), np.diff(ends))), data)
        return dense if columns else dense.T


class ChumpyVariable(Inert):
    """Stands for an object of chumpy, an autodiff library that SMPL files use."""

    def __init__(self, name: str):
        """Keeps the dotted name of the class."""
        self.name = name

    def to_numpy(self, depth: int = 0) -> np.ndarray:
        """Returns the value of a `Ch`, or of a `Select`, which picks entries of one.

        Args:
          depth: number of wrappers around the variable.

        Raises:
          Refused: the variable is of another class, whose value the file does not keep.
        """
        state = _attributes(self.state)
        kind = self.name.rpartition(".")[2]
        if kind == "Ch" and "x" in state:
            return to_numpy(state["x"], depth)
        if kind == "Select" and "a" in state:
            flat = to_numpy(state["a"], depth).ravel()
            picked = to_numpy(state.get("idxs"), depth)
            if picked.dtype.kind not in "iu" or not picked.size:
                raise Refused("is a chumpy selection without indices")
            if picked.min() < 0 or picked.max() >= flat.size:
                raise Refused("is a chumpy selection of values that are not there")
            shape = _shape(state.get("preferred_shape", picked.shape))
            if math.prod(shape) != picked.size:
                raise Refused("is a chumpy selection of another shape")
            return flat[picked.ravel()].reshape(shape)
        raise Refused(f"is computed by {quoted(self.name)}, and its value is not kept")


def to_numpy(value: object, depth: int = 0) -> np.ndarray:
    """Returns the array that an unpickled value describes.

    Args:
      value: a stand-in for an array, a number, or a list or tuple of numbers.
      depth: number of wrappers around the value.

    Raises:
      Refused: the value is no array; the message continues the name of the field.
    """
    if isinstance(value, PickledArray | SparseMatrix | ChumpyVariable):
        if depth > _MAX_DEPTH:
            raise Refused("is wrapped in too many layers")
        return value.to_numpy(depth + 1)
    if type(value) in (int, float, bool) and abs(value) < 2**63:
        return np.asarray(value)
    if type(value) in (list, tuple) and all(type(v) in (int, float) for v in value):
        return np.asarray(value, np.float64)
    raise Refused("is missing or no array")


def _attributes(state: object) -> dict:
    """Returns the attributes in an object's state, without those in slots."""
    if isinstance(state, tuple) and state:
        state = state[0]
    return state if isinstance(state, dict) else {}


def _shape(sizes: object) -> tuple[int, ...]:
    """Returns a shape after checking it; some files write NumPy's integers in it."""
    if not isinstance(sizes, tuple) or len(sizes) > 8:
        raise Refused("has no shape")
    shape = tuple(
        int(to_numpy(n, _MAX_DEPTH)) if isinstance(n, PickledArray) else n
        for n in sizes
    )
    if not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise Refused("has no shape that an array can have")
    return shape


def _bytes_of_python_2(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Refused("is a damaged array") from error


def _reconstruct(cls: object, shape: object, code: object) -> PickledArray:
    """Returns an empty array; the file sets its content as its state."""
    return PickledArray()


def _from_buffer(raw: object, dtype: object, shape: object, order: object):
    array = PickledArray()
    array.set_state((1, shape, dtype, order == "F", raw))
    return array


def _scalar(dtype: object, raw: object) -> PickledArray:
    array = PickledArray()
    array.set_state((1, (), dtype, False, raw))
    return array


def _numpy_names(core: str) -> dict[str, Construct]:
    return {
        f"{core}.multiarray._reconstruct": _reconstruct,
        f"{core}.multiarray.scalar": _scalar,
        f"{core}.numeric._frombuffer": _from_buffer,
    }


NUMPY_TABLE: dict[str, Construct | None] = {
    **_numpy_names("numpy.core"),
    **_numpy_names("numpy._core"),
    "numpy.dtype": PickledDtype,
    "numpy.ndarray": None,
    "numpy.matrix": None,
    "numpy.matrixlib.defmatrix.matrix": None,
}
"""Names that pickles of NumPy arrays use, and the functions that stand for them."""
# SciPy renamed its modules in version 1.8; body files use the old and the new names.
BODY_TABLE: dict[str, Construct | None] = {
    **NUMPY_TABLE,
    **{
        name: functools.partial(SparseMatrix, name)
        for kind in ("csc", "csr")
        for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}", "scipy.sparse")
        for name in (f"{module}.{kind}_matrix", f"{module}.{kind}_array")
    },
    "chumpy.*": ChumpyVariable,
}
"""Names that body files use, and the functions that stand for them."""
