"""Says what the numbers of a table depend on; the modes that make tables call it."""

import shlex
from collections.abc import Iterator, Mapping

import ml_collections

from prohmr_jax.evaluation.table_report import versions
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.modes.config_files import shipped_config


def table_settings(
    config: ml_collections.ConfigDict,
    weights: Mapping[str, tuple[str, str]],
    body: BodyIdentity,
) -> dict[str, str]:
    """Returns command, weights with their hashes, body, seed and versions, as text.

    Args:
      config: config of the table, one of those that ship with other values.
      weights: name and SHA-256 of the weights, by the title of their model.
      body: the body.
    """
    name = f"table{config.table}"
    changed = _changed(config, shipped_config(name))
    command = ["python", "-m", "prohmr_jax.main", "--config", f"configs/{name}.py"]
    settings = {"command": shlex.join([*command, *changed])}
    for title, (file, sha256) in weights.items():
        settings[f"weights of {title}"] = f"{file} (SHA-256 {sha256})"
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
