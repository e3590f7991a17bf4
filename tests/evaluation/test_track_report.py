"""Tables of tracks count each clip once, however many tracks it has."""

from types import SimpleNamespace

import numpy as np
import pytest

from prohmr_jax.evaluation.track_report import (
    errors_table,
    interval_of_means,
    means_of_clips,
)


def test_tracks_of_a_clip_count_as_one():
    means = means_of_clips([1.0, 3.0, np.nan, 5.0, np.nan], [7, 7, 8, 8, 9])
    np.testing.assert_array_equal(means, [2.0, 5.0, np.nan])
    interval = interval_of_means(means, 0)
    assert interval.mean == pytest.approx(3.5)
    assert 2.0 <= interval.low <= 3.5 <= interval.high <= 5.0
    assert interval_of_means(np.array([np.nan]), 0) is None


def test_methods_are_compared_clip_by_clip():
    """The clips differ by far more than the methods, which differ by 1 in each clip."""
    clips = np.arange(12)
    first = [SimpleNamespace(a=10.0 * clip, b=np.nan) for clip in clips]
    second = [SimpleNamespace(a=10.0 * clip - 1, b=2.0) for clip in clips]
    errors = {"one": first, "two": second}
    lines = errors_table({"a": "A", "b": "B"}, errors, clips, 0).splitlines()
    titles, one, two = ([c.strip() for c in lines[i].split("|")] for i in (0, 2, 3))
    assert titles[1:-1] == ["method", "A", "B", "A minus the first row's"]
    assert one[1] == "one"
    assert one[2].startswith("55.0 (")
    assert one[3:5] == ["none", "0"]
    assert two[2].startswith("54.0 (")
    assert two[3:5] == ["2.0 (2.0 to 2.0)", "-1.0 (-1.0 to -1.0)"]
