"""Reads and writes the weights of trained models.

Weights come in three forms. A *training directory* holds the Orbax checkpoints of a
training run and `model.json`, which describes the model and names the body that it is
trained on; `training.checkpoints` writes it. A *weights directory* has the same layout
and holds the weights alone, of a whole model or of an encoder; a conversion writes it.
A *weights file* is one `.npz` of arrays by name, float16 or float32, with the same
description, or the name of the encoder, inside; it is what is shipped and shared.

`load_weights` reads a whole model of any form. `weights.starting_weights` reads what a
training starts from. Orbax is imported where a directory is written or read, because
that takes a large part of a second, and most programs use a weights file.
"""

import os
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.atomic import make_directory_atomically
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.weights.headers import (
    SPEC_FILE,
    header_text,
    model_header,
    read_header,
    read_spec,
    spec_from_header,
)
from prohmr_jax.weights.model_kinds import Spec, abstract_variables
from prohmr_jax.weights.state_names import with_current_names
from prohmr_jax.weights.storage_errors import storage_errors_as_input_errors

STATES = "states"


def save_weights(
    path: str | os.PathLike,
    spec: Spec,
    variables: Mapping,
    dtype=np.float16,
    body: BodyIdentity | None = None,
) -> None:
    """Writes a model to a weights file, atomically.

    Args:
      path: the `.npz` file to write.
      spec: describes the model.
      variables: `{params, batch_stats, mean_params}` of the model.
      dtype: type of the stored numbers. float16 halves the file; its rounding is far
        below the noise of training.
      body: the body that the weights were trained on; None where it is not known.

    Raises:
      InputError: the file cannot be written.
    """
    _write_file(path, model_header(spec, body), variables, dtype)


def save_encoder_file(
    path: str | os.PathLike,
    encoder: str,
    variables: Mapping,
    dtype=np.float16,
    mantissa_bits: int = 10,
) -> None:
    """Writes an encoder alone to a weights file, atomically.

    Args:
      path: the `.npz` file to write.
      encoder: name of the encoder, as in `ModelSpec.encoder`.
      variables: `{params, batch_stats}` of the encoder.
      dtype: type of the stored numbers.
      mantissa_bits: how many bits of float16's mantissa are kept, 10 being all. Fewer
        make the file smaller, since the zeros that follow compress well.

    Raises:
      InputError: the file cannot be written.
    """
    if mantissa_bits < 10:
        variables = jax.tree.map(
            lambda a: round_mantissa(np.asarray(a, np.float16), mantissa_bits),
            variables,
        )
    _write_file(path, {"encoder": encoder}, variables, dtype)


def round_mantissa(values: np.ndarray, bits: int) -> np.ndarray:
    """Returns float16 values rounded to so many bits of their mantissa, half up.

    Args:
      values: float16 array of any shape.
      bits: from 1 to 10; 10 changes nothing. The relative error is at most
        `2 ** -(bits + 1)`.
    """
    dropped = 10 - bits
    if not dropped:
        return values
    patterns = values.view(np.uint16).astype(np.uint32) + (1 << (dropped - 1))
    return ((patterns >> dropped) << dropped).astype(np.uint16).view(np.float16)


def _write_file(path, header: Mapping, variables: Mapping, dtype) -> None:
    by_name = flatten_dict(dict(variables), sep="/")
    arrays = {name: np.asarray(value).astype(dtype) for name, value in by_name.items()}
    write_npz(path, {"header": np.array(header_text(header)), **arrays})


def load_weights(
    path: str | os.PathLike, kind: type[Spec] = ModelSpec
) -> tuple[Spec, dict]:
    """Returns the description and the variables of a whole model.

    The variables are `{params, batch_stats, mean_params}`, NumPy, float32. Those of a
    training directory are the averaged ones where the run keeps an average.

    Args:
      path: a weights file, a weights directory or a training directory.
      kind: class of the model's description.

    Raises:
      InputError: the weights are missing, damaged, of another format version, of an
        encoder alone, of another kind of model, or do not fit the model that they
        describe.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        spec = read_spec(path, kind)
        expected = abstract_variables(spec)
        return spec, evaluated_variables(path, restore_state(path), expected)
    spec = spec_from_header(path, read_header(path), kind)
    arrays = read_arrays(path, abstract_variables(spec))
    return spec, {"batch_stats": {}, "mean_params": {}, **arrays}


def read_arrays(path: pathlib.Path, expected: Mapping) -> dict:
    """Returns the arrays of a weights file as a tree of float32 arrays.

    Args:
      path: the `.npz` file.
      expected: a tree with the names and shapes that the file has to have.

    Raises:
      InputError: the file is damaged, or an array is missing or of another shape.
    """
    names = flatten_dict(expected, sep="/")
    shapes = {name: Expected(np.shape(a), "real") for name, a in names.items()}
    arrays = read_npz(path, shapes)
    floats = {name: np.asarray(a, np.float32) for name, a in arrays.items()}
    return unflatten_dict(floats, sep="/")


def save_weights_directory(
    directory: str | os.PathLike,
    spec: Spec,
    variables: Mapping,
    discriminator_params: Mapping,
    body: BodyIdentity | None = None,
) -> None:
    """Writes a model and its discriminator to a weights directory, atomically.

    `load_weights` leaves the discriminator out; `load_starting_model` reads it.

    Args:
      directory: has to be new, or empty.
      spec: describes the model.
      variables: `{params, batch_stats, mean_params}` of the model.
      discriminator_params: parameters of the discriminator; empty where there is none.
      body: the body that the weights were trained on; None where it is not known.

    Raises:
      InputError: the directory holds something, or cannot be written.
    """
    state = {
        "average_params": variables["params"],
        "batch_stats": variables["batch_stats"],
        "mean_params": variables["mean_params"],
        "discriminator_params": discriminator_params,
    }
    _write_directory(directory, model_header(spec, body), state)


def save_encoder_weights(
    directory: str | os.PathLike, encoder: str, variables: Mapping
) -> None:
    """Writes an encoder alone to a weights directory, atomically.

    Args:
      directory: has to be new, or empty.
      encoder: name of the encoder, as in `ModelSpec.encoder`.
      variables: `{params, batch_stats}` of the encoder.

    Raises:
      InputError: the directory holds something, or cannot be written.
    """
    _write_directory(directory, {"encoder": encoder}, dict(variables))


def _write_directory(
    directory: str | os.PathLike, header: Mapping, state: Mapping
) -> None:
    import orbax.checkpoint as ocp

    def fill(path: pathlib.Path) -> None:
        text = header_text(header, indent=2) + "\n"
        (path / SPEC_FILE).write_text(text, encoding="utf-8")
        with ocp.CheckpointManager(path / STATES) as manager:
            items = ocp.args.Composite(state=ocp.args.StandardSave(state))
            manager.save(0, args=items)

    with storage_errors_as_input_errors(directory, "cannot be written"):
        make_directory_atomically(directory, fill)


def restore_state(directory: pathlib.Path) -> dict:
    """Returns the latest state of a training or weights directory as plain trees.

    States that older versions of this project saved come with the current names.

    Raises:
      InputError: the directory holds no complete state, or a damaged one.
    """
    import orbax.checkpoint as ocp

    manager = ocp.CheckpointManager(directory.resolve() / STATES)
    with manager, storage_errors_as_input_errors(directory, "cannot be read"):
        step = manager.latest_step()
        if step is None:
            raise InputError(directory, "holds no finished checkpoint")
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return with_current_names(manager.restore(step, args=items)["state"])


def evaluated_variables(
    directory: pathlib.Path, state: Mapping, expected: Mapping
) -> dict:
    """Returns the variables of a state that are to be evaluated.

    They are `{params, batch_stats, mean_params}` with the averaged parameters, where
    the state has an average.

    Args:
      directory: where the state was read; named in errors.
      state: as `restore_state` returns it.
      expected: variables of the shapes that the model has.

    Raises:
      InputError: the variables have other shapes, or are not finite.
    """
    variables = {
        "params": state["average_params"] or state["params"],
        "batch_stats": state["batch_stats"] or {},
        "mean_params": state["mean_params"] or {},
    }
    if jax.tree.map(jnp.shape, variables) != jax.tree.map(jnp.shape, expected):
        raise InputError(directory, f"its weights do not fit its {SPEC_FILE}")
    require_finite(directory, variables)
    return jax.tree.map(np.asarray, variables)


def require_finite(path: pathlib.Path, tree: Mapping) -> None:
    """Refuses arrays with values that are not finite.

    Args:
      path: where the arrays were read; named in the error.
      tree: nested tables of arrays.

    Raises:
      InputError: a value is not finite; it names the array.
    """
    for name, array in flatten_dict(dict(tree), sep="/").items():
        if not np.all(np.isfinite(array)):
            raise InputError(path, f"{name} holds values that are not finite")
