"""The dataset of rendered people as a user makes it: whole or not at all, and once."""

import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source, dataset_directory
from prohmr_jax.errors import InputError
from prohmr_jax.synthetic.dataset import (
    RenderedPeople,
    SyntheticSettings,
    make_synthetic_humans,
    render_all,
)
from prohmr_jax.synthetic.pose_source import Split
from tests.support.paths import ROOT

SETTINGS = SyntheticSettings(num_train=3, num_test=2, views=2, seed=1, image_size=32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthetic") / "people"
    make_synthetic_humans(directory, SETTINGS)
    return directory


def command(output, *more) -> list[str]:
    """The command line that makes `SETTINGS` at a directory."""
    names = ("num_train", "num_test", "views", "seed", "image_size")
    settings = [f"--config.{name}={getattr(SETTINGS, name)}" for name in names]
    return [
        sys.executable, "-m", "prohmr_jax.main",
        "--config", "configs/synthetic_humans.py", f"--config.output={output}",
        f"--compilation_cache={jax.config.jax_compilation_cache_dir}", *settings, *more,
    ]  # fmt: skip


def records_of(directory, split) -> list[dict]:
    people = DatasetReader(Source(str(directory), split, 1.0))
    return [vars(people[number][0]) for number in range(len(people))]


def test_a_dataset_on_disk_holds_what_was_made(dataset):
    for split, count in ((Split.TRAIN, 3), (Split.TEST, 2)):
        people = DatasetReader(Source(str(dataset), split.value, 1.0))
        assert len(people) == count
        for number, rendered in enumerate(RenderedPeople(SETTINGS, split, count)):
            record, photo = people[number]
            assert photo.shape == (32, 32, 3)
            assert record.image == rendered.image
            assert (record.name, record.person) == (rendered.name, rendered.person)
            np.testing.assert_allclose(
                record.keypoints_2d, rendered.keypoints_2d, rtol=1e-6
            )
            np.testing.assert_allclose(record.betas, rendered.betas)
            assert record.action.startswith("poses_")


def test_processes_change_nothing_and_longer_splits_begin_with_shorter(dataset):
    more = SyntheticSettings(**{**vars(SETTINGS), "num_train": 9})
    longer = RenderedPeople(more, Split.TRAIN, 9, workers=2)
    people = DatasetReader(Source(str(dataset), "train", 1.0))
    for number, rendered in zip(range(3), longer, strict=False):
        record, _ = people[number]
        assert record.image == rendered.image
        np.testing.assert_allclose(
            record.keypoints_2d, rendered.keypoints_2d, rtol=1e-6
        )


def test_processes_that_render_leave_the_device_alone():
    # Each would claim the memory of a GPU for itself.
    code = (
        "import prohmr_jax.synthetic.render_pictures\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


class Deadly:
    """Ends the process that receives it, as the system does for lack of memory."""

    def __reduce__(self):
        """Is unpickled by a call."""
        return os._exit, (1,)


def test_a_killed_worker_is_named():
    with pytest.raises(InputError, match="workers: one of the processes was killed"):
        list(render_all(Deadly(), [None], workers=2))


def fail(body, request):
    """Raises what a renderer raises whose input file is missing."""
    raise InputError("bank.npz", "cannot be read")


def test_the_fault_of_a_worker_arrives_as_it_was_raised():
    with pytest.raises(InputError, match=r"bank\.npz: cannot be read") as caught:
        list(render_all(None, [None], workers=2, function=fail))
    assert (caught.value.path, caught.value.what) == ("bank.npz", "cannot be read")


def test_a_dataset_of_the_same_settings_is_kept_and_another_refused(dataset):
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    assert make_synthetic_humans(dataset, SETTINGS) == dataset_directory(dataset)
    other = SyntheticSettings(**{**vars(SETTINGS), "seed": 2})
    with pytest.raises(InputError, match="has seed '1', not '2'"):
        make_synthetic_humans(dataset, other)
    assert before == {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match="holds no dataset"):
        make_synthetic_humans(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_no_workers_and_no_place_are_refused(tmp_path):
    with pytest.raises(InputError, match="workers"):
        make_synthetic_humans(tmp_path, SETTINGS, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_synthetic_humans(tmp_path / "file" / "people", SETTINGS)


def test_a_killed_command_leaves_no_dataset_and_may_be_repeated(dataset, tmp_path):
    output = tmp_path / "people"
    process = subprocess.Popen(
        command(output, "--config.num_train=100000", "--config.workers=1"),
        cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.rglob("*.array_record*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not output.exists()
    with pytest.raises(InputError, match="holds no dataset"):
        dataset_directory(tmp_path)

    sheet = tmp_path / "sheet.png"
    options = f"--config.sheet={sheet}", "--config.sheet_people=2"
    done = subprocess.run(command(output, *options), cwd=ROOT, check=False)
    assert done.returncode == 0
    # Files may differ: the order of a record's fields in them is protobuf's choice.
    for split in ("train", "test"):
        again, before = (records_of(d, split) for d in (output, dataset))
        jax.tree.map(np.testing.assert_array_equal, again, before)
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_a_full_disk_ends_the_command_with_one_line(tmp_path):
    limited = (
        "import resource, runpy, sys\n"
        "import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_module('prohmr_jax.main', run_name='__main__', alter_sys=True)"
    )
    python, _, _, *arguments = command(tmp_path / "people")
    done = subprocess.run(
        [python, "-c", limited, "main", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
