"""What may import what, how long a module may be, and where a test belongs."""

import ast
import collections
import functools
import graphlib
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "prohmr_jax"

# Lowest first: a folder imports only from lines above its own.
LEVELS = (
    ("__version__", "configs", "errors", "structs", "skeleton"),
    ("geometry", "solver"),
    ("body",),
    ("rendering",),
    ("files", "models"),
    ("weights", "priors", "data", "poses", "open_body"),
    ("inference", "fitting", "synthetic", "detection", "tracking"),
    ("training", "evaluation", "bulk_fitting"),
    ("viewer",),
    ("modes", "parity"),
    ("benchmarks",),
    ("main",),
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# The only modules at the root of the package.
ROOT_MODULES = {"__init__", "main", "errors", "structs", "skeleton", "body"}
MAX_LINES = 300
# Only these folders read configs; what they call takes explicit arguments.
READ_CONFIGS = {"modes", "benchmarks", "main"}

_COMPARED = "`parity` names a module after the one that it compares with the official"
# Why several files of the package have one name.
SAME_STEM = {
    "detections": _COMPARED,
    "fitting": f"{_COMPARED}; `benchmarks` does so for what it times",
    "kinematics": "`open_body` builds a skeleton, `poses` turns joints of clips",
    "layers": _COMPARED,
    "objectives": _COMPARED,
    "surface": "`open_body` holds the mesh that is built, `rendering` the one drawn",
}

# Folders of tests that are not those of one folder of the package.
TEST_FOLDERS = {"attacks", "support", "programs", "goldens", "files_of_before"}


def package_modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def all_modules() -> list[Path]:
    folders = ("prohmr_jax", "configs", "tools", "tests")
    return sorted(path for name in folders for path in (ROOT / name).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path: Path) -> frozenset[tuple[str, ...]]:
    """Every module that a file imports, as parts, wherever in the file."""
    names = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            stem = tuple(node.module.split("."))
            names |= {(*stem, alias.name) for alias in node.names}
    return frozenset(names)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names_of_others(path: Path) -> list[str]:
    """Private names of our modules that a file imports, or reads from a module."""
    ours = ("prohmr_jax", "configs", "tests", "tools")
    own_modules, names = set(), []
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ours:
            folder = ROOT / node.module.replace(".", "/")
            own_modules |= {
                alias.asname or alias.name
                for alias in node.names
                if (folder / f"{alias.name}.py").exists()
            }
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            names += [f"line {node.lineno}: {p}" for p in parts if is_private(p)]
    for node in ast.walk(syntax_tree(path)):
        if (
            isinstance(node, ast.Attribute)
            and is_private(node.attr)
            and isinstance(node.value, ast.Name)
            and node.value.id in own_modules
        ):
            names.append(f"line {node.lineno}: {node.value.id}.{node.attr}")
    return names


@pytest.mark.parametrize("room", sorted({room_of(path) for path in package_modules()}))
def test_a_room_imports_only_from_below(room):
    assert room in LEVEL, f"give {room} a level"
    for path in package_modules():
        if room_of(path) != room:
            continue
        for name, other, *_ in (i for i in imports(path) if len(i) > 1):
            if name != "prohmr_jax" or other == room:
                continue
            assert LEVEL[other] < LEVEL[room], f"{path} imports {other}"


def test_the_root_holds_its_six_modules_alone():
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES


def test_the_document_shows_every_room_at_its_level():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    shown, level = {}, 0
    for number, names in re.findall(r"^\| (\d*) ?\| (`[^|]*`) \|", text, re.M):
        level = int(number) if number else level
        shown |= dict.fromkeys(re.findall(r"`(\w+)/?`", names), level)
    rooms = {room_of(path) for path in package_modules()}
    assert shown == {room: 1 + LEVEL[room] for room in rooms}


@pytest.mark.parametrize("path", package_modules(), ids=name_of)
def test_a_module_is_not_too_long(path):
    number_of_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert number_of_lines <= MAX_LINES


def test_a_second_file_of_one_name_has_a_reason():
    files = collections.defaultdict(list)
    for path in package_modules():
        files[path.stem].append(name_of(path))
    del files["__init__"]
    same = {stem: names for stem, names in files.items() if len(names) > 1}
    assert {s: names for s, names in same.items() if s not in SAME_STEM} == {}
    assert set(SAME_STEM) <= set(same), "a reason that is no longer needed"


def test_there_are_no_cycles_among_modules():
    names = {path.relative_to(ROOT).with_suffix("").parts: path
             for path in package_modules()}  # fmt: skip
    graph = {
        name: {
            part
            for parts in imports(path)
            for part in (parts, parts[:-1])
            if part in names and part != name
        }
        for name, path in names.items()
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(names)


def test_only_modes_read_configs():
    for path in package_modules():
        if any(parts[0] == "ml_collections" for parts in imports(path)):
            assert room_of(path) in READ_CONFIGS, path


@pytest.mark.parametrize("path", all_modules(), ids=name_of)
def test_nobody_uses_a_private_name_of_another_module(path):
    assert private_names_of_others(path) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=name_of)
def test_tests_share_code_in_their_support_alone(path):
    """No test module imports another, and support imports no test module."""
    for parts in imports(path):
        assert parts[0] != "tests" or parts[1] == "support", parts


def test_tests_lie_where_their_subject_lies():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        if folder.parts and folder.parts[0] not in TEST_FOLDERS:
            assert (PACKAGE / folder / "__init__.py").is_file(), path


def requirements() -> dict[str, list[tuple[str, bool]]]:
    """Requirements of the package and of its extras, and whether each says why."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    required = text.partition("install_requires =")[2].partition("\n[")[0]
    extras = text.partition("[options.extras_require]")[2].partition("\n[")[0]
    entries, group, has_reason = {}, "", False
    for line in (required + extras).splitlines():
        entry = line.strip()
        if line and not line[0].isspace():
            group = entry.removesuffix(" =")
        elif entry and not entry.startswith("#"):
            entries.setdefault(group, []).append((entry, has_reason))
        has_reason = entry.startswith("#")
    return entries


@pytest.mark.parametrize("group", requirements())
def test_each_dependency_says_why_it_is_needed(group):
    assert [name for name, has_reason in requirements()[group] if not has_reason] == []


def test_what_the_package_imports_is_declared():
    declared = {
        re.match(r"[\w.-]+", entry)[0].lower().replace("_", "-")
        for entries in requirements().values()
        for entry, _ in entries
    }
    distributions = importlib.metadata.packages_distributions()
    for path in (*package_modules(), *(ROOT / "tools").glob("*.py")):
        for name in {parts[0] for parts in imports(path)} - sys.stdlib_module_names:
            if name in ("prohmr_jax", "configs"):
                continue
            names = {d.lower().replace("_", "-") for d in distributions.get(name, [])}
            assert not names or names & declared, f"{path} imports {name}"
