"""What a run needs is checked before it starts, and `doctor` prints every check."""

import importlib.metadata
import pathlib

import numpy as np
import pytest
from packaging.requirements import Requirement

from prohmr_jax import main as command
from prohmr_jax.errors import InputError
from prohmr_jax.modes import doctor, evaluate_keypoints
from prohmr_jax.modes.config_files import all_keys, shipped_config, shipped_names
from prohmr_jax.modes.run_checks import (
    CHECKED_KEYS,
    Check,
    require_ready,
    run_checks,
)
from prohmr_jax.poses.bank import HeldOutClip, PoseBank, write_pose_bank
from prohmr_jax.poses.mocap.splits import Split
from tests.support.datasets_case import make_record, write_people

# Keys whose value is a text, but no path of a file that must be there.
WORDS = {
    "mode", "photo", "photos", "exif", "format", "frame", "people", "method", "split",
    "detector", "encoder", "encoder_dtype", "schedule", "hypothesis", "condition",
    "host", "joints", "average", "head", "keypoints",
}  # fmt: skip
# Paths that are checked, each in its own way.
OTHERS = {"output", "directory", "dataset"}


def config_of(name: str, **changes):
    """A shipped config, with keys (a__b is the key b of the part a) changed."""
    config = shipped_config(name)
    for key, value in changes.items():
        *parts, last = key.split("__")
        part = config
        for word in parts:
            part = part[word]
        part[last] = value
    return config.lock()


def names(config, workdir=None) -> list[str]:
    return [check.name for check in run_checks(config, workdir)]


def faults(config, workdir=None, among="") -> dict[str, str]:
    """What is wrong, by the name of the check; `among` is a part of all the names."""
    wrong = {}
    for check in run_checks(config, workdir):
        if among not in check.name:
            continue
        try:
            assert check.find()
        except InputError as error:
            wrong[check.name] = str(error)
    return wrong


@pytest.mark.parametrize("name", shipped_names())
def test_every_text_of_a_config_is_a_word_or_is_checked(name):
    config = shipped_config(name)
    texts = set()
    for key in all_keys(config):
        value = config
        for part in key.split("."):
            value = value[part]
        if isinstance(value, str):
            texts.add(key.rpartition(".")[2])
    assert texts <= WORDS | OTHERS | set(CHECKED_KEYS)
    assert not WORDS & set(CHECKED_KEYS)


def test_a_training_on_photos_misses_nothing_after_it_began(tmp_path):
    people = write_people(tmp_path / "people", [make_record(0), make_record(1)])
    changes = {
        "synthetic__directory": str(tmp_path / "rendered"),
        "sources__people__directory": str(tmp_path / "rendered"),
        "validation__directory": str(people),
        "validation__split": "train",
    }
    config = config_of("prohmr_smoke", **changes)
    assert faults(config, tmp_path / "run") == {}
    assert {"--workdir", "config.encoder_weights", "config.validation"} <= set(
        names(config, tmp_path / "run")
    )
    # Neither rendering nor training would have met these early.
    late = {
        "encoder_weights": str(tmp_path / "none.npz"),
        "mocap": str(tmp_path / "none.npz"),
        "validation__split": "val",
    }
    wrong = faults(config_of("prohmr_smoke", **{**changes, **late}), tmp_path / "run")
    assert set(wrong) == {"config.encoder_weights", "config.mocap", "config.validation"}
    assert "no split 'val'" in wrong["config.validation"]
    # A dataset that the run does not render must be there.
    config = config_of(
        "prohmr_smoke", **{**changes, "sources__people__directory": str(tmp_path / "x")}
    )
    assert set(faults(config, tmp_path / "run")) == {"config.sources.people"}
    assert not (tmp_path / "rendered").exists()
    assert not (tmp_path / "run").exists()


def test_a_training_that_goes_on_needs_no_start(tmp_path):
    config = config_of("prohmr_keypoints", weights=str(tmp_path / "removed.npz"))
    assert set(faults(config, tmp_path)) == {"config.weights"}
    (tmp_path / "states" / "100").mkdir(parents=True)
    assert "config.weights" not in names(config, tmp_path)
    assert faults(config, tmp_path) == {}


def test_recipes_of_an_ablation_are_checked(tmp_path):
    bank = PoseBank(np.zeros((2, 24, 3), "f4"), np.zeros(2, "u1"), ("rest",))
    write_pose_bank(tmp_path / "poses.npz", bank)
    held_out = tmp_path / "heldout.npz"
    write_clips(held_out)
    config = shipped_config("ablation_keypoints")
    config.evaluation.held_out = str(held_out)
    config.training.pose_bank = str(tmp_path / "poses.npz")
    first = next(iter(config.recipes))
    with config.recipes[first].unlocked():
        config.recipes[first].pose_bank = str(tmp_path / "other.npz")
    assert set(faults(config, tmp_path)) == {f"config.recipes.{first}.pose_bank"}


def write_clips(path: pathlib.Path) -> None:
    clip = HeldOutClip("jump", Split.UNSEEN_ACTION, np.zeros((3, 24, 3), "f4"))
    arrays = {
        "names": np.array([clip.name]),
        "group": np.array([clip.split.value]),
        "num_frames": np.array([3]),
        "axis_angle": clip.axis_angle,
    }
    np.savez(path, **arrays)


@pytest.mark.parametrize("name", shipped_names())
def test_outputs_that_have_a_default_are_folders(name, tmp_path):
    config = shipped_config(name)
    if "output" in config:
        is_folder = bool(config.output)
        config.output = str(tmp_path)
        assert bool(faults(config, among="config.output")) != is_folder


def test_outputs(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for mode, output, is_right in (
        ("fit", "folder", True),
        ("fit", "new/folder", True),
        ("fit", "file", False),
        ("fit", "file/folder", False),
        ("evaluate_fitting", "file", True),
        ("evaluate_fitting", "new/file", True),
        ("evaluate_fitting", "folder", False),
        ("measure_detector", "folder", True),
    ):
        config = config_of(mode, output=str(tmp_path / output))
        wrong = faults(config, among="output")
        assert set(wrong) == (set() if is_right else {"config.output"}), output
    config = config_of("measure_detector", report=str(tmp_path / "folder"))
    wrong = faults(config, among="report")
    assert "it is a folder" in wrong["config.report"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_weights_without_a_state_are_no_weights(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "model.json").write_text('{"version": 1, "encoder": "resnet18"}')
    config = config_of("prohmr_synthetic", encoder_weights=str(tmp_path / "w"))
    assert "no finished checkpoint" in faults(config)["config.encoder_weights"]
    config = config_of("evaluate_keypoints", checkpoint=str(tmp_path / "none"))
    with pytest.raises(InputError, match="none: no such weights file"):
        require_ready(config)


@pytest.fixture
def main(capsys, monkeypatch):
    """Runs a command line; returns the exit code, and what it prints and complains."""
    monkeypatch.setattr(command, "log_progress", lambda: None)

    def run(*arguments: str):
        code = 0
        try:
            command.main([*arguments, "--compilation_cache="])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return run


def test_a_mode_that_lacks_something_is_not_started(main, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(evaluate_keypoints, "run", started.append)
    write_clips(tmp_path / "clips.npz")
    arguments = "--config=evaluate_keypoints", f"--config.held_out={tmp_path}/clips.npz"
    code, _, complaint = main(*arguments, f"--config.output={tmp_path}")
    assert (code, len(started)) == (2, 0)
    assert complaint.startswith(f"error: {tmp_path}: cannot be written")
    assert main(*arguments, f"--config.output={tmp_path}/report.md")[0] == 0
    assert len(started) == 1


def test_the_doctor_passes_what_ships(main, tmp_path):
    code, lines, complaint = main("doctor", f"--config.output={tmp_path / 'out'}")
    assert (code, complaint) == (0, "")
    assert lines[-1] == f"all {len(lines) - 1} checks passed"
    assert all(line.startswith("ok ") for line in lines[:-1])
    for words in ("versions", "devices", "keypoint weights", "detector", "config.body"):
        assert any(line.split("ok")[1].strip().startswith(words) for line in lines[:-1])
    assert not (tmp_path / "out").exists()


def test_the_doctor_prints_all_faults_and_ends_with_code_2(main, monkeypatch, tmp_path):
    checks = [Check("devices", lambda: "one")]
    monkeypatch.setattr(doctor, "installation_checks", lambda cache: checks)
    code, lines, complaint = main(
        "doctor", "--config=evaluate_keypoints", f"--config.held_out={tmp_path}/no.npz",
        f"--config.body={tmp_path}/no.pkl",
    )  # fmt: skip
    assert code == 2
    assert complaint == "error: doctor: 2 of 3 checks found a fault\n"
    assert [line.split()[:2] for line in lines] == [
        ["ok", "devices"], ["FAULT", "config.body"], ["FAULT", "config.held_out"]
    ]  # fmt: skip
    assert "no.npz: cannot be read: No such file" in lines[2]


def test_versions_of_packages_are_compared():
    version = importlib.metadata.version("numpy")
    assert doctor.package_fault(Requirement("numpy>=1")) == ""
    said = doctor.package_fault(Requirement("numpy>=999"))
    assert said == f"numpy>=999 is required, but {version} is installed"
    said = doctor.package_fault(Requirement("no-such-package-at-all"))
    assert said == "no-such-package-at-all is not installed"


def test_a_cache_that_cannot_be_written_is_a_fault(tmp_path):
    (tmp_path / "file").write_text("")
    checks = {c.name: c for c in doctor.installation_checks(str(tmp_path / "file"))}
    with pytest.raises(InputError, match="file: cannot be written"):
        checks["compilation cache"].find()
