"""Describes tensors in PyTorch's pickles, which are views of storages outside them.

A checkpoint of PyTorch-Lightning names classes of the code that trained it. None is
imported. The names that build a tensor are in `torch_table`; every other name becomes
a `Placeholder`, and so does whatever the file builds by calling it, at any depth. That
is safe because a placeholder holds its name and nothing else: no code that the file
chooses is run, no attribute is looked up, and everything the file gives it is dropped.
The other contents of the pickle could only matter if a value were read from them, and
values are read from the state dict alone: `state_dict_of` accepts tensors there and
refuses, by name, whatever else can be reached from it. The sizes of a tensor are
checked when it becomes an array, so that a wrong size takes no memory before.
"""

import dataclasses
import math
from collections.abc import Callable

import ml_dtypes
import numpy as np

from prohmr_jax.files.pickles.machine import (
    Construct,
    Global,
    Inert,
    Placeholder,
    Refused,
    quoted,
)

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_UNTYPED = ("torch.UntypedStorage", "torch.storage.UntypedStorage")
STORAGE_DTYPES: dict[str, np.dtype] = {
    **dict.fromkeys(_UNTYPED, np.dtype(np.uint8)),
    **{f"torch.{kind}Storage": np.dtype(name) for kind, name in (
        ("Double", "f8"), ("Float", "f4"), ("Half", "f2"), ("BFloat16", _BFLOAT16),
        ("Long", "i8"), ("Int", "i4"), ("Short", "i2"), ("Char", "i1"),
        ("Byte", "u1"), ("Bool", "?"),
        # These are never weights; their sizes are needed to skip them.
        ("ComplexDouble", "c16"), ("ComplexFloat", "c8"),
        ("QInt32", "i4"), ("QInt8", "i1"), ("QUInt8", "u1"),
    )},
}  # fmt: skip
"""Type of the entries by the name of a storage's class; untyped ones hold bytes."""

# Types by the names that a tensor in an untyped storage gives them.
_DTYPES = {
    "torch.bfloat16": _BFLOAT16,
    **{f"torch.{name}": np.dtype(name) for name in (
        "float64", "float32", "float16", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8", "bool",
    )},
}  # fmt: skip
# Entries of a checkpoint that hold the state dict: those of PyTorch-Lightning and MMCV,
# SPIN and many others, ROMP, VIBE.
_STATE_KEYS = ("state_dict", "model", "model_state_dict", "gen_state_dict")
_MAX_AXES = 8
_MAX_SIZE = 1 << 40
_SEQUENCES = (list, tuple, set, frozenset)
_HOLDERS = (*_SEQUENCES, dict, Inert)


@dataclasses.dataclass(frozen=True)
class Storage:
    """Describes a flat sequence of numbers that lies outside the pickle."""

    key: str
    """Name of the storage in the file."""
    kind: str
    """Name of the storage's class, a key of `STORAGE_DTYPES`."""
    count: int
    """Number of entries."""

    @property
    def num_bytes(self) -> int:
        """Returns the number of bytes that the storage takes in the file."""
        return self.count * STORAGE_DTYPES[self.kind].itemsize


@dataclasses.dataclass(frozen=True)
class Layout:
    """Describes the part of a storage that a tensor views, after checking it."""

    storage: Storage
    dtype: np.dtype
    """Type of the tensor's entries."""
    offset: int
    """Position of the first entry in the storage, in entries."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Steps along each axis, in entries."""

    @property
    def num_bytes(self) -> int:
        """Returns the number of bytes that the array will take in memory."""
        return math.prod(self.shape) * max(self.dtype.itemsize, 4)

    def to_numpy(self, raw: bytes, big_endian: bool = False) -> np.ndarray:
        """Returns the array in the tensor's type, or in float32 for bfloat16.

        Args:
          raw: the whole content of the storage, `storage.num_bytes` bytes.
          big_endian: whether the content is big-endian.
        """
        size = self.dtype.itemsize
        flat = np.empty(0, self.dtype)
        if raw:
            flat = np.frombuffer(raw, self.dtype, len(raw) // size)
        view = np.lib.stride_tricks.as_strided(
            # In a file the byte of a bool may have any value; NumPy needs 0 or 1.
            (flat.view(np.uint8) if self.dtype == bool else flat)[self.offset :],
            self.shape,
            [stride * size for stride in self.strides],
            writeable=False,
        )
        if big_endian:
            view = view.byteswap()
        if self.dtype == _BFLOAT16:
            return view.astype(np.float32, order="C")
        return np.asarray(view != 0 if self.dtype == bool else view, order="C")


class PickledTensor(Inert):
    """Holds a tensor as the file describes it; a parameter becomes its tensor."""

    def __init__(self, storage, offset, shape, strides, *extras, dtype=None):
        """Keeps the unchecked arguments that torch's own function would get.

        Args:
          storage: the storage, if the file is sound.
          offset: position of the first entry in the storage.
          shape: sizes of the axes.
          strides: steps along the axes, in entries.
          *extras: further arguments, which are kept to be searched for foreign names.
          dtype: name of the type of the entries, for an untyped storage.
        """
        self.storage = storage
        self.sizes = ((offset,), shape, strides)
        self.dtype = dtype
        self.extras = extras

    def layout(self) -> Layout:
        """Returns the checked position of the tensor in its storage.

        Raises:
          Refused: the tensor does not lie within its storage; the message continues
            the name of the tensor.
        """
        if not isinstance(self.storage, Storage):
            raise Refused("has no storage")
        if not all(map(_are_sizes, self.sizes)):
            raise Refused("has no shape that a tensor can have")
        (offset,), shape, strides = self.sizes
        if len(shape) != len(strides):
            raise Refused(f"has {len(shape)} axes but {len(strides)} strides")
        dtype = STORAGE_DTYPES[self.storage.kind]
        if self.storage.kind in _UNTYPED:
            dtype = _DTYPES.get(getattr(self.dtype, "name", None))
        if dtype is None or dtype.kind == "c" or ".Q" in self.storage.kind:
            raise Refused("has values of a type that weights never have")
        end = offset + 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if 0 in shape:
            offset, strides = 0, (0,) * len(shape)
        elif end * dtype.itemsize > self.storage.num_bytes:
            raise Refused(f"of shape {list(shape)} lies outside its storage")
        return Layout(self.storage, dtype, offset, shape, strides)


def _are_sizes(sizes: object) -> bool:
    return (
        isinstance(sizes, tuple)
        and len(sizes) <= _MAX_AXES
        and all(type(n) is int and 0 <= n < _MAX_SIZE for n in sizes)
    )


def storage_of(identity: object) -> Storage | Placeholder:
    """Returns the storage that a persistent id stands for, or else a placeholder."""
    match identity:
        # The last entry is None since PyTorch 0.4; before, it could name a part of the
        # storage.
        case ("storage", Global(name=kind), str(key), str(), int(count), *part):
            known = kind in STORAGE_DTYPES and part in ([], [None])
            if known and type(count) is int and 0 <= count < _MAX_SIZE:
                return Storage(key, kind, count)
        case ("storage", Placeholder(name=kind), *_):
            return Placeholder(kind)
    return Placeholder("persistent id")


def torch_table(unknown: Callable[[str], Placeholder]) -> dict[str, Construct | None]:
    """Returns the table of names for the pickle of a checkpoint, for `unpickle`.

    Args:
      unknown: function that returns the placeholder for a name outside the table.
    """
    return {
        **dict.fromkeys([*STORAGE_DTYPES, *_DTYPES]),
        "torch._utils._rebuild_tensor": PickledTensor,
        "torch._utils._rebuild_tensor_v2": PickledTensor,
        "torch._utils._rebuild_tensor_v3": _rebuild_with_dtype,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
        "torch.nn.parameter.Parameter": _rebuild_parameter,
        "builtins.object": lambda *_: Placeholder("builtins.object"),
        "__builtin__.object": lambda *_: Placeholder("builtins.object"),
        "*": unknown,
    }


def _rebuild_with_dtype(storage, offset, shape, strides, grad, hooks, dtype, *more):
    return PickledTensor(
        storage, offset, shape, strides, grad, hooks, *more, dtype=dtype
    )


def _rebuild_parameter(data: object, *extras: object) -> object:
    if isinstance(data, PickledTensor):
        data.extras = (data.extras, extras)
    return data


def state_dict_of(value: object) -> dict[str, PickledTensor]:
    """Returns the state dict of a checkpoint.

    Args:
      value: the unpickled checkpoint, either a dictionary with the entry "state_dict"
        (or another that is in use for it), or the state dict itself.

    Raises:
      Refused: there is no state dict, or it holds anything but tensors.
    """
    state = value
    if isinstance(value, dict):
        kinds = (dict, Placeholder)
        keys = [key for key in _STATE_KEYS if isinstance(value.get(key), kinds)]
        state = value[keys[0]] if keys else value.get("state_dict", value)
    if isinstance(state, Placeholder):
        raise Refused(f"holds {quoted(state.name)} where a state dict should be")
    if not isinstance(state, dict) or not state:
        raise Refused("holds no state dict")
    seen: set[int] = {id(state)}
    for name, entry in state.items():
        if not isinstance(name, str):
            raise Refused(f"has a state dict with a {type(name).__name__} as a name")
        if foreign := _foreign_name(entry, seen):
            kind = f"that calls or holds {quoted(foreign)}"
            raise Refused(f"has an entry {quoted(name)} {kind}")
        if not isinstance(entry, PickledTensor):
            kind = type(entry).__name__
            raise Refused(f"has an entry {quoted(name)} that is a {kind}, no tensor")
    # torch stores the versions of modules as an attribute of the state dict.
    if foreign := _foreign_name(getattr(state, "state", None), seen):
        raise Refused(f"has a state dict that calls or holds {quoted(foreign)}")
    return state


def _foreign_name(value: object, seen: set[int]) -> str | None:
    """Returns the name of a placeholder that can be reached from a value, or None."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Placeholder):
            return value.name
        if isinstance(value, _HOLDERS) and id(value) not in seen:
            seen.add(id(value))
            inside = [*value, *value.values()] if isinstance(value, dict) else ()
            inside = value if isinstance(value, _SEQUENCES) else inside
            waiting += inside
            waiting += vars(value).values() if isinstance(value, Inert) else ()
    return None
