"""Reads the weights of MoveNet that come with the package, as float16."""

import os

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.assets import MULTIPOSE_FILE, THUNDER_FILE
from prohmr_jax.files.npz import read_npz
from prohmr_jax.models.movenet.network import MoveNet, multipose, thunder


def weight_shapes(network: MoveNet) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every array of a network, by its path in the parameters."""
    key = jax.random.key(0)
    variables = jax.eval_shape(network.init, key, network.example_input())
    flat = flatten_dict(variables["params"], sep="/")
    return {name: array.shape for name, array in flat.items()}


def load_weights(network: MoveNet, path: str | os.PathLike) -> dict:
    """Returns the variables {"params": ...} of a network, float32 on the host.

    Raises:
      InputError: the file is missing, damaged, or of another network.
    """
    expected = {name: Expected(shape) for name, shape in weight_shapes(network).items()}
    arrays = read_npz(path, expected)
    floats = {name: array.astype(np.float32) for name, array in arrays.items()}
    return {"params": unflatten_dict(floats, sep="/")}


def load_thunder() -> tuple[MoveNet, dict]:
    """Returns the network of one person and its variables."""
    network = thunder()
    return network, load_weights(network, THUNDER_FILE)


def load_multipose() -> tuple[MoveNet, dict]:
    """Returns the network of several people and its variables."""
    network = multipose()
    return network, load_weights(network, MULTIPOSE_FILE)
