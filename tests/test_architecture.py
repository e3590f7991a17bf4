"""Imports go one way: a room knows what stands below it, never what stands above."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "prohmr_jax"

# Lowest first: a folder imports only from lines above its own.
LEVELS = (
    ("__version__", "errors", "structs", "skeleton"),
    ("geometry", "solver"),
    ("body",),
    ("rendering",),
    ("files", "models"),
    ("weights", "priors", "data", "poses", "open_body"),
    ("inference", "fitting", "synthetic", "detection"),
    ("training", "evaluation", "bulk_fitting"),
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


@functools.cache
def imports(path: Path) -> frozenset[tuple[str, ...]]:
    """Every module that a file imports, as parts, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            stem = tuple(node.module.split("."))
            found |= {(*stem, alias.name) for alias in node.names}
    return frozenset(found)


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("room", sorted({room_of(path) for path in modules()}))
def test_a_room_imports_only_from_below(room):
    assert room in LEVEL, f"give {room} a level"
    for path in modules():
        if room_of(path) != room:
            continue
        for name, other, *_ in (i for i in imports(path) if len(i) > 1):
            if name != "prohmr_jax" or other == room:
                continue
            assert LEVEL[other] < LEVEL[room], f"{path} imports {other}"


def test_the_root_holds_its_six_modules_alone():
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_is_not_too_long(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_there_are_no_cycles_among_modules():
    names = {path.relative_to(PACKAGE.parent).with_suffix("").parts: path
             for path in modules()}  # fmt: skip
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
    for path in modules():
        if any(parts[0] == "ml_collections" for parts in imports(path)):
            assert room_of(path) in READ_CONFIGS, path
