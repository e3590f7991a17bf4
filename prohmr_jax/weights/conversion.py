"""Converts weights of the official release and of torchvision into this project's.

`tools/convert_checkpoint.py` calls it.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.files.pickles.machine import quoted
from prohmr_jax.files.state_dicts import StateDict, read_state_dict
from prohmr_jax.weights.known_models import known_model, without_wrappers
from prohmr_jax.weights.official_body import body_of_checkpoint
from prohmr_jax.weights.official_layers import is_layout_buffer
from prohmr_jax.weights.official_lifter import is_lifter, lifter_from_official
from prohmr_jax.weights.official_models import (
    BACKBONE_PREFIX,
    BODY_PREFIX,
    CLASSIFIER_PREFIX,
    prohmr_from_official,
    resnet_from_torchvision,
)
from prohmr_jax.weights.weight_files import save_encoder_weights, save_weights_directory

# Rule by which entries are left out -> whether it applies to an entry's name.
_DROPPED: dict[str, Callable[[str], bool]] = {
    "buffers that restate the layout": is_layout_buffer,
    "the body, which comes from its own file": lambda n: n.startswith(BODY_PREFIX),
    "the classifier of ImageNet": lambda n: n.startswith(CLASSIFIER_PREFIX),
}
# Number of ignored names that a report lists.
_MAX_UNKNOWN = 5


@dataclasses.dataclass(frozen=True)
class Conversion:
    """Holds what a conversion has read, and what became of it."""

    state: StateDict
    """Tensors of the source by their official names, without wrappers' prefixes."""
    sha256: str
    """SHA-256 of the source, in hexadecimal digits."""
    model: str
    """Kind of model that the weights belong to, in words."""
    body: BodyIdentity | None
    """Body that the model was trained on; None for an encoder alone."""
    dropped: dict[str, int]
    """Rule -> number of tensors that it left out; all others were converted."""

    def __str__(self) -> str:
        """Returns a report of a few lines."""
        arrays, unknown = self.state.arrays, self.state.unknown
        size = sum(array.nbytes for array in arrays.values()) / 1e6
        mapped = len(arrays) - sum(self.dropped.values())
        lines = [
            f"read     {len(arrays)} tensors, {size:.1f} MB, {self.state.form}",
            f"sha256   {self.sha256}",
            f"mapped   {mapped} tensors to {self.model}",
            *([f"body     trained on {self.body}"] if self.body else []),
            *(f"dropped  {count}: {rule}" for rule, count in self.dropped.items()),
        ]
        if unknown:
            more = [f"and {len(unknown) - _MAX_UNKNOWN} more"] * (
                len(unknown) > _MAX_UNKNOWN
            )
            names = ", ".join([*map(quoted, unknown[:_MAX_UNKNOWN]), *more])
            lines.append(f"ignored  names outside the weights: {names}")
        return "\n".join(lines)


def convert_checkpoint(
    source: str | os.PathLike, target: str | os.PathLike
) -> Conversion:
    """Converts a file of weights into a weights directory; see `weight_files`.

    Args:
      source: weights of the official ProHMR, of its variant that lifts skeletons, or of
        a ResNet of torchvision, written by `torch.save` or as safetensors.
      target: directory to make. It holds a model, which `load_weights` reads, or an
        encoder, which `load_starting_encoder` reads.

    Returns:
      What was read, and what became of it.

    Raises:
      InputError: the source is damaged, asks for code to be run, or is of another kind
        of model; an entry of the model is missing, unknown, of another shape or not
        finite; or the target cannot be written.
    """
    state = _bare_state(source)
    is_prohmr = any(name.startswith(BACKBONE_PREFIX) for name in state.arrays)
    if not is_prohmr and "conv1.weight" not in state.arrays:
        examples = ", ".join(map(quoted, list(state.arrays)[:3]))
        raise InputError(source, f"is neither a ProHMR nor a ResNet: it has {examples}")
    weights = _float32(source, state.arrays)
    try:
        model, body, save = _converted(weights, state.arrays)
    except (TypeError, ValueError) as error:  # a model raises these for wrong sizes
        raise InputError(source, str(error)) from error
    save(target)
    with open(source, "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    counts = {
        rule: sum(map(applies, state.arrays)) for rule, applies in _DROPPED.items()
    }
    dropped = {rule: count for rule, count in counts.items() if count}
    return Conversion(state, sha256, model, body, dropped)


def _converted(
    weights: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> tuple[str, BodyIdentity | None, Callable[[str | os.PathLike], None]]:
    """Returns what a model is, its body, and a function that writes it to a directory.

    Args:
      weights: official name -> array, float32 but for what will be left out.
      arrays: the same arrays, of the types in the file.

    Raises:
      ValueError: an entry is missing, unknown or of another shape; it is named.
    """
    if is_lifter(weights):
        spec, variables = lifter_from_official(weights)
        save = functools.partial(
            save_weights_directory,
            spec=spec,
            variables=variables,
            discriminator_params={},
        )
        return "a ProHMR that lifts skeletons", None, save
    if not any(name.startswith(BACKBONE_PREFIX) for name in weights):
        name, variables = resnet_from_torchvision(weights)
        save = functools.partial(
            save_encoder_weights, encoder=name, variables=variables
        )
        return f"a {name}, to start training from", None, save
    spec, variables, discriminator_params = prohmr_from_official(weights)
    body = body_of_checkpoint(arrays)
    save = functools.partial(
        save_weights_directory,
        spec=spec,
        variables=variables,
        discriminator_params=discriminator_params,
        body=body,
    )
    return f"a ProHMR on {spec.encoder}, with its discriminator", body, save


def _bare_state(source: str | os.PathLike) -> StateDict:
    """Returns the weights of a file by names without wrappers' prefixes.

    Raises:
      InputError: the file cannot be read, or holds another published model.
    """
    state = read_state_dict(source)
    try:
        arrays = without_wrappers(state.arrays)
    except ValueError as error:
        raise InputError(source, str(error)) from error
    if model := known_model(arrays):
        raise InputError(source, f"holds weights of {model}, not of ProHMR or a ResNet")
    return dataclasses.replace(state, arrays=arrays)


def _float32(
    source: str | os.PathLike, arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the weights as float32, and what will be left out as it is."""
    weights = {}
    for name, array in arrays.items():
        if not any(applies(name) for applies in _DROPPED.values()):
            if array.dtype.kind != "f":
                raise InputError(source, f"{quoted(name)} is of type {array.dtype}")
            array = array.astype(np.float32, copy=False)
        weights[name] = array
    return weights
