"""What the documents name exists, and their commands and programs work."""

import ast
import itertools
import pathlib
import re
import shutil

import pytest

from prohmr_jax.main import find_mode
from prohmr_jax.modes.command_line import read_command_line
from prohmr_jax.modes.shorthand import COMMANDS, DOCTOR
from tests.support.documents import DOCUMENTS, commands
from tests.support.paths import DEMO_KEYPOINTS, ROOT

PACKAGE = ROOT / "prohmr_jax"
FOLDERS = "prohmr_jax|configs|tools|tests|docs"


def name_of(path) -> str:
    return str(path.relative_to(ROOT))


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


def names_in(path) -> set[str]:
    """Names that a module defines or imports at its top."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def exists(dotted: str) -> bool:
    """Whether a dotted name is a folder, a module, or a name of a module."""
    path = ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_name(f"{path.name}.py").is_file():
        return True
    module = path.parent.with_name(f"{path.parent.name}.py")
    return module.is_file() and path.name in names_in(module)


@each_document
def test_modules_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"\bprohmr_jax(?:\.\w+)+", text)
    assert [name for name in names if not exists(name)] == []


@each_document
def test_files_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    names = re.findall(rf"(?<![\w/.:-])(?:{FOLDERS})/[\w./]*\w", text)
    names += re.findall(r"`([\w/]+\.(?:py|cfg|toml))`", text)
    if path.name == "ARCHITECTURE.md":
        names += re.findall(r"`([\w/]+)/?`", text.partition("## How")[0])
    places = [(ROOT / name, PACKAGE / name, PACKAGE / f"{name}.py") for name in names]
    missing = [str(p[0]) for p in places if not any(place.exists() for place in p)]
    assert missing == []


@each_document
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = path.parent / name if name else path
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text("utf-8"), re.M)
            slugs = {
                re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings
            }
            assert anchor in slugs, target


def test_the_navigation_of_the_site_names_every_page():
    tree = ast.parse((ROOT / "docs" / "conf.py").read_text(encoding="utf-8"))
    (navigation,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "NAVIGATION"
    )
    listed = [name for pages in navigation.values() for name in pages]
    pages = {path.stem for path in ROOT.glob("docs/*.md")}
    assert sorted(name for name in listed if "/" not in name) == sorted(pages)


def make_inputs(arguments: list[str]) -> None:
    """Makes what a short command line names, which must exist."""
    for name in itertools.takewhile(lambda word: word[0] != "-", arguments):
        if name in {DOCTOR, *COMMANDS}:
            continue
        if name.endswith("/"):
            pathlib.Path(name).mkdir(parents=True, exist_ok=True)
        else:
            pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(name).touch()


@each_document
def test_commands_have_configs_and_keys_that_exist(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for arguments in commands(path.read_text(encoding="utf-8")):
        make_inputs(arguments)
        options, config = read_command_line(arguments)
        find_mode(config.mode, options.workdir)


def test_commands_are_found():
    text = (
        "Run `python -m prohmr_jax.main\n--config configs/demo.py` or\n"
        "```bash\na && prohmr-jax --config fit \\\n  --config.seed=3\n"
        "prohmr-jax photo.jpg  # a photo\nprohmr-jax --help\nprohmr-jax\n```\n"
        "`pip install 'prohmr-jax[cuda]'`\n"
    )
    assert commands(text) == [
        ["--config", "fit", "--config.seed=3"],
        ["photo.jpg"],
        [],
        ["--config", "configs/demo.py"],
    ]
    assert len(commands((ROOT / "README.md").read_text(encoding="utf-8"))) > 8


def test_names_are_looked_up():
    assert exists("prohmr_jax.main")
    assert exists("prohmr_jax.files.detections.read_detections")
    assert not exists("prohmr_jax.no_such_module")
    assert not exists("prohmr_jax.files.detections.no_such_name")


def test_the_program_of_the_readme_runs(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert "1000, False" in program
    shutil.copy(DEMO_KEYPOINTS, tmp_path / "photo_keypoints.json")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(program.replace("1000, False", "5, False"), names)
    assert names["bodies"].body.joints.shape == (1, 5, 44, 3)
    assert names["bodies"].hypotheses.log_prob.shape == (1, 5)
