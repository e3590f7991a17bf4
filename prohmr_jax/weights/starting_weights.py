"""Reads the weights that a training run starts from: a whole model, or an encoder.

The modes that train call it; every form of weights that `weights.weight_files`
describes can be read.
"""

import logging
import os
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.weights.headers import read_header, spec_from_header, trained_body
from prohmr_jax.weights.weight_files import (
    load_weights,
    read_arrays,
    require_finite,
    restore_state,
)

_LOG = logging.getLogger(__name__)


def load_starting_model(
    path: str | os.PathLike, variables: Mapping, body: BodyIdentity | None = None
) -> dict:
    """Returns the variables of a saved model, from which its training goes on.

    Args:
      path: weights of a whole model, of any form.
      variables: those of the model to train, whose sizes the saved ones must have.
      body: the body that the training goes on with. It may be another one than that of
        the saved weights, which is logged; None says nothing.

    Raises:
      InputError: the weights are missing, damaged, not finite, or of a model of other
        sizes.
    """
    _, saved = load_weights(path)
    require_finite(pathlib.Path(path), saved)
    _require_sizes(path, "model", saved, variables)
    former = trained_body(path)
    if body is not None and former is not None and former.is_other_than(body):
        _LOG.warning(
            "%s was trained on the body %s; the training goes on with the body %s",
            path,
            former,
            body,
        )
    return jax.tree.map(jnp.asarray, saved)


def load_starting_discriminator(
    path: str | os.PathLike, discriminator_params: Mapping
) -> Mapping:
    """Returns the parameters of a saved discriminator, or the given ones.

    Args:
      path: weights of a whole model, of any form. A weights file holds no
        discriminator, and a directory may hold none.
      discriminator_params: fresh parameters of the discriminator. They are returned
        where the path holds none, and their sizes are required of those that it holds.

    Raises:
      InputError: the weights are damaged, not finite, or of other sizes.
    """
    path = pathlib.Path(path)
    saved = restore_state(path).get("discriminator_params") if path.is_dir() else None
    if not saved:
        return discriminator_params
    require_finite(path, saved)
    _require_sizes(path, "discriminator", saved, discriminator_params)
    return jax.tree.map(jnp.asarray, saved)


def load_starting_encoder(
    path: str | os.PathLike, spec: ModelSpec, variables: Mapping
) -> dict:
    """Returns the variables of a new model with the encoder of saved weights.

    Args:
      path: weights of an encoder or of a whole model, of any form.
      spec: describes the model to train.
      variables: `{params, batch_stats, mean_params}` of that model; everything but its
        encoder is kept.

    Raises:
      InputError: the weights are missing, damaged, not finite, or of another encoder
        than that of the spec.
    """
    path = pathlib.Path(path)
    header = read_header(path)
    is_encoder_alone = "encoder" in header
    if is_encoder_alone:
        name = header["encoder"]
    else:
        name = spec_from_header(path, header).encoder
    if name != spec.encoder:
        raise InputError(path, f"holds the encoder {name!r}, not {spec.encoder!r}")
    expected = _encoder_part(variables)
    if not is_encoder_alone:
        _, model = load_weights(path)
        saved = _encoder_part(model)
    elif path.is_dir():
        saved = restore_state(path)
    else:
        saved = read_arrays(path, expected)
    if jax.tree.map(np.shape, saved) != jax.tree.map(np.shape, expected):
        raise InputError(path, f"holds a {name!r} of other sizes than the config's")
    require_finite(path, saved)
    floats = jax.tree.map(lambda a: np.asarray(a, np.float32), saved)
    encoders = {
        collection: {**variables[collection], "encoder": tree}
        for collection, tree in floats.items()
    }
    return {**variables, **encoders}


def _encoder_part(variables: Mapping) -> dict:
    """Returns the encoder's tree of each collection that has one."""
    return {
        collection: tree["encoder"]
        for collection, tree in variables.items()
        if "encoder" in tree
    }


def _require_sizes(
    path: str | os.PathLike, part: str, saved: Mapping, expected: Mapping
) -> None:
    shapes = [
        {jax.tree_util.keystr(name): np.shape(leaf) for name, leaf in leaves}
        for leaves in map(jax.tree_util.tree_leaves_with_path, (saved, expected))
    ]
    if shapes[0] != shapes[1]:
        raise InputError(path, f"its {part} has other sizes than the config's")
