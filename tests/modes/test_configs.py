"""Every config is locked on the command line, and every key of it is read."""

import ast
import pathlib

import pytest
from ml_collections import ConfigDict

from prohmr_jax.main import MODES
from prohmr_jax.modes.config_files import shipped_config, shipped_names
from tests.support.paths import ROOT


def file_of(module: str) -> pathlib.Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def readers(mode: str) -> list[pathlib.Path]:
    """The module of a mode, and those beside it that are of no mode alone."""
    module = f"prohmr_jax.{MODES[mode].module}"
    folder = module.rpartition(".")[0]
    tree = ast.parse(file_of(module).read_text(encoding="utf-8"))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules_of_modes = {f"prohmr_jax.{mode.module}" for mode in MODES.values()}
    beside = {name for name in imported if name.startswith(f"{folder}.")}
    return [file_of(name) for name in (module, *(beside - modules_of_modes))]


def attributes_read(path: pathlib.Path) -> set[str]:
    """Names x of every `config.x` in a module."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "config"
    }


@pytest.mark.parametrize("name", shipped_names())
def test_a_mode_reads_exactly_the_keys_of_its_config(name):
    config = shipped_config(name)
    read = set().union(*map(attributes_read, readers(config.mode)))
    assert read - set(dir(ConfigDict)) == set(config.keys()) - {"mode"}


@pytest.mark.parametrize("name", shipped_names())
def test_an_unknown_key_is_refused(name):
    config = shipped_config(name).lock()
    with pytest.raises(AttributeError):
        config.no_such_key = 1


@pytest.mark.parametrize("name", shipped_names())
def test_a_config_says_how_it_is_run(name):
    text = ast.get_docstring(ast.parse((ROOT / "configs" / f"{name}.py").read_text()))
    assert f"python -m prohmr_jax.main --config configs/{name}.py" in text
