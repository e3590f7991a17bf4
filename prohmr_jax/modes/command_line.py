"""Turns the arguments of a command line into options and a config; `main` calls it."""

import argparse
import dataclasses
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict, config_flags

from prohmr_jax.errors import InputError
from prohmr_jax.modes.config_files import (
    all_keys,
    describe_nearest,
    describe_unknown_key,
    read_config,
)
from prohmr_jax.modes.shorthand import DOCTOR, in_full


@dataclasses.dataclass(frozen=True)
class Options:
    """Holds everything that a command line says beside the keys of the config."""

    config: str
    """Name of a config that ships, or path of a Python file."""
    workdir: str
    """Directory of a training run; empty: none."""
    distributed: str
    """How this process joins those of other hosts; empty: it trains alone."""
    compilation_cache: str
    """Directory of compiled programs; empty: none are kept."""
    only_checks: bool = False
    """Whether the run is not started, and only what it needs is checked."""
    short_for: tuple[str, ...] = ()
    """The arguments in full, where those that were given are short for them."""


def read_command_line(
    arguments: Sequence[str] | None = None,
) -> tuple[Options, ConfigDict]:
    """Returns the options and the locked config, its keys set as `--config.key=value`.

    Args:
      arguments: those after the program's name, in full or short, see `in_full`;
        None: those of this process. The word `DOCTOR` before all others asks for
        checks alone.

    Raises:
      InputError: a path, an option, a config, a key or the type of a value is wrong.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    full = in_full(arguments)
    only_checks = full[:1] == [DOCTOR]
    known, settings = _parser().parse_known_args(full[only_checks:])
    options = Options(
        **vars(known),
        only_checks=only_checks,
        short_for=tuple(full) if full != arguments else (),
    )
    return options, set_keys(read_config(options.config), settings)


class _Parser(argparse.ArgumentParser):
    """Raises errors instead of printing its usage before them."""

    def error(self, message: str) -> NoReturn:
        raise InputError("command line", message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(allow_abbrev=False, add_help=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--workdir", default="")
    parser.add_argument("--distributed", default="")
    parser.add_argument("--compilation_cache", default="~/.cache/prohmr_jax")
    return parser


def set_keys(config: ConfigDict, arguments: Sequence[str]) -> ConfigDict:
    """Sets keys of a config, locks it, and returns it.

    Args:
      config: a config that is not locked.
      arguments: `--config.key=value`, or the same in two arguments; `--config.key`
        and `--noconfig.key` set a truth value.

    Raises:
      InputError: an argument is of no such form, names no key or the mode, or has a
        value of another type than the key's.
    """
    defaults = {key: _value(config, key) for key in all_keys(config)}
    for argument in arguments:
        named = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if named and named[1] not in defaults:
            what = describe_unknown_key(named[1], config.mode, defaults)
            raise InputError("--config", what)
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, sys_argv=["", *arguments]
        )
        left = values(["", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        options = [field.name for field in dataclasses.fields(Options)]
        hint = describe_nearest(error.flagname, options)
        raise InputError(
            f"--{error.flagname}", f"there is no such option; {hint}"
        ) from None
    except (flags.Error, ValueError, TypeError) as error:
        # Messages of the library begin "flag --config.key=value: ".
        where, _, what = str(error).removeprefix("flag ").partition(": ")
        raise InputError(where if what else "--config", what or where) from None
    if left:
        what = "is neither an option nor the value of one"
        raise InputError(left[0], f"{what}; an input is --config.input={left[0]}")
    if config.mode != defaults["mode"]:
        raise InputError("--config.mode", "cannot be set; name a config of that mode")
    for key, value in values["config"].override_values.items():
        _require_types_of(f"--config.{key}", value, defaults[key])
    return values["config"].value


def _require_types_of(where: str, value: Any, default: Any) -> None:
    """Refuses elements of another type, which the library takes in any tuple."""
    if isinstance(default, tuple) and default:
        kind = type(default[0])
        for element in value:
            if not isinstance(element, (int, float) if kind is float else kind):
                raise InputError(where, f"{element!r} is not of type {kind.__name__}")


def _value(config: ConfigDict, key: str) -> Any:
    value = config
    for part in key.split("."):
        value = value[part]
    return value
