"""Writes and reads the header of saved weights: their model, and the body of training.

The writers and readers of weights and of training directories call it.
"""

import dataclasses
import json
import logging
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.files.json_text import read_json
from prohmr_jax.files.npz import read_npz
from prohmr_jax.files.state_dicts import is_state_dict, read_state_dict
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.weights.known_models import known_model
from prohmr_jax.weights.model_kinds import KINDS, Spec, kind_key

SPEC_FILE = "model.json"
FORMAT_VERSION = 1
_NO_MODEL = "does not describe a model of this project"
# Larger models than these would never be built.
_MOST_LAYERS, _LARGEST_SIZE = 64, 1 << 16
_LOG = logging.getLogger(__name__)


def model_header(spec: Spec, body: BodyIdentity | None) -> dict:
    """Returns what weights of a whole model say of themselves, see `read_header`.

    Args:
      spec: describes the model.
      body: the body that the weights are trained on; None where it is not known.
    """
    header = {kind_key(spec): dataclasses.asdict(spec)}
    if body is not None:
        header["body"] = dataclasses.asdict(body)
    return header


def header_text(header: Mapping, indent: int | None = None) -> str:
    """Returns a header as JSON, with the version of the format.

    Args:
      header: see `read_header`.
      indent: number of blanks of each level; None for a single line.
    """
    return json.dumps({"version": FORMAT_VERSION, **header}, indent=indent)


def read_header(path: pathlib.Path) -> dict:
    """Returns what weights of any form say of themselves.

    Returns:
      A table with the key "encoder" (a name), or with a key of `model_kinds.KINDS` (the
      fields of the description, such as a `ModelSpec`) and, unless it is not known,
      "body" (the fields of a `BodyIdentity`).

    Raises:
      InputError: there are no weights, or their header is damaged or of another
        format version.
    """
    if path.is_dir():
        file = path / SPEC_FILE
        if not file.exists():
            raise InputError(path, f"is no training directory: it has no {SPEC_FILE}")
        try:
            content = read_json(file)
        except InputError as error:
            raise InputError(file, f"{_NO_MODEL}: it {error.what}") from error
        return _header_of(file, content)
    if not path.exists():
        raise InputError(path, "no such weights file or training directory")
    if is_state_dict(path):
        raise InputError(path, _foreign_weights(path))
    header = read_npz(path, {"header": Expected((), "text")})["header"]
    return _parse_header(path, str(header))


def _foreign_weights(path: pathlib.Path) -> str:
    """Returns why weights of PyTorch cannot be used as they are, for a message."""
    if model := known_model(read_state_dict(path).arrays):
        return f"holds weights of {model}, not of ProHMR"
    return "is a checkpoint of PyTorch: convert it with tools/convert_checkpoint.py"


def _parse_header(path: pathlib.Path, text: str) -> dict:
    try:
        return _header_of(path, json.loads(text))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(path, _NO_MODEL) from None


def _header_of(path: pathlib.Path, header: object) -> dict:
    """Returns a header after checking that it is one of this format version."""
    if not isinstance(header, dict) or "version" not in header:
        raise InputError(path, _NO_MODEL)
    version = header["version"]
    if version != FORMAT_VERSION:
        raise InputError(path, f"has format version {version}, not {FORMAT_VERSION}")
    return header


def spec_from_header(
    path: pathlib.Path, header: Mapping, kind: type[Spec] = ModelSpec
) -> Spec:
    """Returns the description of the model that a header holds.

    Args:
      path: where the header was read; named in errors.
      header: as `read_header` returns it.
      kind: class of the description.

    Raises:
      InputError: the header describes an encoder alone, a model of another kind, or no
        model that can be built.
    """
    if "encoder" in header:
        raise InputError(path, "holds an encoder only, to start a training from")
    key = kind_key(kind)
    for other in KINDS.keys() - {key}:
        if other in header and key not in header:
            words = KINDS[other].words, KINDS[key].words
            raise InputError(path, "holds {}, not {}".format(*words))
    try:
        fields = header[key]
        lists = {name: tuple(v) for name, v in fields.items() if isinstance(v, list)}
        spec = kind(**{**fields, **lists})
        wrong = [name for name in fields if not _is_sound(spec, name)]
        if wrong:
            raise InputError(path, f"describes a model with an impossible {wrong[0]}")
        KINDS[key].build(spec)
    except InputError as error:
        fault = error.what if error.path == str(path) else str(error)
        raise InputError(path, fault) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(path, _NO_MODEL) from None
    return spec


def _is_sound(spec: Spec, name: str) -> bool:
    """Returns whether a field has the type of its default, and a size that can be."""
    value, default = getattr(spec, name), getattr(type(spec), name)
    if isinstance(default, tuple):
        numbers = isinstance(value, tuple) and all(
            type(v) in (int, float) for v in value
        )
        counts = {"mean_betas": (0, spec.num_betas), "mean_camera": (len(default),)}
        return numbers and bool(np.isfinite(value).all()) and len(value) in counts[name]
    if isinstance(default, float):
        return type(value) in (int, float) and 0 <= value < 1
    if type(value) is not type(default):
        return False
    largest = _MOST_LAYERS if name.endswith(("layers", "blocks")) else _LARGEST_SIZE
    return type(value) is not int or 0 <= value <= largest


def read_spec(directory: pathlib.Path, kind: type[Spec] = ModelSpec) -> Spec:
    """Returns the description of the model of a training or weights directory.

    Args:
      directory: a training or weights directory.
      kind: class of the description.

    Raises:
      InputError: see `read_header` and `spec_from_header`.
    """
    return spec_from_header(directory / SPEC_FILE, read_header(directory), kind)


def trained_body(path: str | os.PathLike) -> BodyIdentity | None:
    """Returns the body that weights were trained on; None where they do not say.

    Args:
      path: weights of a whole model, of any form.

    Raises:
      InputError: see `read_header`, or the description of the body is damaged.
    """
    path = pathlib.Path(path)
    fields = read_header(path).get("body")
    if fields is None:
        return None
    try:
        body = BodyIdentity(**fields)
    except TypeError:
        raise InputError(path, "does not describe the body of its training") from None
    if (str, str, int) != tuple(map(type, dataclasses.astuple(body))):
        raise InputError(path, "does not describe the body of its training")
    return body


def warn_of_other_body(path: str | os.PathLike, body: BodyIdentity) -> bool:
    """Logs a warning where weights meet another body than that of their training.

    Args:
      path: weights of a whole model, of any form.
      body: the body that the weights will be used with.

    Returns:
      Whether it is certainly another body. Weights that do not name a body, such as
      those of older versions, are never certain; that is logged, but is no warning.

    Raises:
      InputError: see `trained_body`.
    """
    trained = trained_body(path)
    if trained is None:
        _LOG.info("%s does not say which body it was trained on", path)
        return False
    if not trained.is_other_than(body):
        return False
    meshes = (
        f"; the meshes have {trained.num_vertices} and {body.num_vertices} vertices"
        if trained.num_vertices != body.num_vertices
        else ""
    )
    _LOG.warning(
        "%s was trained on the body %s, but is used with the body %s%s: poses and "
        "shapes will be wrong; use the body of training, or train with this one "
        "(--config.body of the training)",
        path,
        trained,
        body,
        meshes,
    )
    return True
