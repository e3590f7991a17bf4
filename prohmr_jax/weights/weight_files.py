"""Weights and training states on disk.

Three forms. A *training directory* holds Orbax checkpoints of the whole state, saved in
the background, atomic, and `model.json`. A *weights directory* is the same with weights
alone, of a model or of an encoder: what a conversion writes. A *weights file* is one
`.npz` of arrays by name, in float16 or float32, with the model's spec inside, or an
encoder's name: what is shipped and shared. `load_weights` reads whole models,
`load_encoder_weights` the encoder of any.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.atomic import make_directory_atomically
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables

SPEC_FILE = "model.json"
STATES = "states"
FORMAT_VERSION = 1


def save_weights(
    path: str | os.PathLike, spec: ModelSpec, variables: Mapping, dtype=np.float16
) -> None:
    """Writes a weights file, atomically.

    Args:
      path: `.npz` to write.
      spec: of the model.
      variables: `{params, batch_stats, mean_params}`.
      dtype: float16 halves the file; the rounding is far below the training noise.
    """
    _write_file(path, {"model": dataclasses.asdict(spec)}, variables, dtype)


def save_encoder_file(
    path: str | os.PathLike, encoder: str, variables: Mapping, dtype=np.float16
) -> None:
    """Writes the same of an encoder alone: its name and `{params, batch_stats}`."""
    _write_file(path, {"encoder": encoder}, variables, dtype)


def _write_file(path, header: Mapping, variables: Mapping, dtype) -> None:
    flat = flatten_dict(dict(variables), sep="/")
    arrays = {name: np.asarray(value).astype(dtype) for name, value in flat.items()}
    text = json.dumps({"version": FORMAT_VERSION, **header})
    write_npz(path, {"header": np.array(text), **arrays})


def load_weights(path: str | os.PathLike) -> tuple[ModelSpec, dict]:
    """Returns spec and float32 variables of a weights file or training directory.

    Raises:
      InputError: missing, damaged, of another version, or its arrays do not fit the
        model that it describes.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        spec = read_spec(path)
        expected = _abstract_variables(spec)
        return spec, _average_of(path, _restore(path), expected)
    spec = _spec_of(path, _read_header(path))
    return spec, {"batch_stats": {}, **_read_file(path, _abstract_variables(spec))}


def _read_file(path: pathlib.Path, expected: Mapping) -> dict:
    """Returns the float32 arrays of a weights file, of the shapes expected."""
    names = flatten_dict(expected, sep="/")
    shapes = {name: Expected(np.shape(a), "real") for name, a in names.items()}
    arrays = read_npz(path, shapes)
    floats = {name: np.asarray(a, np.float32) for name, a in arrays.items()}
    return unflatten_dict(floats, sep="/")


def save_weights_directory(
    directory: str | os.PathLike,
    spec: ModelSpec,
    variables: Mapping,
    discriminator_params: Mapping,
) -> None:
    """Writes a weights directory, in one step; it must be new, or empty.

    `load_weights` leaves the discriminator out.

    Raises:
      InputError: the directory holds something, or cannot be written.
    """
    state = {
        "average_params": variables["params"],
        "batch_stats": variables["batch_stats"],
        "mean_params": variables["mean_params"],
        "discriminator_params": discriminator_params,
    }
    _write_directory(directory, {"model": dataclasses.asdict(spec)}, state)


def save_encoder_weights(
    directory: str | os.PathLike, encoder: str, variables: Mapping
) -> None:
    """Writes the same of an encoder alone: its name and `{params, batch_stats}`."""
    _write_directory(directory, {"encoder": encoder}, dict(variables))


def _write_directory(
    directory: str | os.PathLike, header: Mapping, state: Mapping
) -> None:
    def fill(path: pathlib.Path) -> None:
        text = json.dumps({"version": FORMAT_VERSION, **header}, indent=2)
        (path / SPEC_FILE).write_text(text + "\n", encoding="utf-8")
        with ocp.CheckpointManager(path / STATES) as manager:
            items = ocp.args.Composite(state=ocp.args.StandardSave(state))
            manager.save(0, args=items)

    with storage_faults_named(directory, "cannot be written"):
        make_directory_atomically(directory, fill)


def load_encoder_weights(
    path: str | os.PathLike, spec: ModelSpec, variables: Mapping
) -> dict:
    """Returns variables whose encoder comes from a file, to start training from.

    Args:
      path: weights of an encoder, or of a whole model; any form.
      spec: of the model to train.
      variables: of that model; all but its encoder is kept.

    Raises:
      InputError: missing, damaged, not finite, or of another encoder than the spec's.
    """
    path = pathlib.Path(path)
    header = _read_header(path)
    alone = "encoder" in header
    name = header["encoder"] if alone else _spec_of(path, header).encoder
    if name != spec.encoder:
        raise InputError(path, f"holds the encoder {name!r}, not {spec.encoder!r}")
    expected = {
        c: tree["encoder"] for c, tree in variables.items() if "encoder" in tree
    }
    if alone:
        found = _restore(path) if path.is_dir() else _read_file(path, expected)
    else:
        _, trees = load_weights(path)
        found = {c: tree["encoder"] for c, tree in trees.items() if "encoder" in tree}
    if jax.tree.map(np.shape, found) != jax.tree.map(np.shape, expected):
        raise InputError(path, f"holds a {name!r} of other sizes than the config's")
    _require_finite(path, found)
    floats = jax.tree.map(lambda a: np.asarray(a, np.float32), found)
    encoders = {c: {**variables[c], "encoder": tree} for c, tree in floats.items()}
    return {**variables, **encoders}


def load_whole_model(
    path: str | os.PathLike, variables: Mapping, critic_params: Mapping
) -> tuple[dict, Mapping]:
    """Returns weights from which the training of a model goes on, and its critic's.

    Args:
      path: weights of a whole model; any form.
      variables: of the model to train, which has to be of the same sizes.
      critic_params: of its discriminator; kept where the path holds none.

    Raises:
      InputError: missing, damaged, not finite, or of a model of other sizes.
    """
    path, critic = pathlib.Path(path), critic_params
    if path.is_dir():
        expected, state = _abstract_variables(read_spec(path)), _restore(path)
        found = _average_of(path, state, expected)
        critic = state.get("discriminator_params") or state.get("critic_params")
        critic = critic or critic_params
        _require_finite(path, critic)
    else:
        _, found = load_weights(path)
    trees = {"model": (found, variables), "discriminator": (critic, critic_params)}
    for name, (tree, expected) in trees.items():
        if _shapes(tree) != _shapes(expected):
            raise InputError(path, f"its {name} has other sizes than the config's")
    return jax.tree.map(jnp.asarray, (dict(found), critic))


def _shapes(tree: Mapping) -> dict:
    return {name: np.shape(leaf) for name, leaf in flatten_dict(dict(tree)).items()}


def _abstract_variables(spec: ModelSpec) -> dict:
    return jax.eval_shape(lambda: init_variables(build_model(spec), jax.random.key(0)))


def _parse_header(path: pathlib.Path, text: str) -> dict:
    try:
        header = json.loads(text)
        version = header["version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(path, "does not describe a model of this project") from None
    if version != FORMAT_VERSION:
        raise InputError(path, f"has format version {version}, not {FORMAT_VERSION}")
    return header


def _spec_of(path: pathlib.Path, header: Mapping) -> ModelSpec:
    if "encoder" in header:
        raise InputError(path, "holds an encoder only, to start training from")
    try:
        fields = header["model"]
        lists = {name: tuple(v) for name, v in fields.items() if isinstance(v, list)}
        spec = ModelSpec(**{**fields, **lists})
        build_model(spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(path, "does not describe a model of this project") from None
    return spec


def _read_header(path: pathlib.Path) -> dict:
    """Returns what weights say of themselves, whatever their form."""
    if path.is_dir():
        file = path / SPEC_FILE
        if not file.exists():
            raise InputError(path, f"no training directory: it has no {SPEC_FILE}")
        return _parse_header(file, file.read_text(encoding="utf-8"))
    if not path.exists():
        raise InputError(path, "no such weights file or training directory")
    header = read_npz(path, {"header": Expected((), "text")})["header"]
    return _parse_header(path, str(header))


def read_spec(directory: pathlib.Path) -> ModelSpec:
    """Returns the spec that a training or weights directory says its model has."""
    return _spec_of(directory / SPEC_FILE, _read_header(directory))


def _restore(directory: pathlib.Path) -> dict:
    """Returns the latest state as plain trees."""
    manager = ocp.CheckpointManager(directory.resolve() / STATES)
    with manager, storage_faults_named(directory, "cannot be read"):
        step = manager.latest_step()
        if step is None:
            raise InputError(directory, "holds no finished checkpoint")
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return manager.restore(step, args=items)["state"]


def _require_finite(path: pathlib.Path, tree: Mapping) -> None:
    for name, array in flatten_dict(dict(tree), sep="/").items():
        if not np.all(np.isfinite(array)):
            raise InputError(path, f"{name} holds values that are not finite")


def _average_of(directory: pathlib.Path, restored: Mapping, expected: dict) -> dict:
    """Returns the weights to evaluate of a directory's state."""
    found = {
        "params": restored["average_params"] or restored["params"],
        "batch_stats": restored["batch_stats"] or {},
        "mean_params": restored["mean_params"],
    }
    if jax.tree.map(jnp.shape, found) != jax.tree.map(jnp.shape, expected):
        raise InputError(directory, f"its weights do not fit its {SPEC_FILE}")
    _require_finite(directory, found)
    return jax.tree.map(np.asarray, found)


@contextlib.contextmanager
def storage_faults_named(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns the storage's many errors into one line."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        fault = str(error).partition(" [tensorstore_spec")[0]
        raise InputError(path, f"{what}: {fault}") from error
