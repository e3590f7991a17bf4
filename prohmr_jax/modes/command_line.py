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
    shipped_names,
)

DOCTOR = "doctor"
"""First word of a command line that only checks what a run needs."""


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


def read_command_line(
    arguments: Sequence[str] | None = None,
) -> tuple[Options, ConfigDict]:
    """Returns the options and the locked config, its keys set as `--config.key=value`.

    Args:
      arguments: those after the program's name; None: those of this process. The word
        `DOCTOR` before all others asks for checks alone.

    Raises:
      InputError: an option, a config, a key or the type of a value is wrong.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    only_checks = arguments[:1] == [DOCTOR]
    parser = _parser(needs_config=not only_checks)
    known, settings = parser.parse_known_args(arguments[only_checks:])
    options = Options(**vars(known), only_checks=only_checks)
    return options, set_keys(read_config(options.config), settings)


class _Parser(argparse.ArgumentParser):
    """Raises errors instead of printing its usage before them."""

    def error(self, message: str) -> NoReturn:
        raise InputError("command line", message)


def _parser(needs_config: bool) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prohmr-jax",
        usage="%(prog)s [doctor] --config CONFIG [options] [--config.key=value ...]",
        description="Runs the mode that a config names; with the word 'doctor' first, "
        "only checks the installation and what that run needs.",
        epilog="--config.key=value sets a key of the config. Configs that ship: "
        f"{', '.join(shipped_names())}.",
        allow_abbrev=False,
    )
    texts = {
        "workdir": ("", "directory of a training run"),
        "distributed": ("", "trains together with processes of other hosts: 'auto', "
                        "or 'host:port,number,count'"),
        "compilation_cache": ("~/.cache/prohmr_jax", "directory where compiled "
                              "programs are kept for the next run; empty: nowhere"),
    }  # fmt: skip
    parser.add_argument(
        "--config",
        required=needs_config,
        default="demo",
        help="name of a config that ships, or a Python file",
    )
    for name, (default, text) in texts.items():
        parser.add_argument(f"--{name}", default=default, help=text)
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
        raise InputError(left[0], "is neither an option nor the value of one")
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
