"""Writes short command lines in full, such as `prohmr-jax photo.jpg`; `main` calls it.

The full form always names a config. Whatever it does, the short form does as well.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.files.photos import is_picture_name
from prohmr_jax.modes.config_files import describe_nearest, shipped_names

DOCTOR = "doctor"
"""First word of a command line that only checks what a run needs."""
COMMANDS = {"export": "export", "view": "view"}
"""Words that a command line can begin with, and the config that each names."""

# Options after the word, which are short for keys of its config.
_KEYS = {"view": ("html", "host", "port")}
# Files of detections, and lists of files.
_FILE_SUFFIXES = (".json", ".txt")
_VIDEO_SUFFIXES = (
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp",
)  # fmt: skip
_VIDEO = "video"


def in_full(arguments: Sequence[str]) -> list[str]:
    """Returns a command line with its config named; one that names it is unchanged.

    Args:
      arguments: those after the program's name. The first may be the path of what
        bodies are reconstructed from, or one of `COMMANDS`, which may be followed by
        the path of its input. The word `DOCTOR` may stand before all of these.

    Raises:
      InputError: a path does not exist, is of no kind that can be used, or is not the
        only one; or a config is named beside a path.
    """
    arguments = list(arguments)
    if arguments[:1] == [DOCTOR]:
        return [DOCTOR, *in_full(arguments[1:])]
    word = arguments[0] if arguments else ""
    if word in COMMANDS:
        config, rest = COMMANDS[word], arguments[1:]
        path = rest.pop(0) if rest and not rest[0].startswith("-") else ""
        if path and not Path(path).exists():
            raise InputError(path, "no such file or folder")
    elif word and not word.startswith("-"):
        path, rest = word, arguments[1:]
        config = _config_for(path)
    elif any(_is_option(argument, "--config") for argument in arguments):
        return arguments
    else:
        config, path, rest = "demo", "", arguments
    for argument in rest:
        if _is_option(argument, "--config"):
            what = "already means a config; leave out --config, or use --config.input"
            raise InputError(path or word, f"{what}={path}" if path else what)
        if path and _is_option(argument, "--config.input"):
            raise InputError(path, "is an input already; leave out --config.input")
    if path and rest and not rest[0].startswith("-"):
        what = "is a second path; name one file, a folder, or a .txt list of files"
        raise InputError(rest[0], what)
    for key in _KEYS.get(word, ()):
        rest = [re.sub(rf"^--{key}(?==|$)", f"--config.{key}", x) for x in rest]
    short = [f"--config.input={path}"] if path else []
    if config == _VIDEO and not any(_is_option(x, "--config.output") for x in rest):
        # Each video has a folder of its own, where a run that was stopped continues.
        short.append(f"--config.output=outputs/video/{Path(path).stem}")
    return ["--config", config, *short, *rest]


def _config_for(name: str) -> str:
    """Returns the name of the config that takes a path as its input."""
    path, suffix = Path(name), Path(name).suffix.lower()
    if not path.exists():
        raise InputError(name, _describe_missing(name))
    if suffix in _VIDEO_SUFFIXES and path.is_file():
        if _VIDEO not in shipped_names():
            what = "is a video, which cannot be read; take its frames out as photos"
            raise InputError(name, what)
        return _VIDEO
    if path.is_dir() or is_picture_name(path) or suffix in _FILE_SUFFIXES:
        return "demo"
    if suffix == ".py":
        raise InputError(name, f"is a config, perhaps; use --config {name}")
    what = "is not a photo, a .json file of detections, a list of them, or a folder"
    if suffix == ".npz":
        what += f"; results are shown by prohmr-jax view {name}"
    raise InputError(name, what)


def _describe_missing(name: str) -> str:
    """Returns what an error says of a path that does not exist."""
    what = "no such file or folder"
    if name in shipped_names():
        return f"{what}; the config of this name is run by --config {name}"
    words = [DOCTOR, *COMMANDS]
    hint = describe_nearest(name, words)
    return f"{what}; {hint}" if hint.startswith("did") else what


def _is_option(argument: str, option: str) -> bool:
    return argument == option or argument.startswith(f"{option}=")
