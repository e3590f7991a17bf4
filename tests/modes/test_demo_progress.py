"""The progress of the demo ends at its total, whoever is in the files."""

import io

import pytest
import tqdm

from prohmr_jax.modes import demo_progress
from prohmr_jax.modes.demo_progress import DemoProgress


@pytest.fixture(autouse=True)
def bar(monkeypatch):
    """The bar that a test makes, shown as on a terminal."""
    bars = []

    def make(**settings):
        bars.append(tqdm.tqdm(**settings | {"disable": False, "file": io.StringIO()}))
        return bars[-1]

    monkeypatch.setattr(demo_progress, "tqdm", make)
    return bars


@pytest.mark.parametrize("sheets", [True, False])
@pytest.mark.parametrize("overlays", [True, False])
def test_all_steps_are_counted(bar, sheets, overlays):
    # (people, pictures) of each file; None for a file that cannot be read.
    files = [(1, 1), (0, 0), None, (5, 2)]
    steps = [1 + p * (1 + sheets) + q * overlays for p, q in [(1, 1), (0, 0), (5, 2)]]
    expected = steps[0]
    totals = []
    with DemoProgress(len(files), sheets, overlays) as progress:
        for file in files:
            if file is not None:
                progress.people_are_known(*file)
                people, pictures = file
                for _ in range(people * (1 + sheets) + pictures * overlays):
                    progress.step()
            progress.end_file()
            totals.append(bar[0].total)
    assert totals[0] == 4 * expected
    assert totals[1] == totals[2] == 3 * expected + steps[1]
    assert totals[3] == bar[0].n == 2 * expected + steps[1] + steps[2]


def test_a_file_that_fails_midway_is_counted_whole(bar):
    with DemoProgress(2, True, True) as progress:
        progress.people_are_known(3, 1)
        progress.step()
        progress.end_file()
    assert bar[0].n == 8
    assert bar[0].total == 8 + 4
