"""The measurement of verdicts: who is measured, who counts as implausible, the page."""

import dataclasses

import numpy as np
import pytest

from configs.evaluate_plausibility import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.planted_failures import (
    CAMERA_FAULTS,
    KEYPOINT_FAULTS,
    VIEW_FAULTS,
)
from prohmr_jax.evaluation.plausibility_errors import (
    CALIBRATED,
    FIT,
    FUSION,
    JOINT,
    PREDICTION,
)
from prohmr_jax.inference.plausibility import Limits, Measures
from prohmr_jax.modes import evaluate_plausibility
from prohmr_jax.modes.config_files import shipped_config
from prohmr_jax.modes.evaluate_plausibility import (
    implausible_people,
    ranges_of,
    run,
)
from prohmr_jax.modes.plausible_limits import read_limits
from prohmr_jax.poses.bank import write_held_out_clips
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import Split

LIMITS = Limits(5.0, -100.0, 4.0, (1.2, 2.2), (0.5, 3.0), 10.0)


def measures(error) -> Measures:
    error = np.asarray(error, np.float32)
    values = (0.0, 1.0, 4.0, 1.7, 1.8, 300.0)
    numbers = (np.full(error.shape, v, np.float32) for v in values)
    return Measures(error, *numbers, np.zeros(error.shape, bool))


def test_one_implausible_view_makes_a_person_implausible():
    assert implausible_people(measures([1.0, 9.0]), LIMITS).tolist() == [False, True]
    views = measures([[1.0, 1.0], [1.0, 9.0], [9.0, 9.0]])
    assert implausible_people(views, LIMITS).tolist() == [False, True, True]


def test_ranges_leave_out_people_without_keypoints():
    ranges = ranges_of(measures([1.0, np.nan, 3.0]))
    assert ranges["reprojection_percent"] == (1.0, 3.0)
    assert ranges["stature_m"] == pytest.approx((1.7, 1.7))


@pytest.mark.parametrize("mode", ["demo", "fit", "joint", "fusion"])
def test_the_limits_that_ship_are_those_that_are_tried(mode):
    shipped = shipped_config("multiview" if mode in ("joint", "fusion") else mode)
    plausible = shipped.plausible.to_dict()
    assert get_config().plausible[mode].to_dict() == plausible.get(mode, plausible)
    limits = read_limits(get_config().plausible[mode])
    names = {field.name for field in dataclasses.fields(Limits)}
    assert set(get_config().plausible[mode].keys()) == names
    assert limits.stature_m[0] < 1.5 < 2.0 < limits.stature_m[1]


def test_the_program_writes_its_page(tmp_path, monkeypatch, capsys):
    """The fits are replaced: good people err by 1 %, and wrong ones by 9 %."""
    asked = []

    def one_view(study, poses, fault=None):
        asked.append((len(poses), fault))
        error = np.full(len(poses), 1.0 if fault is None else 9.0)
        return {PREDICTION: measures(error), FIT: measures(error)}

    def several_views(study, poses, fault=None, methods=(CALIBRATED, JOINT, FUSION)):
        error = np.ones((len(poses), study.num_views))
        if fault is not None:
            error[1:, -1] = 9.0  # the first person's fault is not found
        return {method: measures(error) for method in methods}

    monkeypatch.setattr(evaluate_plausibility, "measure_one_view", one_view)
    monkeypatch.setattr(evaluate_plausibility, "measure_several_views", several_views)
    poses = np.zeros((6, 24, 3), np.float32)
    poses[:, 0, 1] = np.arange(6)
    write_held_out_clips(
        tmp_path / "held_out.npz",
        [(Clip("walking__1", poses, poses[:, 0]), Split.SEEN_ACTION)],
    )
    config = get_config()
    config.update(
        held_out=str(tmp_path / "held_out.npz"), people_per_split=5, people_in_views=4,
        people_per_fault=3, output=str(tmp_path / "page.md"),
    )  # fmt: skip
    config.plausible.fit.max_reprojection_percent = 10.0
    report = run(config.lock())
    assert [number for number, _ in asked] == [5] + [3] * len(KEYPOINT_FAULTS)
    assert {name: len(who) for name, who in report.good.items()} == {
        PREDICTION: 5, FIT: 5, CALIBRATED: 4, JOINT: 4, FUSION: 4,
    }  # fmt: skip
    assert not np.concatenate(list(report.good.values())).any()
    assert list(report.wrong) == [*KEYPOINT_FAULTS, *VIEW_FAULTS, *CAMERA_FAULTS]
    text = (tmp_path / "page.md").read_text()
    assert text == report.text()
    assert text in capsys.readouterr().out
    assert "5 good people of seen-action test" in text
    cells = {
        row[0]: row[1:]
        for line in text.splitlines()
        if len(row := [cell.strip() for cell in line.strip("|").split("|")]) > 1
    }
    # A fault is found by the limits of its method, and cameras concern one method.
    assert cells["y counted upwards"] == ["3 of 3", "0 of 3", "-", "-", "-"]
    assert cells["another person in one view"] == [
        "-", "-", "2 of 3", "2 of 3", "0 of 3",
    ]  # fmt: skip
    assert cells["camera to world"] == ["-", "-", "2 of 3", "-", "-"]
    assert cells["fusion"][:2] == ["0 of 4", "1.0 to 1.0"]


def test_values_of_the_config():
    for key, value in {"condition": "foggy", "views": 1, "batch_size": 1}.items():
        config = get_config()
        config[key] = value
        with pytest.raises(InputError, match=rf"config\.{key}"):
            run(config.lock())
