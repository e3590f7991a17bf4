"""Writes files as `torch.save` does, in both of its forms, without torch.

Nothing here is a test; the tests of the reader and of the conversion share it.
"""

import collections
import io
import pickle
import zipfile

import ml_dtypes
import numpy as np

from tests.support.files_pickling import Pickler


def named(module: str, name: str, **members) -> type:
    """A class that pickles under a name of our choice."""
    return type("Named", (), {"pickled_as": (module, name), **members})


STORAGES = {
    np.dtype(dtype): named("torch", f"{kind}Storage")
    for dtype, kind in {
        "f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int",
        "i2": "Short", "i1": "Char", "u1": "Byte", "?": "Bool", "c8": "ComplexFloat",
        ml_dtypes.bfloat16: "BFloat16",
    }.items()
}  # fmt: skip
UNTYPED = named("torch.storage", "UntypedStorage")
DTYPES = {name: named("torch", name) for name in ("uint16", "uint32", "float32")}
REBUILD = {
    name: named("torch._utils", f"_rebuild_{name}")
    for name in ("tensor", "tensor_v2", "tensor_v3", "parameter")
}
OLD_PARAMETER = named("torch.nn.parameter", "Parameter")
SYSTEM = named("posix", "system")


class Call:
    """Pickles as a call, with a state if there is one."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args, *(() if state is None else (state,)))

    def __reduce__(self):
        return self.reduced


class Stored:
    """A storage: a flat array, or bytes, under a key; `lie` changes what is said."""

    def __init__(self, flat: np.ndarray, kind: type | None = None, **lie):
        self.flat = np.asarray(flat)
        self.kind = kind or STORAGES[self.flat.dtype]
        self.lie = lie


def tensor(array, *, storage=None, offset=0, strides=None, shape=None, hooks=None):
    """A tensor of its own storage, or a view in another."""
    array = np.asarray(array)
    storage = storage or Stored(array.ravel())
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = tuple(np.cumprod([1, *shape[:0:-1]])[::-1].tolist()) if shape else ()
    hooks = collections.OrderedDict() if hooks is None else hooks
    return Call(
        REBUILD["tensor_v2"], storage, offset, tuple(shape), strides, False, hooks
    )


class TorchPickler(Pickler):
    """Puts storages apart, under keys counted from zero."""

    def __init__(self, stream, protocol, legacy):
        super().__init__(stream, protocol)
        self.legacy = legacy
        self.stored: dict[str, Stored] = {}
        self.keys: dict[int, str] = {}

    def persistent_id(self, obj):
        if not isinstance(obj, Stored):
            return None
        key = self.keys.setdefault(id(obj), str(len(self.keys)))
        self.stored[key] = obj
        said = {"kind": obj.kind, "key": key, "count": obj.flat.size, **obj.lie}
        identity = ("storage", said["kind"], said["key"], "cuda:0", said["count"])
        return (*identity, said.get("part")) if self.legacy else identity


def torch_pickle(value, legacy=False, protocol=2) -> tuple[bytes, dict[str, Stored]]:
    stream = io.BytesIO()
    pickler = TorchPickler(stream, protocol, legacy)
    pickler.dump(value)
    return stream.getvalue(), pickler.stored


def write_zip(path, value, *, root="archive", order="little", protocol=2, extra=()):
    """Writes the form of today; `extra` are members, and a name of None drops one."""
    data, stored = torch_pickle(value, protocol=protocol)
    members = {"data.pkl": data, "byteorder": order.encode(), "version": b"3\n"}
    members |= {f"data/{key}": _content(s, order) for key, s in stored.items()}
    members |= dict(extra)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(f"{root}/{name}", content)


def _content(stored: Stored, order: str):
    swapped = stored.flat.byteswap() if order == "big" else stored.flat
    return memoryview(np.ascontiguousarray(swapped).view(np.uint8)) if (
        stored.flat.size) else b""  # fmt: skip


def write_legacy(path, value):
    """Writes the form before torch 1.6."""
    data, stored = torch_pickle(value, legacy=True)
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    heads = [0x1950A86A20F9469CFC6C, 1001, facts]
    with open(path, "wb") as stream:
        for head in heads:
            pickle.dump(head, stream, 2)
        stream.write(data)
        pickle.dump(sorted(stored), stream, 2)
        for key in sorted(stored):
            count = stored[key].flat.size
            stream.write(count.to_bytes(8, "little"))
            stream.write(_content(stored[key], "little"))


WRITERS = {"zip": write_zip, "legacy": write_legacy}


def like_lightning(state: dict) -> dict:
    """A checkpoint with what PyTorch-Lightning puts around a state dict."""
    callback = named("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    config = type("CfgNode", (dict,), {"pickled_as": ("yacs.config", "CfgNode")})()
    config["LR"], config._immutable = 1e-4, True
    moments = tensor(np.zeros(7, np.float32))
    return {
        "epoch": 44,
        "global_step": 550_000,
        "pytorch-lightning_version": "1.1.8",
        "state_dict": state,
        "callbacks": {callback: {"best_model_score": moments, "monitor": None}},
        "optimizer_states": [{"state": {0: {"exp_avg": moments}}, "param_groups": []}],
        "lr_schedulers": [],
        "hparams_name": "cfg",
        "hyper_parameters": {"cfg": config},
    }
