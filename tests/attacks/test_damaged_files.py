"""Whatever stands in a file, its reader returns a value or says one line about it.

Damaged files are read in processes of their own, which limit memory and time. The slow
test tries `PROHMR_ATTACKS_TEXT` files of each text format (1,000 by default) and
`PROHMR_ATTACKS_BINARY` of each binary one (300).
"""

import json
import os
import subprocess
import sys

import pytest

from tests.support.attack_formats import FORMATS
from tests.support.paths import ROOT

# These need a second or more for each file.
_SLOW_FORMATS = (
    "weights directory", "description of weights", "weights .npz", "dataset",
    "pose prior", *(name for name in FORMATS if name.endswith(" in the viewer")),
)  # fmt: skip


def faults(*arguments: str) -> list[str]:
    """Returns the reports of `tests.support.attack_run`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.attack_run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_few_damaged_files_of_each_format():
    names = [name for name in FORMATS if name not in _SLOW_FORMATS]
    assert not faults("--count", "4", *names)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_damaged_files(name):
    text, binary = (
        os.environ.get(f"PROHMR_ATTACKS_{kind}", count)
        for kind, count in (("TEXT", "1000"), ("BINARY", "300"))
    )
    assert not faults("--count", text if FORMATS[name].is_text else binary, name)
