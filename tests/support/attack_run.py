"""Reads damaged files, and reports what ends in anything but a value or `InputError`.

`python -m tests.support.attack_run --count 100 NAME ...` tries formats of
`attack_formats`; the tests start it in a process of its own, whose memory is limited.
"""

import argparse
import faulthandler
import json
import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from tests.support.attack_formats import FORMATS, Format

TIME_LIMIT_S = 10
EXTRA_BYTES = 2 << 30
"""Memory that a damaged file may take beyond what sound files take, bytes."""
_LONGEST_MESSAGE = 2000


class TooLong(BaseException):
    """Ends a reader at its time limit; no reader catches it."""


def _end(signum, frame):
    raise TooLong


def _fault(form: Format, path: Path) -> str:
    """Reads a file; returns what is wrong with how it went, or an empty text."""
    signal.alarm(TIME_LIMIT_S)
    try:
        form.read(path)
    except InputError as error:
        text = str(error)
        if "\n" in text or len(text) > _LONGEST_MESSAGE:
            return f"a message of {len(text)} characters or several lines"
    except BaseException:
        return traceback.format_exc()
    finally:
        signal.alarm(0)
    return ""


def _restore(files: Sequence[Path], contents: Sequence[bytes]) -> None:
    for path, content in zip(files, contents, strict=True):
        path.write_bytes(content)


def _try(name: str, count: int, seed: int, keep: Path | None) -> list[str]:
    """Returns a report of each damaged file that went wrong."""
    form, faults = FORMATS[name], {}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "work"
        folder.mkdir()
        files = form.write(folder)
        contents = [path.read_bytes() for path in files]
        for path in files:
            _restore(files, contents)
            try:  # This also loads all libraries.
                form.read(path)
            except Exception:
                return [f"{name}: the sound file {path}: {traceback.format_exc()}"]
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmPeak:")[1].split()[0]) << 10
        limits = peak + EXTRA_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, limits)
        slowest = 0.0
        for number in range(count):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
            which = int(rng.integers(len(files)))
            damaged = form.damage(rng, contents[which])
            if not damaged:
                continue
            if keep is not None:
                (keep / "last").write_bytes(damaged)
            _restore(files, contents)
            files[which].write_bytes(damaged)
            faulthandler.dump_traceback_later(4 * TIME_LIMIT_S, exit=True)
            start = time.monotonic()
            fault = _fault(form, files[which])
            slowest = max(slowest, time.monotonic() - start)
            if fault:
                kind = fault.strip().splitlines()[-1][:60]
                if kind not in faults:
                    faults[kind] = f"{name}, number {number}: {fault}"
                    if keep is not None:
                        target = f"{name} {number}{files[which].suffix}"
                        (keep / target.replace("/", "_")).write_bytes(damaged)
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, (limits[1], limits[1]))
    print(f"{name}: {count} tried, slowest {slowest:.2f} s", file=sys.stderr)
    return list(faults.values())


def main() -> None:
    """Prints a line of JSON for each kind of fault: the text of the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for files that go wrong")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _end)
    for name in options.names or FORMATS:
        for fault in _try(name, options.count, options.seed, options.keep):
            print(json.dumps(fault), flush=True)


if __name__ == "__main__":
    main()
