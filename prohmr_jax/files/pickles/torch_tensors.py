"""What torch writes into pickles: tensors as views of storages that stand elsewhere.

A checkpoint of PyTorch-Lightning names classes of whatever was around in training.
None is imported. The names that make a tensor are in `torch_table`; any other becomes
a `Placeholder`, and so does what the file makes by calling it, at any depth. That is
safe because a placeholder holds its name and nothing else: no code of the file's
choice runs, no attribute is looked up, and what it is given is dropped. What the
pickle asks for can therefore only matter where a value is read again, and values are
read from the state dict alone. `state_dict_of` accepts tensors there and refuses, by
name, whatever else can be reached from it. Tensors are checked when they are made
arrays; until then a lie about sizes costs nothing.
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
        # Never in weights, but their sizes tell how to pass over them.
        ("ComplexDouble", "c16"), ("ComplexFloat", "c8"),
        ("QInt32", "i4"), ("QInt8", "i1"), ("QUInt8", "u1"),
    )},
}  # fmt: skip
"""Name of a storage's class -> what it holds; an untyped one holds bytes."""

# What a tensor in an untyped storage says of its entries.
_DTYPES = {
    "torch.bfloat16": _BFLOAT16,
    **{f"torch.{name}": np.dtype(name) for name in (
        "float64", "float32", "float16", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8", "bool",
    )},
}  # fmt: skip
_MAX_AXES = 8
_MAX_SIZE = 1 << 40
_SEQUENCES = (list, tuple, set, frozenset)
_HOLDERS = (*_SEQUENCES, dict, Inert)


@dataclasses.dataclass(frozen=True)
class Storage:
    """A flat run of numbers that stands outside the pickle."""

    key: str
    kind: str
    """Name of its class, a key of `STORAGE_DTYPES`."""
    count: int
    """Number of entries."""

    @property
    def num_bytes(self) -> int:
        """What it must take in the file."""
        return self.count * STORAGE_DTYPES[self.kind].itemsize


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a tensor lies in its storage, all possible; in entries of its type."""

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """What the array will take."""
        return math.prod(self.shape) * max(self.dtype.itemsize, 4)

    def to_numpy(self, raw: bytes, big_endian: bool = False) -> np.ndarray:
        """Returns the array, of the tensor's type, but bfloat16 as float32.

        Args:
          raw: the whole content of the storage, as long as it says.
          big_endian: byte order of the content.
        """
        size = self.dtype.itemsize
        flat = np.empty(0, self.dtype)
        if raw:
            flat = np.frombuffer(raw, self.dtype, len(raw) // size)
        view = np.lib.stride_tricks.as_strided(
            # A byte of a bool may be anything in a file, but not in an array.
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
    """A tensor as the file describes it; a parameter is the tensor that it holds."""

    def __init__(self, storage, offset, shape, strides, *extras, dtype=None):
        """Keeps what torch's own function would get; `extras` mean nothing here."""
        self.storage = storage
        self.sizes = ((offset,), shape, strides)
        self.dtype = dtype
        self.extras = extras

    def layout(self) -> Layout:
        """Returns where it lies.

        Raises:
          Refused: not within its storage; the message goes after the tensor's name.
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
    """Returns what a persistent id stands for; if no storage, a placeholder."""
    match identity:
        # The last entry is None but in files of torch before 0.4: parts of storages.
        case ("storage", Global(name=kind), str(key), str(), int(count), *part):
            known = kind in STORAGE_DTYPES and part in ([], [None])
            if known and type(count) is int and 0 <= count < _MAX_SIZE:
                return Storage(key, kind, count)
        case ("storage", Placeholder(name=kind), *_):
            return Placeholder(kind)
    return Placeholder("persistent id")


def torch_table(unknown: Callable[[str], Placeholder]) -> dict[str, Construct | None]:
    """Returns the names that a checkpoint may use.

    Args:
      unknown: gets each name that is not among them.
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
    """Returns the state dict of a checkpoint: under that name, or the whole value.

    Raises:
      Refused: there is none, or it holds anything but tensors.
    """
    state = value.get("state_dict", value) if isinstance(value, dict) else value
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
    # Its attributes: torch keeps versions of modules there.
    if foreign := _foreign_name(getattr(state, "state", None), seen):
        raise Refused(f"has a state dict that calls or holds {quoted(foreign)}")
    return state


def _foreign_name(value: object, seen: set[int]) -> str | None:
    """Returns the name of a placeholder that can be reached, looking once at each."""
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
