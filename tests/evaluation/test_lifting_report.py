"""The report of lifting: means over people, intervals over clips, all cells."""

import numpy as np
import pytest

from prohmr_jax.evaluation.lifting_errors import SampleErrors, SkeletonErrors
from prohmr_jax.evaluation.lifting_report import lifting_row, markdown_report

CLIPS = np.array(["a"] * 6 + ["b"] * 2 + ["c"] * 2)
COUNTS = (1, 5)


def errors_of(values, ranks=None):
    values = np.float32(values)
    people = len(values)
    if ranks is None:
        ranks = np.full((people, 16, 3), 0.5, np.float32)
    samples = SampleErrors(
        best_mpjpe=np.stack([values, values - 10.0], axis=1),
        best_pa_mpjpe=np.stack([values / 2, values / 2 - 5.0], axis=1),
        log_prob=values,
        pit_rank=ranks,
        spread=np.full((people, 16), 40.0),
        mean_error=np.full((people, 16), 50.0),
    )
    return SkeletonErrors(values, values / 2, values + 100, values + 50, samples)


def row_of(errors, model="flow"):
    return lifting_row("clips", "exact", model, errors, CLIPS, COUNTS, 200, seed=0)


def test_means_are_over_people_and_intervals_over_clips():
    values = np.array([50.0] * 6 + [80.0] * 2 + [110.0] * 2)
    row = row_of(errors_of(values))
    assert (row.num_people, row.num_units) == (10, 3)
    assert row.mpjpe.mean == pytest.approx(values.mean())
    # Three clips, drawn with replacement: all three may be the same one.
    assert (row.mpjpe.low, row.mpjpe.high) == (pytest.approx(50), pytest.approx(110))
    assert row.pa_mpjpe.mean == pytest.approx(values.mean() / 2)
    assert row.samples.best_mpjpe[1].mean == pytest.approx(values.mean() - 10)
    assert row.samples.best_pa_mpjpe[0].mean == pytest.approx(values.mean() / 2)
    assert row.mean_pose_mpjpe == pytest.approx(values.mean() + 100)
    same = row_of(errors_of(np.full(10, 70.0)))
    assert same.mpjpe.low == same.mpjpe.high == pytest.approx(70.0)


def test_coverage_is_that_of_the_ranks(rng):
    uniform = rng.uniform(0.0, 1.0, (10, 16, 3)).astype(np.float32)
    samples = row_of(errors_of(np.ones(10), uniform)).samples
    assert samples.coverage_90 == pytest.approx(0.9, abs=0.05)
    assert samples.interval_ece < 0.05
    narrow = row_of(errors_of(np.ones(10), np.round(uniform))).samples
    assert narrow.coverage_90 < 0.1
    assert narrow.interval_signed_ece < -0.3


def test_every_number_is_in_the_page():
    one = errors_of(np.full(10, 70.0)).replace(samples=None)
    rows = [row_of(errors_of(np.full(10, 64.0))), row_of(one, "point")]
    text = markdown_report("# Title", rows)
    assert text.startswith("# Title\n")
    for cell in (
        "clips (N = 10, 3 clips)", "64.0 (64.0-64.0)", "54.0 (54.0-54.0)",
        "70.0 (70.0-70.0)", "100 %", "N = 5", "Human3.6M", "32.9",
    ):  # fmt: skip
        assert cell in text, cell
    point = [line for line in text.splitlines() if "| point" in line]
    assert len(point) == 1
    assert "Best of N" not in markdown_report("# Title", rows[1:])
