"""Weights of the official release and of torchvision, turned into this project's."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.pickles.machine import quoted
from prohmr_jax.files.state_dicts import StateDict, read_state_dict
from prohmr_jax.weights.official_models import (
    BACKBONE_PREFIX,
    BODY_PREFIX,
    CLASSIFIER_PREFIX,
    is_layout_buffer,
    prohmr_from_official,
    resnet_from_torchvision,
)
from prohmr_jax.weights.weight_files import save_encoder_weights, save_weights_directory

# What is left out -> which entries that is.
_DROPPED: dict[str, Callable[[str], bool]] = {
    "buffers that restate the layout": is_layout_buffer,
    "the body, which comes from its own file": lambda n: n.startswith(BODY_PREFIX),
    "the classifier of ImageNet": lambda n: n.startswith(CLASSIFIER_PREFIX),
}
_MAX_UNKNOWN = 5


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What was read and what became of it."""

    state: StateDict
    sha256: str
    """Of the file that was read."""
    model: str
    """What the weights are of, in words."""
    dropped: dict[str, int]
    """Rule -> number of tensors that it leaves out; all others were mapped."""

    def __str__(self) -> str:
        """Returns the report, a few lines."""
        arrays, unknown = self.state.arrays, self.state.unknown
        size = sum(array.nbytes for array in arrays.values()) / 1e6
        mapped = len(arrays) - sum(self.dropped.values())
        lines = [
            f"read     {len(arrays)} tensors, {size:.1f} MB, {self.state.form}",
            f"sha256   {self.sha256}",
            f"mapped   {mapped} tensors to {self.model}",
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
    """Converts a file of weights into a weights directory; see `checkpoint`.

    Args:
      source: official ProHMR, or a ResNet of torchvision: of `torch.save` or
        safetensors.
      target: directory to make; a model for `load_weights`, or an encoder for
        `load_starting_encoder`.

    Raises:
      InputError: the source is damaged, refused, or not of such a model, every entry
        of which must be there, of the right shape and finite, and no other; or the
        target cannot be written.
    """
    state = read_state_dict(source)
    of_model = any(name.startswith(BACKBONE_PREFIX) for name in state.arrays)
    if not of_model and "conv1.weight" not in state.arrays:
        some = ", ".join(map(quoted, list(state.arrays)[:3]))
        raise InputError(source, f"is neither a ProHMR nor a ResNet: it has {some}")
    weights = _float32(source, state.arrays)
    rename = prohmr_from_official if of_model else resnet_from_torchvision
    try:
        renamed = rename(weights)
    except (TypeError, ValueError) as error:  # how a model says that sizes clash
        raise InputError(source, str(error)) from error
    if of_model:
        spec, _, _ = renamed
        model = f"a ProHMR on {spec.encoder}, with its discriminator"
        save_weights_directory(target, *renamed)
    else:
        model = f"a {renamed[0]}, to start training from"
        save_encoder_weights(target, *renamed)
    with open(source, "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    counts = {rule: sum(map(is_of, state.arrays)) for rule, is_of in _DROPPED.items()}
    dropped = {rule: count for rule, count in counts.items() if count}
    return Conversion(state, sha256, model, dropped)


def _float32(
    source: str | os.PathLike, arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the weights as float32, and what is dropped as it is."""
    found = {}
    for name, array in arrays.items():
        if not any(is_of(name) for is_of in _DROPPED.values()):
            if array.dtype.kind != "f":
                raise InputError(source, f"{quoted(name)} is of type {array.dtype}")
            array = array.astype(np.float32, copy=False)
        found[name] = array
    return found
