"""Runs that are killed at random moments, and started again, give the same files.

Each command is started, killed, and started again until it ends. Nothing may be lost,
nothing may be there twice, and the results have the bytes of a run that was left alone.
`PROHMR_KILLS` is the number of kills of each command (13 by default).
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from tests.support.demo_cases import openpose, person, write_photo
from tests.support.keypoint_training import TINY
from tests.support.paths import ROOT

_WEIGHTS = ROOT / "tests" / "files_of_before" / "keypoint_weights.npz"
_KILLS = int(os.environ.get("PROHMR_KILLS", "13"))
_LONGEST_RUN_S = 600


@dataclasses.dataclass(frozen=True)
class Command:
    """Holds a command line, and what of its results must not change."""

    arguments: Callable[[pathlib.Path, pathlib.Path], Sequence[str]]
    """Returns the arguments for a folder of input and one of output."""
    results: Callable[[pathlib.Path], object]
    """Returns the results in the folder of output, for a comparison."""


def _write_input(folder: pathlib.Path) -> None:
    for number in range(6):
        people = [person(10 * number + i) for i in range(2)] + [[0.0] * 75]
        (folder / f"{number}_keypoints.json").write_text(openpose(*people))
    (folder / "cut.json").write_text('{"people": [')
    write_photo(folder / "0.png")


def _bytes_of(*patterns: str) -> Callable[[pathlib.Path], object]:
    def read(output: pathlib.Path) -> dict[str, bytes]:
        files = [path for pattern in patterns for path in output.rglob(pattern)]
        return {
            str(path.relative_to(output)): path.read_bytes()
            for path in sorted(files)
            if path.is_file() and not path.name.startswith(".")
        }

    return read


def _records(output: pathlib.Path) -> list[str]:
    """Returns the people of a dataset; the order of bytes in its files may differ."""
    records = []
    for split in ("train", "test"):
        reader = DatasetReader(Source(str(output), split, 1.0))
        for number in range(len(reader)):
            fields = vars(reader[number][0])
            with np.printoptions(threshold=np.inf, precision=9):
                records.append(repr(sorted(fields.items())))
    return records


COMMANDS = {
    "fit": Command(
        lambda given, output: [
            "--config=fit", f"--config.input={given}", f"--config.output={output}",
            f"--config.checkpoint={_WEIGHTS}", "--config.people_per_shard=1",
            "--config.slots=2", "--config.max_steps=10", "--config.overlays=1",
            "--config.overlay_longest_side_px=32",
        ],
        _bytes_of("fits.npz", "*.txt", "*.png"),
    ),
    "dataset": Command(
        lambda given, output: [
            "--config=synthetic_humans", f"--config.output={output}",
            "--config.num_train=6", "--config.num_test=4", "--config.views=2",
            "--config.image_size=32",
        ],
        _records,
    ),
    "training": Command(
        lambda given, output: [
            "--config=prohmr_keypoints", f"--workdir={output}",
            *(f"--config.model.{key}={value}" for key, value in TINY.items()),
            "--config.batch_size=4", "--config.num_steps=12",
            "--config.warmup_steps=1", "--config.log_every=2",
            "--config.checkpoint_every=2",
        ],
        _bytes_of("weights.npz", "model.json"),
    ),
    "demo": Command(
        lambda given, output: [
            "--config=demo", f"--config.input={given}", f"--config.output={output}",
            f"--config.checkpoint={_WEIGHTS}", "--config.num_hypotheses=3",
            "--config.sheet.panel_px=64", "--config.sheet.num_shown=0",
            "--config.overlay.longest_side_px=64",
        ],
        _bytes_of("*"),
    ),
}  # fmt: skip


def start(arguments: Sequence[str]) -> subprocess.Popen:
    cache = jax.config.jax_compilation_cache_dir
    return subprocess.Popen(
        [sys.executable, "-m", "prohmr_jax.main", *arguments,
         f"--compilation_cache={cache}"],
        cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def contents(folder: pathlib.Path) -> list[tuple[str, int, int]]:
    """Returns the names, sizes and times of all files in a folder."""
    files = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(place, name))
            except OSError:
                continue  # It was renamed or removed in this moment.
            files.append((name, status.st_size, status.st_mtime_ns))
    return sorted(files)


def run(arguments, output: pathlib.Path, kill_at: int, delay_s: float) -> int | None:
    """Runs a command, and kills it some time after so many changes of its output.

    Returns:
      The number of changes seen; None if the command was killed.
    """
    process, changes = start(arguments), 0
    before, deadline = contents(output), time.monotonic() + _LONGEST_RUN_S
    while process.poll() is None:
        assert time.monotonic() < deadline
        now = contents(output)
        changes, before = changes + (now != before), now
        if changes >= kill_at:
            time.sleep(delay_s)
            with contextlib.suppress(ProcessLookupError):  # It ended by itself.
                os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    _, said = process.communicate()
    if process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0, said[-3000:]
    assert "Traceback" not in said
    return changes


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_runs_lose_nothing(name, tmp_path):
    command, rng = COMMANDS[name], np.random.default_rng(list(name.encode()))
    given = tmp_path / "given"
    given.mkdir()
    _write_input(given)
    alone = tmp_path / "alone"
    changes = run(command.arguments(given, alone), alone, 10**9, 0.0)
    expected, kills, attempt = command.results(alone), 0, 0
    assert expected
    while kills < _KILLS:
        attempt += 1
        output = tmp_path / f"out{attempt}"
        arguments = command.arguments(given, output)
        finished = False
        while not finished:
            # A run that goes on has fewer files to write.
            kill_at = int(rng.integers(0, changes + 1)) if kills < _KILLS else 10**9
            delay = float(rng.choice([0.0, rng.uniform(0, 0.05), rng.uniform(0, 2)]))
            finished = run(arguments, output, kill_at, delay) is not None
            kills += not finished
        assert command.results(output) == expected
    print(f"{name}: {kills} kills, {attempt} outputs")
