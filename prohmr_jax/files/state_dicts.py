"""Reads state dicts (name -> array) from files of PyTorch and of safetensors.

The conversion of weights calls it. PyTorch is not needed, and nothing that a file asks
for is executed.
"""

import dataclasses
import os
import zipfile
from pathlib import Path

import ml_dtypes  # noqa: F401  lets NumPy know bfloat16, which safetensors asks for
import numpy as np
import safetensors

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles.machine import quoted
from prohmr_jax.files.pickles.torch_files import (
    LEGACY_START,
    read_legacy_torch,
    read_zip_torch,
)

_SAFE_DTYPES = {
    "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8",
    "U64", "U32", "U16", "U8", "BOOL",
}  # fmt: skip
_MAX_NAME = 200
_ZIP_START = b"PK\x03\x04"


@dataclasses.dataclass(frozen=True)
class StateDict:
    """Holds the weights of a file under the names that the file gives them."""

    arrays: dict[str, np.ndarray]
    """Finite, read-only arrays of the file's types, except that bfloat16 becomes
    float32."""
    form: str
    """Name of the file format, for a report."""
    unknown: tuple[str, ...] = ()
    """Names of classes outside the state dict that were ignored."""


def read_state_dict(path: str | os.PathLike) -> StateDict:
    """Reads a file of weights of `torch.save`, in either format, or of safetensors.

    Raises:
      InputError: the file is of another kind or damaged, or its state dict holds
        anything but finite tensors.
    """
    path = Path(path)
    start = _first_bytes(path)
    if start.startswith(_ZIP_START):
        arrays, unknown = read_zip_torch(path)
        state = StateDict(arrays, "torch.save (zip)", unknown)
    elif start.startswith(LEGACY_START):
        arrays, unknown = read_legacy_torch(path)
        state = StateDict(arrays, "torch.save (before 1.6)", unknown)
    elif start[8:9] == b"{":
        state = StateDict(_read_safetensors(path), "safetensors")
    elif start.lstrip()[:1] == b"<":
        raise InputError(path, "is a web page: the download went wrong")
    else:
        raise InputError(path, "is no file of torch.save or safetensors")
    for name, array in state.arrays.items():
        if len(name) > _MAX_NAME:
            raise InputError(path, f"has an entry with a name of {len(name)} letters")
        # Weights are used in float32, so that larger numbers are refused as well.
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32, copy=False)).all()
        if not finite:
            raise InputError(path, f"{quoted(name)} holds values that are not finite")
    return state


def is_state_dict(path: str | os.PathLike) -> bool:
    """Returns whether an existing file is one of `torch.save` or of safetensors.

    Raises:
      InputError: the file cannot be read.
    """
    start = _first_bytes(Path(path))
    if start.startswith(_ZIP_START):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
            return False
        return any(name.endswith("data.pkl") for name in names)
    return start.startswith(LEGACY_START) or start[8:9] == b"{"


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(64)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            arrays = {}
            for name in file.keys():  # noqa: SIM118  it is no dictionary
                kind = file.get_slice(name).get_dtype()
                if kind not in _SAFE_DTYPES:
                    raise InputError(path, f"{quoted(name)} is of type {kind}")
                array = file.get_tensor(name)
                wide = np.float32 if kind == "BF16" else array.dtype
                arrays[name] = array.astype(wide, copy=False)
            return arrays
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(path, f"is a damaged safetensors file: {error}") from error
