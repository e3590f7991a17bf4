"""Damages the content of files at random, in ways that each kind of file invites.

Nothing here is a test; `attack_formats` says which function damages which format.
"""

import codecs
import io
import json
import pickle
import pickletools
import re
import struct
import zipfile
import zlib

import numpy as np

Rng = np.random.Generator

# Numbers and words that readers have to expect in place of any other.
WORDS = (
    "", "nan", "NaN", "-inf", "1e400", "-1", "0", "1e-400", "9" * 5000, "0x10", "null",
    "true", "[", "]", "{", "}", "[" * 3000, "{", '"', "'", "\x00", "é", "\u202e", "#",
    "!!python/object/apply:os.system [ls]", "&a [*a]", "*a", "<<: *a", "- " * 300,
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>]>", "&a;", "..", "/etc/passwd", "%s%n",
    "1_0", "-0.0", "1e308", "2147483648", "18446744073709551616", "--", ":", ",", "=",
)  # fmt: skip
_VALUES = (
    None, True, False, 0, -1, 1, 0.5, 1e300, -1e300, 2**31, 2**63, 2**64, 10**400,
    float("nan"), float("inf"), "", "x", "nan", "0.5", "a\nb", "a\x00b", "\ud800",
    "é" * 9, "../../etc/passwd", "/", ".", "x" * 3000, [], {}, [[]], [{}], [None],
    [[[[1]]]], [1, 2, 3], {"": None}, {"x": 1, "y": 2}, [1e400, -1e400], "[1. 2.]",
    "array([[]])",
)  # fmt: skip
_DTYPES = ("f2", "f4", "f8", ">f8", "i1", "u8", "?", "c16", "U5", "S3", "M8[s]", "V8")


def pick(rng: Rng, items):
    """Returns one of the items."""
    return items[int(rng.integers(len(items)))]


def damage_bytes(rng: Rng, data: bytes) -> bytes:
    """Truncates, flips, moves, repeats, removes or overwrites bytes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = len(out)
        if not size:
            return bytes(rng.integers(0, 256, 20, dtype=np.uint8))
        start = int(rng.integers(size))
        length = int(rng.integers(1, 1 + max(1, min(size - start, size // 4))))
        part = bytes(out[start : start + length])
        kind = int(rng.integers(9))
        if kind == 0:
            del out[start:]
        elif kind == 1:
            for place in rng.integers(0, size, int(rng.integers(1, 9))):
                out[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            for place in rng.integers(0, size, int(rng.integers(1, 9))):
                out[place] = int(rng.integers(256))
        elif kind == 3:
            del out[start : start + length]
        elif kind == 4:
            out[start:start] = part
        elif kind == 5:
            other = int(rng.integers(size))
            out[other : other + length] = part
        elif kind == 6:
            out[start : start + length] = bytes([pick(rng, (0, 255))]) * length
        elif kind == 7:
            width = pick(rng, (2, 4, 8))
            number = pick(rng, (0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width) - 1))
            order = pick(rng, ("little", "big"))
            out[start : start + width] = number.to_bytes(width, order)
        else:
            out[start:start] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    return bytes(out)


def damage_text(rng: Rng, data: bytes) -> bytes:
    """Replaces words and numbers, and moves lines; sometimes damages bytes."""
    if rng.random() < 0.2:
        return damage_bytes(rng, data)
    text = data.decode("utf-8", "replace")
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(6))
        lines = text.split("\n")
        row = int(rng.integers(len(lines)))
        if kind <= 2:
            tokens = list(re.finditer(r"[\w.+-]+", text))
            if not tokens:
                continue
            token = pick(rng, tokens)
            text = text[: token.start()] + pick(rng, WORDS) + text[token.end() :]
        elif kind == 3:
            del lines[row]
            text = "\n".join(lines)
        elif kind == 4:
            lines.insert(row, pick(rng, lines))
            text = "\n".join(lines)
        else:
            place = int(rng.integers(len(text) + 1))
            text = text[:place] + pick(rng, WORDS) + text[place:]
    return _encoded(rng, text)


def damage_json(rng: Rng, data: bytes) -> bytes:
    """Changes values, keys and the nesting of JSON; sometimes its text."""
    if rng.random() < 0.25:
        return damage_text(rng, data)
    try:
        content = json.loads(data)
    except ValueError:
        return damage_text(rng, data)
    for _ in range(int(rng.integers(1, 5))):
        content = _damaged_tree(rng, content)
    text = json.dumps(content)
    kind = rng.random()
    if kind < 0.05:
        depth = int(pick(rng, (100, 5000, 200_000)))
        text = text.replace("[", "[" * depth, 1) if rng.random() < 0.5 else "[" * depth
    elif kind < 0.1:  # the same key twice
        text = re.sub(r'("\w+": )', r"\1null, \1", text, count=1)
    elif kind < 0.13:
        text = "[" + ",".join([text] * int(rng.integers(2, 60))) + "]"
    elif kind < 0.16:
        text = "\n".join([text] * int(rng.integers(2, 5)))
    return _encoded(rng, text)


def _encoded(rng: Rng, text: str) -> bytes:
    kind = rng.random()
    if kind < 0.03:
        return codecs.BOM_UTF8 + text.encode("utf-8", "surrogatepass")
    if kind < 0.06:
        return text.encode("utf-16", "surrogatepass")
    if kind < 0.08:
        return text.encode("latin-1", "replace")
    return text.encode("utf-8", "surrogatepass")


def _damaged_tree(rng: Rng, value: object) -> object:
    """Returns JSON with one change somewhere within it."""
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = pick(rng, list(keys))
        kind = rng.random()
        copy = value.copy()
        if kind < 0.75:
            copy[key] = _damaged_tree(rng, value[key])
        elif kind < 0.83:
            del copy[key]
        elif kind < 0.9 and isinstance(copy, dict):
            other = pick(rng, ("x", "", str(key) + " ", "keypoints", "people"))
            copy[other] = copy.pop(key)
        elif isinstance(copy, list):
            copy.insert(int(rng.integers(len(copy))), value[key])
        else:
            copy["extra"] = value[key]
        return copy
    if type(value) in (int, float) and abs(value) < 1e9 and rng.random() < 0.3:
        return pick(rng, (str(value), [value], {"0": value}, -value, value * 1e9))
    return pick(rng, _VALUES)


def damage_archive(rng: Rng, data: bytes) -> bytes:
    """Changes the arrays of an NPZ archive, their headers or the archive itself."""
    if not data.startswith(b"PK"):
        return damage_json(rng, data)
    if rng.random() < 0.3:
        return damage_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(int(rng.integers(1, 3))):
        name = pick(rng, list(members))
        members[name] = damage_member(rng, members[name])
        if rng.random() < 0.12:
            members[pick(rng, ("../x.npy", "x.npy", name.upper()))] = members.pop(name)
    kinds = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2)
    kind = kinds[0] if rng.random() < 0.8 else pick(rng, kinds)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in members.items():
            if rng.random() < 0.97:
                archive.writestr(name, content)
    return stream.getvalue()


def damage_member(rng: Rng, content: bytes) -> bytes:
    """Returns an array of another type, shape or content, or only its header."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # It may have been damaged before.
        return damage_bytes(rng, content)
    kind = int(rng.integers(12))
    if kind == 0:
        array = array.astype(str) if rng.random() < 0.5 else array.astype(bool)
    elif kind == 1:
        dtype = pick(rng, _DTYPES)
        array = np.zeros(array.shape, dtype)
    elif kind == 2:
        array = array[..., None] if rng.random() < 0.5 else array.ravel()
    elif kind == 3:
        array = array[:0] if array.ndim else array[None][:0]
    elif kind == 4 and array.size:
        array = np.array(array)
        values = (np.nan, np.inf, -1, 0, 2**31 - 1, 1e300)
        with np.errstate(all="ignore"):
            try:
                array.flat[int(rng.integers(array.size))] = pick(rng, values)
            except (ValueError, OverflowError):
                array = np.array(["\ud800" * 40, "a\x00b"])
    elif kind == 5:
        return _npy_header("<f4", pick(rng, ((10**12,), (2**40, 3), (-1,), (0, 2**62))))
    elif kind == 6:
        return _npy_header("|O", array.shape) + pickle.dumps(list(array.flat)[:50], 2)
    elif kind == 7:  # a bomb
        shape = pick(rng, ((2**24,), (*array.shape[:-1], 2**22), (2**20, *array.shape)))
        count = min(int(np.prod(shape, dtype=float)), 2**24)
        return _npy_header("<f4", shape) + bytes(4 * count)
    elif kind == 8:
        array = np.asfortranarray(array.T)
    elif kind == 9:
        texts = ("(" * 9999, "{'descr': 1}", "{'descr': '<f4'", "\x00", "1" * 99)
        text = pick(rng, texts)
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    elif kind == 10:
        array = np.concatenate([np.atleast_1d(array)] * 2)
    else:
        return damage_bytes(rng, content)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {tuple(shape)}}}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def damage_pickle(rng: Rng, data: bytes) -> bytes:
    """Removes, repeats, moves and replaces the instructions of a pickle."""
    if rng.random() < 0.3:
        return damage_bytes(rng, data)
    try:
        places = [place for _, _, place in pickletools.genops(data)]
    except Exception:  # damaged pickles raise anything
        return damage_bytes(rng, data)
    parts = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    codes = [op.code.encode("latin-1") for op in pickletools.opcodes]
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(parts)))
        kind = int(rng.integers(6))
        if kind == 0 and len(parts) > 1:
            del parts[at]
        elif kind == 1:
            parts.insert(at, pick(rng, parts))
        elif kind == 2:
            parts.insert(at, pick(rng, codes) + rng.bytes(int(rng.integers(0, 9))))
        elif kind == 3:
            parts[at] = pick(rng, codes) + parts[at][1:]
        elif kind == 4:
            parts[at] = parts[at][:1] + rng.bytes(max(0, len(parts[at]) - 1))
        else:
            parts[at:at] = [b"(", *[b"2"] * int(rng.integers(1, 50)), b"l", b"a"]
    return b"".join(parts)


def damage_torch_archive(rng: Rng, data: bytes) -> bytes:
    """Damages the pickle or a storage in a file of `torch.save`, or the file."""
    if rng.random() < 0.3:
        return damage_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = pick(rng, [n for n in members if n.endswith("data.pkl")])
    if rng.random() < 0.3:
        name = pick(rng, list(members))
    damage = damage_pickle if name.endswith("data.pkl") else damage_bytes
    members[name] = damage(rng, members[name])
    stream = io.BytesIO()
    kind = zipfile.ZIP_STORED if rng.random() < 0.9 else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def damage_safetensors(rng: Rng, data: bytes) -> bytes:
    """Damages the JSON at the start of a file of safetensors, or any bytes."""
    if rng.random() < 0.4:
        return damage_bytes(rng, data)
    size = int.from_bytes(data[:8], "little")
    header = damage_json(rng, data[8 : 8 + size].rstrip())
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def damage_png(rng: Rng, data: bytes) -> bytes:
    """Damages a chunk of a PNG, and makes its checksum right again; or any bytes."""
    if rng.random() < 0.3:
        return damage_bytes(rng, data)
    chunks, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 :][:length]))
        place += 12 + length
    at = int(rng.integers(len(chunks)))
    name, content = chunks[at]
    if rng.random() < 0.2:
        names = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"zTXt", b"acTL")
        name = pick(rng, names)
    chunks[at] = name, damage_bytes(rng, content)
    if rng.random() < 0.2:
        chunks.insert(at, pick(rng, chunks))
    return data[:8] + b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
        for n, c in chunks
    )
