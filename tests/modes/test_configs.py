"""Every config is locked on the command line, and every key of it is read."""

import ast
import importlib
import pathlib

import pytest
from ml_collections import ConfigDict

from tests.support.paths import ROOT

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
# Who reads which config; a new config must be listed.
READERS = {
    "benchmark": "benchmarks/hypotheses.py",
    "benchmark_training": "benchmarks/training.py",
    "demo": "demo.py",
    "benchmark_fitting": "benchmarks/fitting.py",
    "fit": "fit.py",
    "multiview": "multiview.py",
    "evaluate_keypoints": "evaluate.py",
    "evaluate_fitting": "evaluate_fitting.py",
    "evaluate_images": "evaluate_images.py",
    "prohmr": "train_images.py",
    "prohmr_keypoints": "train.py",
    "encoder_synthetic": "train_images.py",
    "prohmr_smoke": "train_images.py",
    "prohmr_synthetic": "train_images.py",
    "regression_keypoints": "train.py",
    "synthetic_humans": "make_dataset.py",
}


# What two readers read of their configs alike.
SHARED = {"fit": "labelling_config.py", "multiview": "labelling_config.py"}


def keys_of(config: ConfigDict) -> set[str]:
    return set(config.keys()) - {"mode"}


def attributes_read(path: pathlib.Path) -> set[str]:
    """Names x of every `config.x` in a module."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "config"
    }


def test_every_config_has_a_reader():
    assert set(CONFIGS) == set(READERS)


@pytest.mark.parametrize("name", CONFIGS)
def test_reader_reads_exactly_the_keys(name):
    config = importlib.import_module(f"configs.{name}").get_config()
    files = {READERS[name], SHARED.get(name, READERS[name])}
    read = set().union(*(attributes_read(ROOT / "prohmr_jax" / f) for f in files))
    read -= set(dir(ConfigDict))
    assert read == keys_of(config)


@pytest.mark.parametrize("name", CONFIGS)
def test_unknown_key_is_refused(name):
    config = importlib.import_module(f"configs.{name}").get_config().lock()
    with pytest.raises(AttributeError):
        config.no_such_key = 1
