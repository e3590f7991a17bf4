"""Reads weights of MoveNet from TensorFlow.js graph models: JSON and raw numbers.

Used by `tools/convert_movenet.py`.
"""

import math
import os
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.json_text import read_json
from prohmr_jax.models.movenet.backbone import BLOCKS
from prohmr_jax.models.movenet.network import MoveNet
from prohmr_jax.weights.movenet_files import weight_shapes

_GRAPH = "StatefulPartitionedCall"
_BODY = f"{_GRAPH}/center_net_mobile_net_v2fpn_feature_extractor/model_1"
# Heads by their names here and there, in the order in which their layers are numbered.
_HEADS = {
    "center": "center_0",
    "box_size": "box_scale_0",
    "box_offset": "box_offset_0",
    "heatmap": "kpt_heatmap_0",
    "joint_vectors": "kpt_regress_0",
    "joint_offsets": "kpt_offset_0",
}
_BOX_HEADS = ("box_size", "box_offset")
# The pyramid has the first layers of both kinds.
_PYRAMID_STRIDES = (32, 16, 8, 4)
_FIRST_HEAD = 3


def read_movenet(path: str | os.PathLike, network: MoveNet) -> dict[str, np.ndarray]:
    """Returns the weights of a network, as stored, by their path in the parameters.

    Args:
      path: the graph's `.json`; its `.bin` lies beside it.
      network: which the graph must hold.

    Raises:
      InputError: a file is missing, damaged, or holds another network.
    """
    stored = read_tfjs_weights(path)
    names = _source_names(network.has_boxes)
    weights = {}
    for name, shape in weight_shapes(network).items():
        array = stored.get(names[name])
        if array is None or array.size != math.prod(shape):
            raise InputError(path, f"holds another network: no {name} {list(shape)}")
        weights[name] = array.reshape(shape)
    return weights


def read_tfjs_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the arrays of a graph model by name, in the types that are stored.

    Only float16, float32 and int32 are read; other quantisations are refused.

    Raises:
      InputError: a file is missing, no graph model, or of another size than it says.
    """
    path = Path(path)
    try:
        groups = [
            ([str(name) for name in group["paths"]], list(group["weights"]))
            for group in read_json(path)["weightsManifest"]
        ]
    except (LookupError, TypeError) as error:
        raise InputError(path, "is no TensorFlow.js graph model") from error
    arrays = {}
    for names, weights in groups:
        data = b"".join(_read_shard(path, name) for name in names)
        arrays |= _split(path, data, weights)
    return arrays


def _read_shard(path: Path, name: str) -> bytes:
    # A name with folders in it could point anywhere.
    shard = path.parent / Path(name).name
    try:
        return shard.read_bytes()
    except OSError as error:
        raise InputError(shard, f"cannot be read: {error.strerror}") from error


def _split(path: Path, data: bytes, weights: list) -> dict[str, np.ndarray]:
    arrays, start = {}, 0
    for weight in weights:
        try:
            name, shape = str(weight["name"]), tuple(map(int, weight["shape"]))
            kind = weight.get("quantization", weight)["dtype"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(path, "describes an array badly") from error
        if kind not in ("float16", "float32", "int32"):
            raise InputError(path, f"{name} is of type {kind}, which is not read")
        dtype = np.dtype(kind).newbyteorder("<")
        count = math.prod(shape)
        end = start + count * dtype.itemsize
        if min(shape, default=0) < 0 or end > len(data):
            raise InputError(path, "its .bin is shorter than it says")
        arrays[name] = np.frombuffer(data[start:end], dtype).reshape(shape)
        start = end
    if start != len(data):
        raise InputError(path, "its .bin is longer than it says")
    return arrays


def _source_names(has_boxes: bool) -> dict[str, str]:
    """Returns the graph's name of every array, by its path in the parameters."""
    names = {}

    def add(layer, kernel, bias=None):
        names[f"{layer}/kernel"] = kernel
        if bias is not None:
            names[f"{layer}/bias"] = bias

    def add_folded(layer, source):
        add(layer, f"{source}_weights", f"{source}_bn_offset")

    def add_plain(layer, source):
        read = "ReadVariableOp"
        add(layer, f"{source}/Conv2D/{read}", f"{source}/BiasAdd/{read}")

    add_folded("backbone/stem", f"{_BODY}/model/Conv1/Conv2D")
    add_folded("backbone/features", f"{_BODY}/model/Conv_1/Conv2D")
    for block in range(len(BLOCKS)):
        prefix = f"block_{block}" if block else "expanded_conv"
        for part, kind in (
            ("expand", "Conv2D"), ("depthwise", "depthwise"), ("project", "Conv2D"),
        ):  # fmt: skip
            source = f"{_BODY}/model/{prefix}_{part}/{kind}"
            add_folded(f"backbone/block_{block}/{part}", source)

    for number, stride in enumerate(_PYRAMID_STRIDES):
        add_plain(f"pyramid/lateral_{stride}", f"{_BODY}/{_numbered('conv2d', number)}")
    for number, stride in enumerate(_PYRAMID_STRIDES[1:]):
        source = f"{_BODY}/{_numbered('separable_conv2d', number)}/separable_conv2d"
        add(f"pyramid/filter_{stride}/depthwise", f"{source}/ReadVariableOp")
        add_folded(f"pyramid/filter_{stride}/pointwise", source)

    heads = [head for head in _HEADS if has_boxes or head not in _BOX_HEADS]
    for number, head in enumerate(heads, start=_FIRST_HEAD):
        source = f"{_GRAPH}/{_HEADS[head]}"
        layer = f"{source}/separable_conv2d_{number}"
        kernels = f"{layer}/separable_conv2d/ReadVariableOp"
        add(f"{head}/filter/depthwise", kernels)
        add(
            f"{head}/filter/pointwise",
            f"{kernels}_1",
            f"{layer}/BiasAdd/ReadVariableOp",
        )
        add_plain(f"{head}/output", f"{source}/conv2d_{number + 1}")
    return names


def _numbered(layer: str, number: int) -> str:
    return f"{layer}_{number}" if number else layer
