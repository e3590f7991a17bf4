"""Reads the header of saved weights, which describes the model that they belong to.

The readers of weights and of training directories call it.
"""

import json
import pathlib
from collections.abc import Mapping

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz
from prohmr_jax.models.spec import ModelSpec, build_model

SPEC_FILE = "model.json"
FORMAT_VERSION = 1


def read_header(path: pathlib.Path) -> dict:
    """Returns what weights of any form say of themselves.

    Returns:
      A table with the key "model" (the fields of a `ModelSpec`) or "encoder" (a name).

    Raises:
      InputError: there are no weights, or their header is damaged or of another
        format version.
    """
    if path.is_dir():
        file = path / SPEC_FILE
        if not file.exists():
            raise InputError(path, f"is no training directory: it has no {SPEC_FILE}")
        return _parse_header(file, file.read_text(encoding="utf-8"))
    if not path.exists():
        raise InputError(path, "no such weights file or training directory")
    header = read_npz(path, {"header": Expected((), "text")})["header"]
    return _parse_header(path, str(header))


def _parse_header(path: pathlib.Path, text: str) -> dict:
    try:
        header = json.loads(text)
        version = header["version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(path, "does not describe a model of this project") from None
    if version != FORMAT_VERSION:
        raise InputError(path, f"has format version {version}, not {FORMAT_VERSION}")
    return header


def spec_from_header(path: pathlib.Path, header: Mapping) -> ModelSpec:
    """Returns the description of the model that a header holds.

    Args:
      path: where the header was read; named in errors.
      header: as `read_header` returns it.

    Raises:
      InputError: the header describes an encoder alone, or no model that can be built.
    """
    if "encoder" in header:
        raise InputError(path, "holds an encoder only, to start a training from")
    try:
        fields = header["model"]
        lists = {name: tuple(v) for name, v in fields.items() if isinstance(v, list)}
        spec = ModelSpec(**{**fields, **lists})
        build_model(spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(path, "does not describe a model of this project") from None
    return spec


def read_spec(directory: pathlib.Path) -> ModelSpec:
    """Returns the description of the model of a training or weights directory.

    Raises:
      InputError: see `read_header` and `spec_from_header`.
    """
    return spec_from_header(directory / SPEC_FILE, read_header(directory))
