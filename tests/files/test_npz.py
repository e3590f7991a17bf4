"""Archives: what was written comes back; what is false is refused before it costs."""

import io
import zipfile

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npy, read_npz, write_npz

ARRAYS = {
    "v": np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3),
    "f": np.arange(6, dtype=np.uint16).reshape(2, 3),
    "names": np.array(["a", "left_eye"]),
    "seen": np.array([True, False]),
    "version": np.array(1),
    "none": np.zeros((0, 3)),
}
EXPECTED = {
    "v": Expected(("V", 3)),
    "f": Expected((None, 3), "integer"),
    "names": Expected((2,), "text"),
    "seen": Expected((2,), "bool"),
    "version": Expected((), "integer"),
    "none": Expected((0, 3)),
}
ONE = {"v": Expected(("V", 3))}


def member(array: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def archive(path, content: bytes, compression=zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as out:
        out.writestr("v.npy", content)


def test_what_is_written_comes_back(tmp_path):
    write_npz(tmp_path / "a.npz", ARRAYS)
    arrays = read_npz(tmp_path / "a.npz", EXPECTED)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    with np.load(tmp_path / "a.npz") as numpys_own:
        np.testing.assert_array_equal(numpys_own["v"], ARRAYS["v"])


def test_reads_what_numpy_writes(tmp_path):
    big_endian = {**ARRAYS, "v": np.asfortranarray(ARRAYS["v"].astype(">f8"))}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **big_endian)
        arrays = read_npz(tmp_path / "a.npz", EXPECTED)
        np.testing.assert_array_equal(arrays["v"], ARRAYS["v"].astype(float))
        assert arrays["v"].dtype == np.float64


def test_equal_arrays_give_equal_bytes(tmp_path, monkeypatch):
    write_npz(tmp_path / "a.npz", ARRAYS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_npz(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_objects_are_neither_written_nor_read(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(ValueError, match="[Oo]bject"):
        write_npz(path, {"v": np.array([{}], object)})
    assert not path.exists()
    np.savez(path, v=np.array([{}], object))
    with pytest.raises(InputError, match="v is an array of Python objects"):
        read_npz(path, ONE)


def test_what_is_not_asked_for_is_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", v=ARRAYS["v"], other=np.array([{}], object))
    assert read_npz(tmp_path / "a.npz", ONE).keys() == {"v"}


def test_optional_arrays_may_be_absent(tmp_path):
    write_npz(tmp_path / "a.npz", {"v": ARRAYS["v"]})
    arrays = read_npz(tmp_path / "a.npz", {**ONE, "w": Expected((3,), optional=True)})
    assert arrays.keys() == {"v"}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 2)), r"v has shape \[4, 2\], expected \[V=?4?, 3\]"),
        (np.zeros(3), r"v has shape \[3\]"),
        (np.zeros((4, 3), complex), "v is of type complex128, not real"),
        (np.zeros((4, 3), "S1"), "v is of type"),
        (np.full((4, 3), np.nan), "v holds values that are not finite"),
        (np.full((4, 3), np.inf, np.float16), "v holds values that are not finite"),
    ],
)
def test_arrays_of_another_kind(tmp_path, array, words):
    np.savez(tmp_path / "a.npz", v=array)
    with pytest.raises(InputError, match=words) as caught:
        read_npz(tmp_path / "a.npz", ONE)
    assert str(caught.value).startswith(str(tmp_path / "a.npz"))


def test_a_letter_is_one_size_for_all(tmp_path):
    np.savez(tmp_path / "a.npz", v=np.zeros((4, 3)), w=np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"w has shape \[5, 3\], expected \[V=4, 3\]"):
        read_npz(tmp_path / "a.npz", {**ONE, "w": Expected(("V", 3))})


def test_missing_arrays_and_files(tmp_path):
    np.savez(tmp_path / "a.npz", v=ARRAYS["v"])
    with pytest.raises(InputError, match="has no array 'w'"):
        read_npz(tmp_path / "a.npz", {"w": Expected((3,))})
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_npz(tmp_path / "none.npz", ONE)
    with pytest.raises(InputError, match="cannot be read"):
        read_npz(tmp_path, ONE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_cut_or_damaged_anywhere_it_is_an_input_error(tmp_path, save):
    path = tmp_path / "a.npz"
    array = np.random.default_rng(0).normal(size=(40, 3))
    save(path, v=array)
    data = path.read_bytes()
    for end in range(0, len(data), 7):
        path.write_bytes(data[:end])
        with pytest.raises(InputError):
            read_npz(path, ONE)
    draw = np.random.default_rng(1)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[draw.integers(len(data))] ^= int(draw.integers(1, 256))
        path.write_bytes(damaged)
        try:
            arrays = read_npz(path, ONE)
        except InputError:
            refused += 1
        else:  # a byte that says nothing about the content, such as a date
            np.testing.assert_array_equal(arrays["v"], array)
    assert refused > 300


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    """The members are small; only their directory claims sizes, as a bomb's would."""
    path = tmp_path / "a.npz"
    write_npz(path, {name: np.zeros((4, 3)) for name in ("v", "w", "x")})
    with zipfile.ZipFile(path, "a") as out:
        for info in out.infolist():
            info.file_size = 400 << 20
        out.writestr("more", "")
    expected = {name: Expected(("V", 3)) for name in ("v", "w", "x")}
    with pytest.raises(InputError, match=r"bytes claim to unpack to 1258291200$"):
        read_npz(path, expected, max_member_bytes=1 << 40)
    # The claim of one array alone is within the limit.
    assert not read_npz(path, ONE, max_member_bytes=1 << 40)["v"].any()


def test_claims_are_checked_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.npz"
    header = member(np.zeros((4, 3)))
    archive(path, header.replace(b"(4, 3), }", b"(4000000000, 3), }"))
    with pytest.raises(InputError, match="v is of another size than its shape"):
        read_npz(path, ONE)
    archive(path, header + b"more")
    with pytest.raises(InputError, match="v is of another size than its shape"):
        read_npz(path, ONE)
    # A bomb: ten megabytes of zeros, packed into ten kilobytes.
    archive(path, member(np.zeros((400_000, 3))))
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match="v claims 9600128 bytes"):
        read_npz(path, ONE, max_member_bytes=1_000_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').system('true')".ljust(118),
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }".ljust(118),
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<q9', 'fortran_order': False, 'shape': (1, 3), }".ljust(118),
    ],
)
def test_false_headers(tmp_path, content):
    archive(tmp_path / "a.npz", content)
    with pytest.raises(InputError):
        read_npz(tmp_path / "a.npz", ONE)


def test_packings_that_numpy_does_not_use(tmp_path):
    archive(tmp_path / "a.npz", member(ARRAYS["v"]), zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match="v is compressed in a way"):
        read_npz(tmp_path / "a.npz", ONE)


def test_a_single_array_comes_back(tmp_path):
    path = tmp_path / "a.npy"
    for array in (ARRAYS["v"], np.asfortranarray(ARRAYS["v"].astype(">f8"))):
        np.save(path, array)
        read = read_npy(path, ONE["v"])
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype.newbyteorder("=")


def test_faults_of_a_single_array(tmp_path):
    whole = member(ARRAYS["v"])
    path = tmp_path / "a.npy"
    for content, says in (
        (b"", "is no .npy file"),
        (b"hello, world", "is no .npy file"),
        (whole[:40], "is no .npy file"),
        (whole[:-4], "of another size"),
        (member(ARRAYS["f"][:, :2]), "has shape"),
        (member(np.array([[1, {}, 2]]), allow_pickle=True), "Python objects"),
        (member(np.full((1, 3), np.nan)), "not finite"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=says) as caught:
            read_npy(path, ONE["v"])
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_npy(tmp_path / "absent.npy", ONE["v"])
