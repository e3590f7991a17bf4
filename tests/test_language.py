"""Docstrings begin with sentences, and variables are named for what they hold."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docstrings import offence, summary
from tests.support.paths import ROOT

DOCUMENTED = ("prohmr_jax", "tools", "configs")
# They say nothing of what they hold.
EMPTY_NAMES = {"found", "made", "of"}


def modules(*folders: str) -> list[Path]:
    return sorted(path for name in folders for path in (ROOT / name).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_property(node: ast.AST) -> bool:
    """Whether it is read like a field; docstrings of fields are noun phrases."""
    names = {ast.unparse(d).split(".")[-1] for d in getattr(node, "decorator_list", ())}
    return bool(names & {"property", "cached_property"})


def public_docstrings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and first paragraphs of the docstrings of a module, class or function."""
    docstring = ast.get_docstring(node)
    if docstring and not is_property(node):
        yield node.body[0].lineno, summary(docstring)
    # What a function defines inside is nobody else's.
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            is_dunder = getattr(child, "name", "").startswith("__")
            is_private = getattr(child, "name", "_").startswith("_")
            if is_dunder or not is_private:
                yield from public_docstrings(child)


def assigned_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and names of everything that a module assigns, parameters included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


@pytest.mark.parametrize("path", modules(*DOCUMENTED), ids=name_of)
def test_docstrings_begin_with_sentences(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offences = [
        f"{name_of(path)}:{line}: {offence(text)}: {text}"
        for line, text in public_docstrings(tree)
        if offence(text)
    ]
    assert not offences, "\n" + "\n".join(offences)


@pytest.mark.parametrize("path", modules(*DOCUMENTED, "tests"), ids=name_of)
def test_variables_are_named_for_what_they_hold(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offences = [
        f"{name_of(path)}:{line}: {name}"
        for line, name in assigned_names(tree)
        if name in EMPTY_NAMES
    ]
    assert not offences, "\n" + "\n".join(offences)


@pytest.mark.parametrize(
    "line",
    [
        "Returns the mode.",
        "Measures, prints and returns a Markdown report.",
        "Holds a body model in SMPL's layout.",
        "Checks that a file can be written.",
        "A body is shaped once and posed any number of times.",
        "The first hypothesis is the mode; the others are samples.",
        "What a run writes is one table.",
        "People who are fitted share one solver.",
        "The loop that all trainings share has no model of its own.",
        "`run` is called by the command line.",
    ],
)
def test_a_sentence_is_accepted(line):
    assert offence(line) == ""


@pytest.mark.parametrize(
    "line",
    [
        "Of its loss.",
        "With known cameras, all bodies are one.",
        "In pixels.",
        "Rates of fits, beside a naive solver.",
        "Draws of a flow.",
        "Poses that no capture holds.",
        "Weights on disk.",
        "What a run writes.",
        "What a run writes: it is one table.",
        "The flow: it is trained here.",
        "The arrays of a body file that a device holds.",
        "All that a process needs to build a step; it can be sent to another one.",
        "Training of the model, as its config says.",
        "`[N, 3]`",
    ],
)
def test_a_fragment_is_refused(line):
    assert offence(line) != ""


def test_what_is_looked_at():
    tree = ast.parse(
        '"""M."""\n'
        "class A:\n"
        '    """A."""\n'
        "    @property\n"
        "    def p(self):\n"
        '        """P."""\n'
        "    def _hidden(self):\n"
        '        """H."""\n'
        "    def __call__(self, of):\n"
        '        """C."""\n'
        "        def inner():\n"
        '            """I."""\n'
        "        for made in (found := ()):\n"
        "            pass\n"
    )
    assert list(public_docstrings(tree)) == [(1, "M."), (3, "A."), (10, "C.")]
    names = {name for _, name in assigned_names(tree)}
    assert {"of", "made", "found"} <= names
