"""Says what the numbers of a table depend on; the modes that make tables call it."""

import pathlib
import shlex
from collections.abc import Iterator, Mapping

import ml_collections

from prohmr_jax.evaluation.table_report import versions
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.files.path_hash import path_sha256
from prohmr_jax.modes.config_files import shipped_config


def table_settings(
    config: ml_collections.ConfigDict,
    weights: Mapping[str, pathlib.Path],
    body: BodyIdentity,
) -> dict[str, str]:
    """Returns command, weights with their hashes, body, seed and versions, as text.

    Args:
      config: config of the table, one of those that ship with other values.
      weights: files of weights by the title of their model.
      body: the body.
    """
    name = f"table{config.table}"
    changed = _changed(config, shipped_config(name))
    command = ["python", "-m", "prohmr_jax.main", "--config", f"configs/{name}.py"]
    settings = {"command": shlex.join([*command, *changed])}
    for title, path in weights.items():
        settings[f"weights of {title}"] = f"{path.name} (SHA-256 {path_sha256(path)})"
    settings["body"] = str(body)
    settings["seed"] = str(config.seed)
    return settings | versions()


def _changed(
    config: ml_collections.ConfigDict,
    shipped: ml_collections.ConfigDict,
    prefix: str = "--config.",
) -> Iterator[str]:
    """Yields the options that turn the shipped config into the given one."""
    for key, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            yield from _changed(value, shipped[key], f"{prefix}{key}.")
        elif value != shipped[key]:
            yield f"{prefix}{key}={value}"
