"""Finds and reads the config that a command line names; `command_line` calls it."""

import difflib
import importlib
import pathlib
import pkgutil
import runpy
import traceback
from collections.abc import Iterable, Mapping

from ml_collections import ConfigDict

import prohmr_jax.configs
from prohmr_jax.errors import InputError
from prohmr_jax.modes.renamed_keys import RENAMED_KEYS


def shipped_names() -> list[str]:
    """Returns the names of the configs that ship, sorted."""
    return sorted(
        module.name for module in pkgutil.iter_modules(prohmr_jax.configs.__path__)
    )


def shipped_config(name: str) -> ConfigDict:
    """Returns the config that ships under a name of `shipped_names`."""
    return importlib.import_module(f"prohmr_jax.configs.{name}").get_config()


def read_config(name: str) -> ConfigDict:
    """Returns the config that ships under a name, or that of a Python file.

    Args:
      name: one of `shipped_names`; or a path, which has a slash or ends with .py, of
        a file with a function `get_config`.

    Raises:
      InputError: there is no such name or file; the file cannot be run; or its config
        does not have the keys that its mode reads.
    """
    names = shipped_names()
    if "/" not in name and not name.endswith(".py"):
        if name not in names:
            raise InputError("--config", f"no config {name!r} ships; "
                             f"{describe_nearest(name, names)}")  # fmt: skip
        return shipped_config(name)
    path = pathlib.Path(name)
    if not path.is_file():
        hint = f"; one that ships is --config {path.stem}" if path.stem in names else ""
        raise InputError(path, f"does not exist{hint}")
    config = _run_file(path)
    _require_keys_of_mode(path, config)
    return config


def describe_nearest(name: str, known: Iterable[str]) -> str:
    """Returns the end of an error about an unknown name: what may have been meant."""
    known = list(known)
    alike = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(known)}"


def describe_unknown_key(key: str, mode: str, known: Iterable[str]) -> str:
    """Returns what an error says of a key that no config of the mode has."""
    renamed = RENAMED_KEYS.get(mode, {})
    alike = difflib.get_close_matches(key, [*known, *renamed], n=1)
    if alike and alike[0] in renamed:
        hint = f"{alike[0]!r} is called {renamed[alike[0]]!r} now"
    else:
        hint = describe_nearest(key, known)
    return f"there is no key {key!r}; {hint}"


def all_keys(config: Mapping | ConfigDict, prefix: str = "") -> list[str]:
    """Returns all keys of a config; those of its parts are written as `part.key`."""
    keys = []
    for key, value in config.items():
        keys.append(prefix + key)
        if isinstance(value, ConfigDict):
            keys += all_keys(value, f"{prefix}{key}.")
    return keys


def _run_file(path: pathlib.Path) -> ConfigDict:
    try:
        config = runpy.run_path(str(path)).get("get_config", lambda: None)()
    # Whatever the user's own code does wrong is bad input.
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        what = f"line {line}: {type(error).__name__}: {error}"
        raise InputError(path, f"cannot be run; {what}") from None
    if not isinstance(config, ConfigDict) or not isinstance(config.get("mode"), str):
        raise InputError(path, "needs get_config, which returns a ConfigDict with mode")
    return config


def _require_keys_of_mode(path: pathlib.Path, config: ConfigDict) -> None:
    """Compares a user's config with one that ships, as it may be of another version."""
    shipped = {name: shipped_config(name) for name in shipped_names()}
    alike = [name for name in shipped if shipped[name].mode == config.mode]
    if not alike:
        return  # The command line says what is wrong with the mode.
    known = all_keys(shipped[alike[0]])
    renamed = RENAMED_KEYS.get(config.mode, {})
    for key in all_keys(config):
        # Parts may have keys of the user's choice, such as names of datasets.
        if key not in known and ("." not in key or key in renamed):
            raise InputError(path, describe_unknown_key(key, config.mode, known))
    for key in shipped[alike[0]]:
        if key not in config:
            raise InputError(path, f"lacks the key {key!r}; {alike[0]!r} shows its use")
