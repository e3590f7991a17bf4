"""The command line: configs by name and by path, and mistakes of one line."""

import contextlib
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from ml_collections import ConfigDict

from prohmr_jax import main as command
from prohmr_jax.errors import InputError
from prohmr_jax.modes import config_files
from prohmr_jax.modes.command_line import read_command_line
from prohmr_jax.modes.config_files import read_config, shipped_config, shipped_names
from prohmr_jax.modes.renamed_keys import RENAMED_KEYS
from prohmr_jax.training.hosts import join_hosts
from tests.support.paths import ROOT


@pytest.fixture
def mistake(capsys, monkeypatch):
    """Runs a command line that must end with code 2; returns its one line."""
    # Levels and handlers of logs are for the whole process.
    monkeypatch.setattr(command, "log_progress", lambda: None)

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            command.main(arguments)
        assert end.value.code == 2
        output = capsys.readouterr()
        assert output.out == ""
        (line,) = output.err.splitlines()
        return line

    return run


def write_config(path, change: str, base: str = "fit"):
    """Writes a user's own config: one that ships, with a statement added."""
    path.write_text(
        f"from prohmr_jax.configs import {base}\n\n"
        f"def get_config():\n"
        f"    config = {base}.get_config()\n"
        f"    {change}\n"
        f"    return config\n"
    )
    return str(path)


@pytest.mark.parametrize("name", shipped_names())
def test_a_name_and_a_path_are_the_same_config(name):
    by_path = read_config(str(ROOT / "configs" / f"{name}.py"))
    assert read_config(name).to_dict() == by_path.to_dict()


def test_the_configs_that_ship_are_those_of_the_folder():
    files = {path.stem for path in (ROOT / "configs").glob("*.py")}
    assert set(shipped_names()) == files - {"__init__"}


@pytest.mark.parametrize(
    "form",
    [
        ["--config=demo", "--config.seed=5", "--config.sheet.num_shown=2"],
        ["--config", "demo", "--config.seed", "5", "--config.sheet.num_shown", "2"],
        ["--config.sheet.num_shown=2", "--config.seed=5", "--config=demo"],
    ],
)
def test_keys_are_set_in_every_form(form):
    _, config = read_command_line(form)
    expected = shipped_config("demo").to_dict()
    expected["seed"], expected["sheet"]["num_shown"] = 5, 2
    assert config.to_dict() == expected
    assert config.is_locked


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("--config.image_size=(640,480)", "image_size", (640, 480)),
        ("--config.focal_length_px=3", "focal_length_px", 3.0),
        ("--noconfig.use_hips", "use_hips", False),
        ("--config.use_hips", "use_hips", True),
        ("--config.photo=", "photo", ""),
    ],
)
def test_values_have_the_type_of_their_key(argument, key, value):
    _, config = read_command_line(["--config=fit", argument])
    assert config[key] == value
    assert type(config[key]) is type(value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config"], "expected one argument"),
        (["--config=demoo"], "did you mean 'demo'?"),
        (["--config=zzz"], f"there are {', '.join(shipped_names())}"),
        (["--config=nowhere/demo.py"], "nowhere/demo.py: does not exist; one that "
         "ships is --config demo"),
        (["--config=nowhere/x.py"], "nowhere/x.py: does not exist"),
        (["--config=fit", "--config.slot=3"], "did you mean 'slots'?"),
        (["--config=demo", "--config.sheet.panel_pix=3"],
         "did you mean 'sheet.panel_px'?"),
        (["--config=demo", "--config.panel_px=3"], "did you mean 'sheet.panel_px'?"),
        (["--config=demo", "--config.qqq=3"], "there are body, checkpoint, "),
        (["--config=demo", "--config.seed=x"], "--config.seed=x: "),
        (["--config=demo", "--config.seed=1.5"], "--config.seed=1.5: "),
        (["--config=fit", "--config.use_hips=perhaps"], "--config.use_hips=perhaps: "),
        (["--config=demo", "--config.image_size=wide"], "'wide' is not of type int"),
        (["--config=demo", "--config.sheet=3"], "--config.sheet=3: "),
        (["--config=demo", "--config.seed"], "Missing value for flag --config.seed"),
        (["--config=demo", "--config.mode=fit"], "--config.mode: cannot be set"),
        (["--config=demo", "--wrkdir=x"], "did you mean 'workdir'?"),
        (["--config=demo", "photo.json"], "photo.json: is neither an option nor "
         "the value of one; an input is --config.input=photo.json"),
        (["nowhere.jpg"], "nowhere.jpg: no such file or folder"),
        (["doctr"], "doctr: no such file or folder; did you mean 'doctor'?"),
        (["fit"], "the config of this name is run by --config fit"),
        (["--config=prohmr"], "--workdir: training needs a directory"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_and_code_2(mistake, arguments, said):
    assert said in mistake(*arguments)


@pytest.mark.parametrize(
    "value",
    ["None", "", "x", "1", "-1.5", "nan", "(1,", "(1,)", "[1]", "{'a': 1}", "'"],
)
def test_any_value_is_taken_or_bad_input(value):
    for key in config_files.all_keys(shipped_config("benchmark_fitting")):
        with contextlib.suppress(InputError):
            arguments = ["--config=benchmark_fitting", f"--config.{key}={value}"]
            _, config = read_command_line(arguments)
            assert config.is_locked


def test_a_config_file_with_an_old_mode_is_told_the_new_one(tmp_path, mistake):
    for old, new in command.RENAMED_MODES.items():
        path = write_config(tmp_path / "old.py", f"config.mode = {old!r}")
        assert f"{old!r} is called {new!r} now" in mistake("--config", path)
    assert set(command.RENAMED_MODES.values()) <= set(command.MODES)


def test_a_config_file_with_an_unknown_mode_is_told_the_nearest(tmp_path, mistake):
    path = write_config(tmp_path / "odd.py", "config.mode = 'evaluate_image'")
    assert "did you mean 'evaluate_images'?" in mistake("--config", path)


def test_an_old_key_is_told_its_new_name(tmp_path, mistake, monkeypatch):
    monkeypatch.setitem(RENAMED_KEYS, "fit", {"seats": "slots"})
    said = "'seats' is called 'slots' now"
    assert said in mistake("--config=fit", "--config.seats=3")
    assert said in mistake("--config=fit", "--config.seat=3")
    path = write_config(tmp_path / "old.py", "config.seats = config.slots")
    assert said in mistake("--config", path)


def test_renamed_keys_are_keys_of_configs_that_ship():
    modes = {config.mode: config for config in map(shipped_config, shipped_names())}
    for mode, renamed in RENAMED_KEYS.items():
        keys = config_files.all_keys(modes[mode])
        for old, new in renamed.items():
            assert old not in keys
            assert new in keys


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("config.slot = 3", "there is no key 'slot'; did you mean 'slots'?"),
        ("del config.slots", "lacks the key 'slots'"),
        ("config = config.to_dict()", "needs get_config"),
        ("del config.mode", "needs get_config"),
        ("config.no_such.key = 3", "line 5: AttributeError"),
        ("return (", "SyntaxError"),
    ],
)
def test_a_faulty_config_file_is_one_line(tmp_path, mistake, change, said):
    path = write_config(tmp_path / "own.py", change)
    line = mistake("--config", path)
    assert path in line
    assert said in line


def test_parts_with_names_of_the_user_are_accepted(tmp_path):
    change = "config.sources.mine = config.sources.people"
    path = write_config(tmp_path / "own.py", change, base="prohmr_synthetic")
    assert "mine" in read_config(path).sources


def test_every_mode_has_a_config_and_a_module():
    modes = {shipped_config(name).mode for name in shipped_names()}
    assert modes == set(command.MODES)
    for mode in command.MODES.values():
        path = ROOT / "prohmr_jax" / f"{mode.module.replace('.', '/')}.py"
        assert "\ndef run(" in path.read_text()


@pytest.mark.parametrize("keeps_programs", [True, False])
def test_a_mode_runs_as_it_declares(monkeypatch, capsys, keeps_programs):
    calls, settings = [], {}
    config = ConfigDict({"mode": "some"})
    options = SimpleNamespace(
        workdir="runs/x", compilation_cache="cache", distributed="",
        only_checks=False, short_for=("--config", "some"),
    )  # fmt: skip
    checked = []
    # One module stands for that of the mode and for that of the checks.
    module = SimpleNamespace(
        run=lambda *arguments: calls.append((*arguments, len(checked))),
        require_ready=lambda *arguments: checked.append(arguments),
    )
    mode = command.Mode("some", trains=True, keeps_programs=keeps_programs)
    monkeypatch.setitem(command.MODES, "some", mode)
    monkeypatch.setattr(command, "log_progress", lambda: None)
    monkeypatch.setattr(command, "read_command_line", lambda _: (options, config))
    monkeypatch.setattr(command.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(command.jax.config, "update", settings.__setitem__)
    command.main([])
    assert capsys.readouterr().out == "this is: prohmr-jax --config some\n"
    assert checked == [(config, pathlib.Path("runs/x"))]
    assert calls == [(config, pathlib.Path("runs/x"), 1)]
    kept = settings.get("jax_compilation_cache_dir")
    assert kept == ("cache" if keeps_programs else None)


def test_the_word_doctor_asks_for_checks_alone():
    options, config = read_command_line(["doctor", "--config=fit", "--config.slots=3"])
    assert (options.only_checks, config.mode, config.slots) == (True, "fit", 3)
    options, config = read_command_line(["doctor"])
    assert (options.only_checks, config.mode) == (True, "demo")
    assert not read_command_line(["--config=fit"])[0].only_checks
    with pytest.raises(InputError, match="doctor: is neither an option"):
        read_command_line(["--config=fit", "doctor"])


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["--config=fit", "-h"]])
def test_help_lists_the_forms_and_the_configs(capsys, arguments):
    command.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    for form in ("prohmr-jax photo.jpg", "prohmr-jax doctor", "prohmr-jax export"):
        assert any(line.startswith(f"  {form}") for line in lines)
    for name in shipped_names():
        said = (ROOT / "configs" / f"{name}.py").read_text().splitlines()[0]
        assert [line for line in lines if line.split()[:1] == [name]] == [
            next(line for line in lines if line.endswith(said[3:].rstrip('".')))
        ]


def test_a_wrong_description_of_hosts_is_refused():
    with pytest.raises(InputError, match="'host:port,number,count'"):
        join_hosts("here,first,2")


def test_the_package_imports_no_framework():
    program = "import prohmr_jax, sys; print(len(sys.modules), 'jax' in sys.modules)"
    bare = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    number, has_jax = bare.stdout.split()
    assert int(number) < 100
    assert has_jax == "False"
