"""A file is replaced whole, or the old one stays and nothing else is left."""

import os
import subprocess
import sys

import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import (
    make_directory_atomically,
    require_writable,
    require_writable_file,
    write_atomically,
)


def test_replaces_and_leaves_no_neighbours(tmp_path):
    path = tmp_path / "new" / "a.bin"
    # Writers of videos and pictures ask the stream for a name.
    write_atomically(path, lambda stream: stream.write(os.fsencode(stream.name)))
    assert os.path.dirname(path.read_bytes()) == os.fsencode(path.parent)
    write_atomically(path, lambda stream: stream.write(b"one"))
    write_atomically(path, lambda stream: stream.write(b"two"))
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.bin"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write(stream):
        stream.write(b"half")
        stream.flush()
        assert path.read_bytes() == b"old"

    write_atomically(path, write)
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_fails_changes_nothing(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write(stream):
        stream.write(b"half")
        raise error

    with pytest.raises(error):
        write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk(tmp_path):
    """The kernel refuses the bytes: a limit on the size of files stands for a disk."""
    (tmp_path / "a.bin").write_bytes(b"old")
    script = (
        "import resource, sys\n"
        "from prohmr_jax.errors import InputError\n"
        "from prohmr_jax.files.atomic import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_atomically(sys.argv[1], lambda f: f.write(bytes(5000)))\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.bin")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"{tmp_path / 'a.bin'}: cannot be written: ")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "a.bin"
    with pytest.raises(InputError, match="cannot be written") as caught:
        write_atomically(path, lambda stream: None)
    assert caught.value.path == str(path)


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_atomically(tmp_path / "a.bin", lambda stream: stream.write(b"x"))
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to(tmp_path / "real.bin")
    write_atomically(tmp_path / "link.bin", lambda stream: stream.write(b"new"))
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real.bin").read_bytes() == b"new"


def test_a_directory_appears_whole(tmp_path):
    def fill(path):
        (path / "a").write_text("x")
        assert not (tmp_path / "new" / "d").exists()
        (path / "b").mkdir()

    make_directory_atomically(tmp_path / "new" / "d", fill)
    assert sorted(os.listdir(tmp_path / "new" / "d")) == ["a", "b"]
    assert os.listdir(tmp_path / "new") == ["d"]


def test_an_empty_directory_is_filled_and_no_other(tmp_path):
    make_directory_atomically(tmp_path, lambda path: (path / "a").write_text("x"))
    assert os.listdir(tmp_path) == ["a"]
    with pytest.raises(InputError, match="is there already"):
        make_directory_atomically(tmp_path, lambda path: None)
    with pytest.raises(InputError, match="is there already"):
        make_directory_atomically(tmp_path / "a", lambda path: None)
    assert (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_directory_that_fails_leaves_nothing(tmp_path, error):
    def fill(path):
        (path / "a").write_text("x")
        raise error

    with pytest.raises(error):
        make_directory_atomically(tmp_path / "d", fill)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        make_directory_atomically(tmp_path / "file" / "d", lambda path: None)


_KILLED = """
import os, sys
from prohmr_jax.files.atomic import make_directory_atomically, write_atomically

def write(stream):
    stream.write(b"a long half")
    stream.flush()
    os._exit(9)

def fill(path):
    (path / "sub").mkdir()
    (path / "sub" / "a").write_text("half")
    (path / "b").symlink_to(sys.argv[1])
    os._exit(9)

if sys.argv[2] == "file":
    write_atomically(sys.argv[1] + "/a.bin", write)
else:
    make_directory_atomically(sys.argv[1] + "/d", fill)
"""


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, kind):
    (tmp_path / "kept").write_text("x")
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), kind])
    assert done.returncode == 9
    assert len(os.listdir(tmp_path)) == 2
    # The next writer of another file leaves it, since that file's writer may come.
    write_atomically(tmp_path / "other", lambda stream: stream.write(b"y"))
    assert len(os.listdir(tmp_path)) == 3
    if kind == "file":
        write_atomically(tmp_path / "a.bin", lambda stream: stream.write(b"new"))
        assert (tmp_path / "a.bin").read_bytes() == b"new"
        assert sorted(os.listdir(tmp_path)) == ["a.bin", "kept", "other"]
    else:
        target = tmp_path / "d"
        make_directory_atomically(target, lambda path: (path / "c").write_text("z"))
        assert os.listdir(target) == ["c"]
        assert sorted(os.listdir(tmp_path)) == ["d", "kept", "other"]


def test_two_writers_of_one_target_do_not_meet(tmp_path):
    path, folder = tmp_path / "a.bin", tmp_path / "d"

    def write(stream):
        stream.write(b"first")
        stream.flush()
        write_atomically(path, lambda inner: inner.write(b"second"))
        assert path.read_bytes() == b"second"

    write_atomically(path, write)
    assert path.read_bytes() == b"first"

    def fill(outer):
        (outer / "first").touch()
        make_directory_atomically(folder, lambda inner: (inner / "second").touch())
        assert os.listdir(outer) == ["first"]

    with pytest.raises(InputError, match="cannot be written: Directory not empty"):
        make_directory_atomically(folder, fill)
    assert os.listdir(folder) == ["second"]
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "d"]


def test_a_link_in_the_place_of_the_hidden_file_is_not_followed(tmp_path):
    (tmp_path / "kept").write_text("x")

    def write(stream):
        hidden = next(tmp_path.glob(".*.tmp"))
        hidden.unlink()
        hidden.symlink_to(tmp_path / "kept")
        write_atomically(tmp_path / "a", lambda inner: inner.write(b"y"))
        stream.write(b"z")

    write_atomically(tmp_path / "a", write)
    assert (tmp_path / "kept").read_text() == "x"


def test_what_can_be_written_is_found_out_without_a_trace(tmp_path):
    (tmp_path / "file").write_text("old")
    require_writable(tmp_path)
    require_writable(tmp_path / "a" / "b")
    require_writable_file(tmp_path / "file")
    require_writable_file(tmp_path / "a" / "file")
    for folder in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(InputError, match="cannot be written: Not a directory"):
            require_writable(folder)
    for path in (tmp_path, tmp_path / "file" / "b", "/proc/none/file"):
        with pytest.raises(InputError) as caught:
            require_writable_file(path)
        assert str(caught.value).startswith(f"{path}: cannot be written: ")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_full_disk_is_found_out(tmp_path):
    script = (
        "import resource, sys\n"
        "from prohmr_jax.errors import InputError\n"
        "from prohmr_jax.files.atomic import require_writable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try:\n"
        "    require_writable(sys.argv[1])\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "new")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout == f"{tmp_path / 'new'}: cannot be written: File too large\n"
