"""Hostile and damaged pickles: refused in one line, and nothing in them runs."""

import io
import pickle
import random
import sys

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles import machine
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import BODY_TABLE, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle, unpickle_file
from tests.support.files_pickling import (
    Ch,
    OldCsc,
    compressed,
    pickled,
    pushed,
    run_python,
)


def read(data: bytes):
    return unpickle(io.BytesIO(data), "body.pkl", BODY_TABLE)


# Each runs `touch` on the canary when Python's own reader gets it.
def hostile(command: str) -> dict[str, bytes]:
    shell = f"S'{command}'\n".encode()
    python = f'S\'__import__("os").system("{command}")\'\n'.encode()
    call = b"(" + shell + b"tR."
    text = f"X{len(command).to_bytes(4, 'little').decode()}".encode() + command.encode()
    gadget = (
        b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR" + call
    )
    return {
        "os.system": b"cos\nsystem\n" + call,
        "posix.system": b"cposix\nsystem\n" + call,
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93(" + shell + b"tR.",
        "dotted STACK_GLOBAL": (
            b"\x80\x04\x8c\x15numpy.lib._npyio_impl\x8c\x09os.system\x93" + call
        ),
        "eval": b"cbuiltins\neval\n(" + python + b"tR.",
        "exec of python 2": b"c__builtin__\neval\n(" + python + b"tR.",
        "INST": b"(" + shell + b"ios\nsystem\n.",
        "OBJ": b"(csubprocess\nPopen\n(S'touch'\nS'" + command[6:].encode() + b"'\nlo.",
        "NEWOBJ": (
            b"\x80\x02csubprocess\nPopen\n(" + shell + b"I-1\nNNNNNI01\nI01\nt\x81."
        ),
        "NEWOBJ_EX": (
            b"\x80\x04csubprocess\nPopen\n("
            + shell
            + b"t}X\x05\x00\x00\x00shellI01\ns\x92."
        ),
        "nested REDUCE": gadget,
        "runpy": b"crunpy\n_run_code\n(" + python + b"}tR.",
        "timeit": b"ctimeit\ntimeit\n(S'pass'\n" + python + b"tR.",
        "numpy.testing": b"cnumpy.testing\nrundocs\n" + call,
        "numpy's runstring": (
            b"cnumpy.testing._private.utils\nrunstring\n(" + python + b"}tR."
        ),
        "inside chumpy": (
            b"\x80\x02cchumpy.ch\nCh\n)\x81}X\x01\x00\x00\x00xcos\nsystem\n"
            + call[:-1]
            + b"sb."
        ),
        "behind the array": (
            pickle.dumps(np.arange(3), 2)[:-1] + b"0cos\nsystem\n" + call
        ),
        "BUILD that imports": (
            b"cbuiltins\n__import__\n(S'os'\ntR(N}X\x01\x00\x00\x00aK\x01stb0"
            b"cos\nsystem\n" + call
        ),
        "text": b"\x80\x02cos\nsystem\n(" + text + b"tR.",
    }


# Not so the last way of calling, since `__new__` alone starts no process, and a name
# that newer versions of NumPy lack.
NOT_LIVE = ("NEWOBJ", "NEWOBJ_EX", "numpy.testing")
LIVE = [name for name in hostile("touch x") if name not in NOT_LIVE]


@pytest.mark.parametrize("name", hostile("touch x"))
def test_hostile_pickles_are_refused_and_nothing_ran(name, tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "body.pkl").write_bytes(hostile(f"touch {canary}")[name])
    modules = set(sys.modules)
    with pytest.raises(InputError, match="is a pickle that is refused: it asks for"):
        unpickle_file(tmp_path / "body.pkl", BODY_TABLE)
    assert not canary.exists()
    assert set(sys.modules) == modules


def test_the_hostile_pickles_are_alive(tmp_path):
    """Without this, a payload that is merely broken would pass the test above."""
    for number, name in enumerate(LIVE):
        payload = hostile(f"touch {tmp_path / str(number)}")[name]
        (tmp_path / f"{number}.pkl").write_bytes(payload)
    script = (
        "import os, pickle, sys, types\n"
        "for name in ('chumpy', 'chumpy.ch'):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "sys.modules['chumpy.ch'].Ch = type('Ch', (), {})\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        pickle.load(open(path, 'rb'), encoding='latin1')\n"
        "    except Exception as error:\n"
        "        print(path, error)\n"
        "try:\n"
        "    while os.wait():\n"
        "        pass\n"
        "except ChildProcessError:\n"
        "    pass\n"
    )
    paths = [str(tmp_path / f"{i}.pkl") for i in range(len(LIVE))]
    done = run_python(script, *paths)
    dead = [n for i, n in enumerate(LIVE) if not (tmp_path / str(i)).exists()]
    assert not dead, done.stdout + done.stderr


CHUMPY = b"\x80\x02cchumpy.ch\nCh\n)\x81"
EVIL = {
    "state for a name": (
        b"cnumpy\nndarray\n}" + pushed("a") + b"K\x01sb.",
        "attributes of a Global",
    ),
    "slots for a name": (
        b"cchumpy.ch\nCh\n(N}" + pushed("set_state") + b"K\x01stb.",
        "attributes of a Global",
    ),
    "state for a dict": (b"}}b.", "sets attributes of a dict"),
    "state for a number": (b"K\x01}b.", "sets attributes of a int"),
    "call of a value": (CHUMPY + b")R.", "calls something that is not a name"),
    "call of text": (
        pushed("os.system") + b")R.",
        "calls something that is not a name",
    ),
    "call of a mere name": (b"cnumpy\nndarray\n)R.", "calls 'numpy.ndarray'"),
    "object's class": (b"cbuiltins\nobject\n)R.", "calls 'builtins.object'"),
    "arguments that are no tuple": (b"cbuiltins\nset\n]R.", "calls something"),
    "wrong arguments": (b"cchumpy.ch\nCh\n(K\x01K\x02tR.", "what that cannot take"),
    "_reconstructor of a value": (
        b"ccopyreg\n_reconstructor\n(" + pushed("a") + b"cbuiltins\nobject\nNtR.",
        "is no class",
    ),
    "_reconstructor of a list": (
        b"ccopyreg\n_reconstructor\n(cchumpy.ch\nCh\ncbuiltins\nset\n]tR.",
        "from a built-in value",
    ),
    "_reconstructor of a name": (
        b"ccopyreg\n_reconstructor\n(cnumpy\nndarray\ncbuiltins\nobject\nNtR.",
        "is no class",
    ),
    "another codec": (
        b"c_codecs\nencode\n(" + pushed("a") + pushed("idna") + b"tR.",
        "by other rules",
    ),
    "decode": (
        b"c_codecs\ndecode\n(" + pushed("a") + pushed("rot13") + b"tR.",
        "'_codecs.decode'",
    ),
    "numpy.load": (b"cnumpy\nload\n(" + pushed("a") + b"tR.", "'numpy.load'"),
    "fromfile": (
        b"cnumpy.core.multiarray\nfromfile\n(" + pushed("/etc/passwd") + b"tR.",
        "fromfile",
    ),
    "copyreg.add_extension": (b"ccopyreg\nadd_extension\n)R.", "add_extension"),
    "keywords": (
        b"\x80\x04cchumpy.ch\nCh\n)}" + pushed("a") + b"K\x01s\x92.",
        "with keywords",
    ),
    "EXT1": (b"\x80\x02\x82\x01.", "registered extensions"),
    "EXT2": (b"\x80\x02\x83\x01\x00.", "registered extensions"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "registered extensions"),
    "PERSID": (b"Pa\n.", "outside itself"),
    "BINPERSID": (b"K\x01Q.", "outside itself"),
    "NEXT_BUFFER": (b"\x80\x05\x97.", "buffers outside"),
    "READONLY_BUFFER": (b"\x80\x05N\x98.", "buffers outside"),
    "protocol 6": (b"\x80\x06N.", "newer than 5"),
    "append to a name": (b"cnumpy\nndarray\nK\x01a.", "appends to a Global"),
    "append to an object": (CHUMPY + b"K\x01a.", "appends to a ChumpyVariable"),
    "item of an object": (CHUMPY + b"K\x01K\x02s.", "sets items of a ChumpyVariable"),
    "item of a list": (b"]K\x00K\x02s.", "sets items of a list"),
    "add to a list": (b"\x80\x04](K\x01\x90.", "adds items to a list"),
    "a list as a key": (b"}]K\x01s.", "uses a list as a key"),
    "an object as a key": (
        b"}" + CHUMPY[2:] + b"K\x01s.",
        "uses a ChumpyVariable as a key",
    ),
    "module that is no text": (b"\x80\x04K\x01K\x02\x93.", "name that is not text"),
    "a long integer": (
        b"\x8b\x00\x10\x00\x00" + bytes(4096) + b".",
        "thousands of digits",
    ),
    "line break in a name": (
        b"\x80\x04" + pushed("os\nfake: fine") + pushed("x") + b"\x93.",
        r"'os\\nfake: fine.x'",
    ),
    "bytes multiplied": (
        b"c_codecs\nencode\nq\x01"
        + pushed("a" * 500)
        + pushed("latin1")
        + b"\x86q\x02R"
        + b"0h\x01h\x02R" * 200
        + b".",
        "multiplies its own bytes",
    ),
}


@pytest.mark.parametrize("name", EVIL)
def test_every_other_way_is_refused_in_words(name):
    data, words = EVIL[name]
    with pytest.raises(InputError, match=words) as caught:
        read(data)
    assert str(caught.value).startswith("body.pkl: is a pickle that is refused: it ")
    assert "\n" not in str(caught.value)


DAMAGED = {
    "empty stack": b".",
    "garbage": b"\xff\xff\xff",
    "text": b"hello",
    "html": b"<!DOCTYPE html><html>",
    "zip": b"PK\x03\x04",
    "no such memo": b"h\x07.",
    "mark in the way": b"K\x01(0.",
    "no mark": b"K\x01t.",
    "odd items": b"}(K\x01u.",
    "claims 4 EB": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"a",
    "claims 18 EB": b"\x80\x04\x8e" + (2**64 - 1).to_bytes(8, "little") + b"a",
    "9000 digits": b"I" + b"9" * 9000 + b"\n.",
    "bad UTF-8": b"X\x02\x00\x00\x00\xc3\x28.",
    "no quotes": b"Sabc\n.",
    "negative length": b"T\xff\xff\xff\xffabc.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pickles(name):
    with pytest.raises(InputError, match=r"body.pkl: is a (damaged|truncated) pickle"):
        read(DAMAGED[name])


def an_honest_pickle() -> bytes:
    dense = np.eye(3, 4)
    value = {"J": compressed(dense, OldCsc), "v": Ch(x=dense), "s": {1, 2}, "f": dense}
    return pickled(value, 2)


def test_cut_anywhere_it_is_an_input_error():
    data = an_honest_pickle()
    read(data)
    for end in range(1, len(data)):
        with pytest.raises(InputError):
            read(data[:end])


def test_random_damage_never_escapes():
    """Every outcome is a value or an InputError, also when its arrays are asked for."""
    draw = random.Random(0)
    for data in (an_honest_pickle(), pickle.dumps({"a": np.arange(6.0)}, 5)):
        for _ in range(3000):
            damaged = bytearray(data)
            for _ in range(draw.randint(1, 4)):
                damaged[draw.randrange(len(data))] = draw.randrange(256)
            try:
                content = read(bytes(damaged))
            except InputError:
                continue
            for value in content.values() if isinstance(content, dict) else [content]:
                try:
                    to_numpy(value)
                except Refused:
                    pass


def test_depth_crashes_nothing():
    deep = 300_000
    read(b"]" * deep + b"a" * (deep - 1) + b".")
    read(b")" + b"\x85" * deep + b".")
    with pytest.raises(InputError, match="uses a tuple as a key"):
        read(b"})" + b"\x85" * deep + b"K\x01s.")


def test_floods_are_refused(monkeypatch):
    monkeypatch.setattr(machine, "_MAX_INSTRUCTIONS", 10_000)
    with pytest.raises(InputError, match="too many instructions"):
        read(b"](" + b"K\x01" * 20_000 + b"e.")
    # A list of 5,000 made into a set a hundred times costs as much.
    flood = (
        b"cbuiltins\nset\nq\x01]("
        + b"K\x01" * 5_000
        + b"e\x85q\x02R"
        + b"0h\x01h\x02R" * 100
    )
    with pytest.raises(InputError, match="too many instructions"):
        read(flood + b".")
