"""The picture of reports: what is in it, and which reports cannot be drawn."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.keypoint_figure import draw_reports
from prohmr_jax.evaluation.keypoint_report import ConditionReport, JointsReport

RED, BLUE = (209, 73, 91), (31, 95, 168)


def report(scale, hidden_joints=0):
    errors = Errors(30.0, [29.0, 28.0], 60.0, [58.0, 57.0], 120.0, 300.0)
    numbers = {f.name: 0.5 for f in dataclasses.fields(JointsReport)}
    numbers |= {"spread_mm": 20.0 * scale, "error_of_mean_mm": 60.0}
    numbers |= {"energy_score_mm": 40.0 * scale, "num_joints": 9}
    seen = JointsReport(**numbers)
    hidden = dataclasses.replace(seen, num_joints=hidden_joints)
    return ConditionReport(
        "some split", "exact", 3, 1, (1, 100), errors, errors, 31.0, 61.0, (29.0, 31.0),
        0.01, seen, hidden,
    )  # fmt: skip


def pixels(path, color):
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int(np.all(np.abs(picture - color) < 12, axis=-1).sum())


def test_every_model_has_its_color(tmp_path):
    draw_reports(tmp_path / "one.png", {"now": [report(1.0)]}, "some split")
    both = {"now": [report(1.0, 4)], "before": [report(2.0, 4)]}
    draw_reports(tmp_path / "two.png", both, "some split")
    assert pixels(tmp_path / "one.png", RED) == 0 < pixels(tmp_path / "one.png", BLUE)
    assert pixels(tmp_path / "two.png", RED) > 100
    assert (tmp_path / "two.png").stat().st_size < 60_000


def test_what_cannot_be_drawn(tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(InputError, match="now: has no report of the split 'other'"):
        draw_reports(path, {"now": [report(1.0)]}, "other")
    for models in ({}, {str(n): [report(1.0)] for n in range(5)}):
        with pytest.raises(InputError, match="shows 1 to 4 models"):
            draw_reports(path, models, "some split")
    assert not path.exists()
