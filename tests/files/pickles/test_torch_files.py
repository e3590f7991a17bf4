"""Files of torch and of safetensors give the arrays that were saved."""

import argparse
import collections
import datetime
import pathlib

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from prohmr_jax.errors import InputError
from prohmr_jax.files.state_dicts import read_state_dict
from tests.support.files_torch import (
    DTYPES,
    OLD_PARAMETER,
    REBUILD,
    STORAGES,
    UNTYPED,
    WRITERS,
    Call,
    Stored,
    like_lightning,
    named,
    tensor,
    write_legacy,
    write_zip,
)


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype, name
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
        assert arrays[name].flags.c_contiguous


BASE = np.arange(24, dtype=np.float32)
BRAIN = np.array([1.5, -2, 3e38], ml_dtypes.bfloat16)


def views():
    """Name -> what is saved, and the array that it is."""
    shared = Stored(BASE)
    words = Stored(np.frombuffer(b"\x01\x00\x02\x00\xff\xff\x00", np.uint8), UNTYPED)
    return {
        "whole": (tensor(BASE.reshape(4, 6), storage=shared), BASE.reshape(4, 6)),
        "transposed": (
            tensor(BASE, storage=shared, shape=(6, 4), strides=(1, 6)),
            BASE.reshape(4, 6).T,
        ),
        "middle": (
            tensor(BASE, storage=shared, offset=7, shape=(2, 3), strides=(6, 2)),
            BASE.reshape(4, 6)[1:3, 1:6:2],
        ),
        "expanded": (
            tensor(BASE, storage=shared, offset=3, shape=(5, 2), strides=(0, 1)),
            np.tile(BASE[3:5], (5, 1)),
        ),
        "one number": (tensor(BASE, storage=shared, offset=9, shape=()), BASE[9]),
        "empty": (tensor(np.zeros((0, 3), np.float16)), np.zeros((0, 3), np.float16)),
        "empty view": (
            tensor(BASE, storage=shared, offset=24, shape=(3, 0)),
            np.zeros((3, 0), np.float32),
        ),
        "bfloat16": (tensor(BRAIN), BRAIN.astype(np.float32)),
        "parameter": (
            Call(REBUILD["parameter"], tensor(BASE), True, collections.OrderedDict()),
            BASE,
        ),
        "parameter before 0.4": (
            Call(
                OLD_PARAMETER,
                Call(REBUILD["tensor"], shared, 0, (24,), (1,)),
                state=(True, False, collections.OrderedDict()),
            ),
            BASE,
        ),
        "untyped": (
            Call(
                REBUILD["tensor_v3"],
                words, 1, (2,), (1,), False, collections.OrderedDict(),
                DTYPES["uint16"],
            ),
            np.array([2, 65535], np.uint16),
        ),
        **{
            str(dtype): (tensor(np.ones(3, dtype)), np.ones(3, dtype))
            for dtype in STORAGES
            if dtype.kind in "fiub" and dtype != ml_dtypes.bfloat16
        },
    }  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("inside", [False, True])
def test_every_kind_of_tensor(writer, inside, tmp_path):
    state = collections.OrderedDict(
        (name, value) for name, (value, _) in views().items()
    )
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    WRITERS[writer](tmp_path / "a.pt", like_lightning(state) if inside else state)
    state = read_state_dict(tmp_path / "a.pt")
    assert_same(state.arrays, {name: array for name, (_, array) in views().items()})
    names = ("ModelCheckpoint", "CfgNode")
    assert len(state.unknown) == (2 if inside else 0)
    assert all(name.endswith(names) for name in state.unknown)


def test_bytes_of_bools_are_true_or_false(tmp_path):
    odd = Stored(np.array([0, 1, 2, 255], np.uint8), STORAGES[np.dtype(bool)])
    write_zip(tmp_path / "a.pt", {"b": tensor(odd.flat, storage=odd)})
    flags = read_state_dict(tmp_path / "a.pt").arrays["b"]
    assert flags.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_big_endian_archives(tmp_path):
    state = {
        name: value
        for name, (value, _) in views().items()
        if name not in ("untyped",)
    }  # fmt: skip
    write_zip(tmp_path / "a.pt", state, order="big")
    expected = {name: array for name, (_, array) in views().items() if name in state}
    assert_same(read_state_dict(tmp_path / "a.pt").arrays, expected)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("root", ["archive", "last epoch", "epoch=3-step=12"])
def test_names_of_archives_and_protocols(protocol, root, tmp_path):
    write_zip(tmp_path / "a.pt", {"w": tensor(BASE)}, root=root, protocol=protocol)
    assert_same(read_state_dict(tmp_path / "a.pt").arrays, {"w": BASE})


def test_archives_before_the_byte_order_was_written(tmp_path):
    write_zip(tmp_path / "a.pt", {"w": tensor(BASE)}, extra=[("byteorder", None)])
    assert_same(read_state_dict(tmp_path / "a.pt").arrays, {"w": BASE})


def test_storages_outside_the_state_dict_are_not_read(tmp_path):
    """An optimiser's storage may be missing altogether, or of no type of ours."""
    state = {"w": tensor(BASE)}
    odd = Stored(np.zeros(3, np.complex64))
    moments = [tensor(BASE, offset=999), tensor(odd.flat, storage=odd)]
    checkpoint = {"state_dict": state, "optimizer_states": moments}
    write_zip(tmp_path / "a.pt", checkpoint, extra=[("data/1", None)])
    assert_same(read_state_dict(tmp_path / "a.pt").arrays, {"w": BASE})
    write_legacy(tmp_path / "b.pt", checkpoint)  # here they are passed over
    assert_same(read_state_dict(tmp_path / "b.pt").arrays, {"w": BASE})


def test_safetensors(tmp_path):
    saved = {
        "b": np.array([True, False]), "h": np.ones((2, 3), np.float16),
        "i": np.array(5), "n": np.zeros((0, 2), np.float32), "bf": BRAIN,
    }  # fmt: skip
    safetensors.numpy.save_file(saved, tmp_path / "a.safetensors")
    state = read_state_dict(tmp_path / "a.safetensors")
    saved["bf"] = BRAIN.astype(np.float32)
    assert_same(state.arrays, {name: saved[name] for name in state.arrays})
    assert set(state.arrays) == set(saved)
    safetensors.numpy.save_file({"c": np.ones(2, np.complex64)}, tmp_path / "c")
    with pytest.raises(InputError, match="'c' is of type C64"):
        read_state_dict(tmp_path / "c")


class Callback:
    """What a training script leaves in a checkpoint; it is not importable from here."""

    best = 0.5


def written_by_torch(torch):
    base = torch.arange(24.0).reshape(4, 6)
    state = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)
    ).state_dict()
    state.update(
        base=base,
        transposed=base.t(),
        part=base[1:3, 1::2],
        expanded=base[:1, :2].expand(5, 2),
        half=base.half(),
        brain=base.bfloat16(),
        double=base.double(),
        flags=base > 3,
        bytes=base.to(torch.uint8),
        words=base.to(torch.uint16),
        count=torch.tensor(5),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(base),
        with_attributes=torch.nn.Parameter(base),
    )
    state["with_attributes"].note = "of a user"
    optimizer = torch.optim.Adam([torch.nn.Parameter(base.clone())])
    optimizer.param_groups[0]["params"][0].grad = base
    optimizer.step()
    return {
        "state_dict": state,
        "optimizer_states": [optimizer.state_dict()],
        "callbacks": {Callback: {"object": Callback(), "path": pathlib.Path("a/b")}},
        "hyper_parameters": argparse.Namespace(
            lr=1e-4, when=datetime.datetime(2021, 8, 1), scalar=np.float64(2.5),
            counts=collections.defaultdict(list, a=[1]), array=np.arange(3),
            complex=1 + 2j, bytes=b"ab", dtype=torch.float32, device=base.device,
            shape=torch.Size([1, 2]), sparse=torch.eye(3).to_sparse(), odd={Callback()},
            counter=collections.Counter("aab"), queue=collections.deque([1]),
        ),
    }  # fmt: skip


@pytest.mark.parametrize(("zipped", "protocol"), [(True, 2), (True, 4), (False, 2)])
def test_what_torch_itself_writes(zipped, protocol, tmp_path):
    torch = pytest.importorskip("torch")
    checkpoint = written_by_torch(torch)
    torch.save(
        checkpoint, tmp_path / "a.pt", pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )  # fmt: skip
    state = read_state_dict(tmp_path / "a.pt")
    expected = {
        name: (value.float() if value.dtype == torch.bfloat16 else value)
        .detach()
        .numpy()
        for name, value in checkpoint["state_dict"].items()
    }
    assert_same(state.arrays, expected)
    assert {"argparse.Namespace", f"{__name__}.Callback"} <= set(state.unknown)


def test_a_whole_module_is_no_state_dict(tmp_path):
    write_zip(tmp_path / "a.pt", Call(named("torchvision.models", "ResNet")))
    with pytest.raises(InputError, match=r"'torchvision.models.ResNet' where a state"):
        read_state_dict(tmp_path / "a.pt")


OTHER_FILES = {
    "nothing": (b"", "is no file of torch.save or safetensors"),
    "html": (b"<!DOCTYPE html><html>", "is a web page: the download went wrong"),
    "another archive": (b"PK\x03\x04" + bytes(60), "is damaged or cut short"),
    "pickle": (b"\x80\x02}q\x00.", "is no file of torch.save or safetensors"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files(name, tmp_path):
    data, words = OTHER_FILES[name]
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(InputError, match=f"a.pt: {words}"):
        read_state_dict(tmp_path / "a.pt")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_state_dict(tmp_path / "b.pt")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_state_dict(tmp_path)


def test_an_archive_of_numpy(tmp_path):
    np.savez(tmp_path / "a.npz", a=BASE)
    with pytest.raises(InputError, match="zip archive without data.pkl"):
        read_state_dict(tmp_path / "a.npz")
