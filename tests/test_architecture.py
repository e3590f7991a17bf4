"""Imports go one way: a room knows what stands below it, never what stands above."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "prohmr_jax"

LEVELS = (
    ("errors", "structs", "skeleton", "__version__"),
    ("config_checks", "optimizers", "rotations", "cameras", "boxes", "pixels",
     "procrustes", "quasi_newton", "randomness", "wolfe"),
    ("body", "minimise"),
    ("models", "official_parts", "official_weights", "data", "files", "open_body",
     "pose_prior", "rendering", "slots"),
    ("losses", "metrics", "body_errors", "synthesis", "predict", "fitting"),
    ("train_state", "objective", "lifting", "recovery", "checkpoint",
     "results", "pictures", "reconstruction",
     "demo_report", "lifting_errors", "fitting_errors",
     "image_errors", "image_report", "training_loop", "conversion", "synthetic",
     "labelling", "pose_flow"),
    ("train", "train_images", "evaluate", "evaluate_fitting", "evaluate_images", "demo",
     "fit", "multiview", "labelling_config", "benchmarks", "make_dataset", "parity"),
    ("main",),
)  # fmt: skip
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# Neighbours on a level that may know each other, in this direction only.
NEIGHBOURS = {
    ("official_parts", "models"),
    ("official_weights", "models"),
    ("official_weights", "official_parts"),
    ("data", "files"),
    ("open_body", "files"),
    ("pose_prior", "files"),
    ("files", "rendering"),
    ("body_errors", "metrics"),
    ("predict", "synthesis"),
    ("checkpoint", "train_state"),
    ("pose_flow", "train_state"),
    ("conversion", "checkpoint"),
    ("objective", "train_state"),
    ("lifting", "objective"),
    ("recovery", "objective"),
    ("recovery", "train_state"),
    ("training_loop", "checkpoint"),
    ("training_loop", "train_state"),
    ("image_report", "image_errors"),
    ("pictures", "results"),
    ("benchmarks", "parity"),
    ("reconstruction", "checkpoint"),
    ("reconstruction", "results"),
    ("labelling", "reconstruction"),
    ("labelling", "results"),
    ("fit", "labelling_config"),
    ("multiview", "labelling_config"),
}

# Only procedures read configs; what they call takes explicit arguments.
READS_CONFIGS = len(LEVELS) - 2


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
def test_a_room_knows_only_what_is_below_it(room):
    assert room in LEVEL, f"give {room} a level"
    for path in modules():
        if room_of(path) != room:
            continue
        for name, other, *_ in (i for i in imports(path) if len(i) > 1):
            if name != "prohmr_jax" or other == room:
                continue
            below = LEVEL[other] < LEVEL[room]
            assert below or (room, other) in NEIGHBOURS, f"{path.name} imports {other}"


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


def test_neighbours_are_declared_in_one_direction_and_used():
    for room, other in NEIGHBOURS:
        assert LEVEL[room] == LEVEL[other]
        assert (other, room) not in NEIGHBOURS
        files = [path for path in modules() if room_of(path) == room]
        assert any(("prohmr_jax", other) == i[:2] for f in files for i in imports(f))


def test_only_procedures_read_configs():
    for path in modules():
        if any(parts[0] == "ml_collections" for parts in imports(path)):
            assert LEVEL[room_of(path)] >= READS_CONFIGS, path
