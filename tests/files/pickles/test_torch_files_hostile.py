"""Hostile and damaged checkpoints: one line says what is wrong, and nothing runs."""

import collections
import io
import pickle
import random
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.state_dicts import read_state_dict
from tests.support.files_pickling import pushed, run_python
from tests.support.files_torch import (
    REBUILD,
    STORAGES,
    SYSTEM,
    UNTYPED,
    WRITERS,
    Call,
    Stored,
    like_lightning,
    named,
    tensor,
    torch_pickle,
    write_legacy,
    write_zip,
)

ONES = np.ones(6, np.float32)


def refused(path, words):
    """Checks that a file is refused in one line with these words."""
    with pytest.raises(InputError, match=words) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def hostile(command: str) -> dict[str, object]:
    """Ways to run a command, each as a value to put into a checkpoint."""
    system = Call(SYSTEM, command)
    text = f"__import__('os').system('{command}')"
    module = Call(named("builtins", "__import__"), "os")
    return {
        "call": system,
        "eval": Call(named("builtins", "eval"), text),
        "attribute of a module": Call(named("builtins", "getattr"), module, "system"),
        "state": Call(named("collections", "Counter"), state={"a": system}),
        "in a list": [1, (system,)],
        "as a name": named("os", "system"),
    }


def built(storage, shape=(6,), **state):
    """A tensor of any parts."""
    args = (storage, 0, shape, (1,), False, {})
    return Call(REBUILD["tensor_v2"], *args, **state)


CALLS = "an entry 'w' that calls or holds"
PLACES = {
    "entry": (lambda evil: {"w": evil}, "an entry 'w' that"),
    "name": (lambda evil: {evil: tensor(ONES)}, "as a name"),
    "storage": (lambda evil: {"w": built(evil)}, CALLS),
    "shape": (lambda evil: {"w": built(Stored(ONES), (evil,))}, CALLS),
    "hooks": (lambda evil: {"w": tensor(ONES, hooks={0: evil})}, CALLS),
    "hooks of a parameter": (
        lambda evil: {"w": Call(REBUILD["parameter"], tensor(ONES), True, {0: evil})},
        CALLS,
    ),
    "state of a tensor": (
        lambda evil: {"w": built(Stored(ONES), state={"a": evil})},
        CALLS,
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", PLACES)
def test_a_call_inside_the_state_dict_is_refused_by_name(place, writer, tmp_path):
    put, words = PLACES[place]
    canary, path = tmp_path / "canary", tmp_path / "a.pt"
    for name, evil in hostile(f"touch {canary}").items():
        if place == "name" and name == "in a list":
            continue
        WRITERS[writer](path, {"state_dict": put(evil), "epoch": 1})
        modules = set(sys.modules)
        refused(path, words)
        if place != "name" and name == "call":
            refused(path, "posix.system")
        assert set(sys.modules) - modules <= {"encodings.cp437"}  # of zipfile
    assert not canary.exists()


def test_a_call_in_the_attributes_of_the_state_dict_is_refused(tmp_path):
    state = collections.OrderedDict(w=tensor(ONES))
    state._metadata = {"": {"version": Call(SYSTEM, f"touch {tmp_path / 'canary'}")}}
    write_zip(tmp_path / "a.pt", {"state_dict": state})
    refused(tmp_path / "a.pt", "state dict that calls or holds 'posix.system'")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_call_outside_of_it_is_not_made(writer, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "a.pt"
    evil = hostile(f"touch {canary}")
    state = {"w": tensor(ONES)}
    WRITERS[writer](path, {"a": evil, "state_dict": state, "b": list(evil.values())})
    modules = set(sys.modules)
    state = read_state_dict(path)
    assert state.arrays["w"].tolist() == [1] * 6
    assert {"posix.system", "builtins.eval", "builtins.getattr"} <= set(state.unknown)
    assert not canary.exists()
    assert set(sys.modules) - modules <= {"encodings.cp437"}


def test_the_calls_are_alive(tmp_path):
    """Without this, payloads that are merely broken would pass the tests above."""
    script = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    for name in ("call", "eval"):
        canary = tmp_path / f"canary of {name}".replace(" ", "_")
        data, _ = torch_pickle({"w": hostile(f"touch {canary}")[name]})
        (tmp_path / "a.pkl").write_bytes(data)
        run_python(script, str(tmp_path / "a.pkl"))
        assert canary.exists(), name


def raw_state(entry: bytes) -> bytes:
    """A pickle {"w": entry}, by hand."""
    return b"\x80\x02}" + pushed("w") + entry + b"s."


def with_pickle(path, data: bytes):
    write_zip(path, {}, extra=[("data.pkl", data), ("data/0", bytes(24))])


FLOAT = b"ctorch\nFloatStorage\n"
REBUILD_V2 = b"ctorch._utils\n_rebuild_tensor_v2\n"
IDENTITY = b"(" + pushed("storage") + FLOAT + pushed("0") + pushed("cpu") + b"K\x06t"
REST = b"K\x00K\x06\x85K\x01\x85\x89}tR"


def test_the_pickle_by_hand_is_honest(tmp_path):
    with_pickle(
        tmp_path / "a.pt", raw_state(REBUILD_V2 + b"(" + IDENTITY + b"Q" + REST)
    )
    assert read_state_dict(tmp_path / "a.pt").arrays["w"].tolist() == [0] * 6


NAMES_OF_PICKLES = {
    "call of a storage's class": (FLOAT + b")R", "it calls 'torch.FloatStorage'"),
    "state for a storage": (IDENTITY + b"Q}b", "sets attributes of a Storage"),
    "state for a name": (FLOAT + b"}b", "sets attributes of a Global"),
    "items of a tensor": (
        REBUILD_V2 + b"(" + IDENTITY + b"Q" + REST + b"K\x01K\x02s",
        "sets items of a PickledTensor",
    ),
    "too few arguments": (REBUILD_V2 + b")R", "what that cannot take"),
    "a persistent id in another": (
        REBUILD_V2 + b"((" + pushed("storage") + FLOAT + IDENTITY + b"Q" + pushed("cpu")
        + b"K\x06tQ" + REST,
        "calls or holds 'persistent id'",
    ),
    "a persistent id that is no tuple": (
        REBUILD_V2 + b"(K\x01Q" + REST, "calls or holds 'persistent id'",
    ),
    "a type that torch lacks": (
        REBUILD_V2 + b"(" + IDENTITY.replace(b"Float", b"Quarter") + b"Q" + REST,
        "calls or holds 'torch.QuarterStorage'",
    ),
    "a storage in two ways": (
        b"(" + IDENTITY + b"Q" + IDENTITY.replace(b"K\x06", b"K\x05") + b"Qt",
        "describes storage '0' in two ways",
    ),
    "a part of a storage": (
        REBUILD_V2 + b"(" + IDENTITY[:-1] + b"(K\x01K\x01K\x01ttQ" + REST,
        "calls or holds 'persistent id'",
    ),
    "a negative count": (
        REBUILD_V2 + b"(" + IDENTITY[:-3] + b"J\xff\xff\xff\xfftQ" + REST,
        "calls or holds 'persistent id'",
    ),
    "buffers outside": (b"\x97", "buffers outside the file"),
    "text": (pushed("abc"), "an entry 'w' that is a str, no tensor"),
    "a number": (b"K\x01", "an entry 'w' that is a int, no tensor"),
    "a storage": (IDENTITY + b"Q", "an entry 'w' that is a Storage, no tensor"),
    "nothing": (b"0", "is a damaged pickle"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_PICKLES)
def test_pickles_by_hand(name, tmp_path):
    entry, words = NAMES_OF_PICKLES[name]
    with_pickle(tmp_path / "a.pt", raw_state(entry))
    refused(tmp_path / "a.pt", words)


LIES = {
    "outside": (lambda: tensor(ONES, offset=1), "'w' that of shape .6. lies outside"),
    "far outside": (lambda: tensor(ONES, offset=2**39), "lies outside its storage"),
    "long strides": (lambda: tensor(ONES, strides=(2,)), "lies outside its storage"),
    "negative strides": (lambda: tensor(ONES, strides=(-1,)), "no shape that a tensor"),
    "negative offset": (lambda: tensor(ONES, offset=-1), "no shape that a tensor"),
    "negative shape": (lambda: tensor(ONES, shape=(-6,)), "no shape that a tensor"),
    "a shape of text": (lambda: tensor(ONES, shape="ab", strides=(1, 1)), "no shape"),
    "no integers": (lambda: tensor(ONES, shape=(6.0,), strides=(1,)), "no shape"),
    "flags": (lambda: tensor(ONES, shape=(True,), strides=(1,)), "no shape"),
    "nine axes": (lambda: tensor(ONES, shape=(1,) * 9), "no shape that a tensor"),
    "other axes": (lambda: tensor(ONES, strides=(1, 1)), "1 axes but 2 strides"),
    "a huge view of one number": (
        lambda: tensor(ONES, shape=(2**30, 2**30), strides=(0, 0)), "far larger",
    ),
    "a huge empty shape": (
        lambda: tensor(ONES, shape=(2**39, 2**39, 2**39, 0), strides=(0,) * 4),
        "is damaged or cut short",
    ),
    "a large count": (
        lambda: tensor(ONES, storage=Stored(ONES, count=2**39)), "of another size",
    ),
    "a small count": (
        lambda: tensor(ONES[:1], storage=Stored(ONES, count=1)), "of another size",
    ),
    "another type": (
        lambda: tensor(ONES, storage=Stored(ONES, STORAGES[np.dtype("f8")])),
        "of another size",
    ),
    "complex": (lambda: tensor(ONES.astype("c8")), "type that weights never have"),
    "bytes without a type": (
        lambda: tensor(ONES, storage=Stored(np.zeros(24, np.uint8), UNTYPED)),
        "type that weights never have",
    ),
    "another key": (
        lambda: tensor(ONES, storage=Stored(ONES, key="7")), "missing or of",
    ),
    "a key that climbs": (
        lambda: tensor(ONES, storage=Stored(ONES, key="../version")), "missing or of",
    ),
    "not a number": (lambda: tensor([1, np.nan]), "'w' holds values that are not fin"),
    "infinite": (lambda: tensor([np.inf, 0]), "'w' holds values that are not finite"),
    "too large for float32": (lambda: tensor([1e300]), "'w' holds values that are not"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_tensors_that_lie(name, tmp_path):
    make, words = LIES[name]
    write_zip(tmp_path / "a.pt", {"ok": tensor(ONES), "w": make()})
    refused(tmp_path / "a.pt", words)


LEGACY_LIES = {
    "a large count": (Stored(ONES, count=2**39), "cut short, or has a storage of"),
    "a small count": (Stored(ONES, count=1), "cut short, or has a storage of"),
    "another key": (Stored(ONES, key="7"), "has a storage '0' of unknown type"),
    "a part": (Stored(ONES, part=("1", 0, 2)), "calls or holds 'persistent id'"),
}


@pytest.mark.parametrize("name", LEGACY_LIES)
def test_old_files_that_lie(name, tmp_path):
    storage, words = LEGACY_LIES[name]
    write_legacy(tmp_path / "a.pt", {"w": tensor(ONES[:1], storage=storage)})
    refused(tmp_path / "a.pt", words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"epoch": 1}, "an entry 'epoch' that is a int"),
        ({"state_dict": 5}, "holds no state dict"),
        ({"state_dict": {}}, "holds no state dict"),
        ([1], "holds no state dict"),
        ({"state_dict": {1: tensor(ONES)}}, "with a int as a name"),
        ({"w" * 201: tensor(ONES)}, "an entry with a name of 201 letters"),
        ({"state_dict": named("yacs", "Node")}, "'yacs.Node' where a state dict"),
    ],
)
def test_values_without_a_state_dict(value, words, tmp_path):
    for write in WRITERS.values():
        write(tmp_path / "a.pt", value)
        refused(tmp_path / "a.pt", words)


MEMBERS = {
    "no pickle": ([("data.pkl", None)], "without data.pkl"),
    "two pickles": ([("../b/data.pkl", b"")], "outside of itself"),
    "a path that climbs": ([("../../x", b"")], "outside of itself"),
    "a path of another system": ([("..\\x", b"")], "outside of itself"),
    "no such byte order": ([("byteorder", b"middle")], "does not say its byte order"),
    "no storage": ([("data/0", None)], "missing or of another size"),
    "a short storage": ([("data/0", b"abc")], "missing or of another size"),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_archives_with_other_members(name, tmp_path):
    extra, words = MEMBERS[name]
    write_zip(tmp_path / "a.pt", {"w": tensor(ONES)}, extra=extra)
    refused(tmp_path / "a.pt", words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_multiply_themselves(tmp_path):
    path, zeros = tmp_path / "a.pt", np.zeros(1 << 22, np.float32)
    write_zip(path, {"w": tensor(ONES)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data/0", b"")
    refused(path, "two members 'archive/data/0'")
    # Packed: 16 MB of zeros in a few kB.
    data, _ = torch_pickle({"w": tensor(zeros)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", zeros.tobytes())
    refused(path, "compressed or encrypted")
    # A hundred names for the same bytes, by a directory that was written twice.
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(1 << 16))
        (_, info) = archive.infolist()
        for number in range(1, 100):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            for field in ("file_size", "compress_size", "CRC", "header_offset"):
                setattr(twin, field, getattr(info, field))
            archive.filelist.append(twin)
    refused(path, "claims to hold more than its own size")


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    """Claims of terabytes, in ways that add up, cost less than a megabyte."""
    path, shared = tmp_path / "a.pt", Stored(ONES)
    huge = {"shape": (2**12, 2**12), "strides": (0, 0), "storage": shared}
    write_zip(path, {f"w{i}": tensor(ONES, **huge) for i in range(1000)})
    tracemalloc.start()
    refused(path, "claims tensors far larger than itself")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_depth_and_cycles(tmp_path):
    circle = []
    circle.append(circle)
    write_zip(tmp_path / "a.pt", {"state_dict": {"w": circle}})
    refused(tmp_path / "a.pt", "is a list, no tensor")
    deep = b")" + b"\x85" * 300_000
    with_pickle(tmp_path / "a.pt", raw_state(deep))
    refused(tmp_path / "a.pt", "is a tuple, no tensor")
    whole = REBUILD_V2 + b"(" + IDENTITY + b"Q" + REST
    wraps = b"ctorch._utils\n_rebuild_parameter\nq\x000"
    wrapped = wraps + whole + b"q\x010" + b"h\x00h\x01\x85R0" * 100_000 + b"h\x01"
    with_pickle(tmp_path / "a.pt", raw_state(wrapped))
    assert list(read_state_dict(tmp_path / "a.pt").arrays) == ["w"]


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Form -> the bytes of an honest file of it."""
    path = tmp_path_factory.mktemp("honest") / "a.pt"
    contents = {}
    for name, write in WRITERS.items():
        state = collections.OrderedDict(
            a=tensor(ONES), b=tensor(np.arange(4)), c=tensor(np.array(True)),
            d=Call(REBUILD["parameter"], tensor(ONES.astype("f2")), True, {}),
        )  # fmt: skip
        write(path, like_lightning(state))
        read_state_dict(path)
        contents[name] = path.read_bytes()
    return contents


@pytest.mark.parametrize("form", WRITERS)
def test_cut_anywhere_it_is_an_input_error(form, honest, tmp_path):
    path, data = tmp_path / "a.pt", honest[form]
    for end in range(0, len(data) - 1, 3):
        path.write_bytes(data[:end])
        with pytest.raises(InputError):
            read_state_dict(path)


@pytest.mark.parametrize("form", WRITERS)
def test_random_damage_never_escapes(form, honest, tmp_path):
    draw, path, data = random.Random(0), tmp_path / "a.pt", honest[form]
    outcomes = collections.Counter()
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            arrays = read_state_dict(path).arrays
        except InputError as error:
            outcomes[error.what] += 1
            continue
        outcomes["read"] += 1
        assert all(np.isfinite(a.astype(np.float32)).all() for a in arrays.values())
    assert outcomes["read"] > 5
    assert len(outcomes) > 5


def test_damage_to_the_pickle_of_an_archive(tmp_path):
    """The archive's checksum would hide most of it from the test above."""
    draw, path = random.Random(1), tmp_path / "a.pt"
    state = {"a": tensor(ONES), "b": tensor(np.arange(4))}
    data, stored = torch_pickle(like_lightning(state))
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(data))] = draw.randrange(256)
        write_zip(path, like_lightning(state), extra=[("data.pkl", bytes(damaged))])
        try:
            read_state_dict(path)
        except InputError:
            pass


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    good = struct.pack("<Q", len(header)) + header + bytes(8)
    path.write_bytes(good)
    assert read_state_dict(path).arrays["w"].tolist() == [0, 0]
    for bad in (
        good[:-1], good[:20], good + b"\0", good.replace(b"[2]", b"[3]"),
        good.replace(b"[0,8]", b"[8,0]"), good.replace(b"[0,8]", b"[1,9]"),
        good.replace(b"F32", b"F99"), struct.pack("<Q", 2**62) + good[8:],
    ):  # fmt: skip
        path.write_bytes(bad)
        refused(path, "is a damaged safetensors file")
    path.write_bytes(good[:-8] + np.array([1, np.nan], np.float32).tobytes())
    refused(path, "'w' holds values that are not finite")


def test_pickles_that_are_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("prohmr_jax.files.pickles.torch_files._MAX_PICKLE_BYTES", 1000)
    value = {"w": tensor(ONES), "x" * 2000: tensor(ONES)}
    write_zip(tmp_path / "a.pt", value)
    refused(tmp_path / "a.pt", "too large for names and shapes")
    write_legacy(tmp_path / "a.pt", value)
    refused(tmp_path / "a.pt", "is a truncated pickle")


def test_an_old_file_of_another_version(tmp_path):
    write_legacy(tmp_path / "a.pt", {"w": tensor(ONES)})
    data = (tmp_path / "a.pt").read_bytes()
    old, new = (pickle.dumps(number, 2) for number in (1001, 1002))
    (tmp_path / "a.pt").write_bytes(data.replace(old, new, 1))
    refused(tmp_path / "a.pt", "unknown version of torch.save")
    stream = io.BytesIO(data)
    keys = pickle.dumps(["0"], 2)
    assert keys in stream.getvalue()
    (tmp_path / "a.pt").write_bytes(data.replace(keys, pickle.dumps(["0", "0"], 2)))
    refused(tmp_path / "a.pt", "lists a storage twice")
    (tmp_path / "a.pt").write_bytes(data.replace(keys, pickle.dumps(3, 2)))
    refused(tmp_path / "a.pt", "does not list its storages")
    (tmp_path / "a.pt").write_bytes(data.replace(keys, pickle.dumps([], 2)))
    refused(tmp_path / "a.pt", "'w' that has a storage that is missing")
