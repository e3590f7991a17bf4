"""Draws the full-size weights of the official results again, from their seed.

A rule per tensor draws them; every check at full size uses them.
"""

import dataclasses
import functools
import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.spec import ModelSpec, build_model
from prohmr_jax.parity.bodies import mean_camera_and_betas
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.weights.official_layers import flow_from_official, flow_to_official
from prohmr_jax.weights.official_models import (
    FLOW_PREFIX,
    HEAD_PREFIX,
    official_shapes,
    prohmr_from_official,
)

FULL_SIZE = ModelSpec(encoder="resnet50")
# Draws are equal bit by bit; products of them may differ in the last bit.
RECIPE = 1e-6
_CONTEXT = 2048
_IDENTITY_6D = np.array([1, 0, 0, 0, 1, 0], np.float32)


def recipe_tensor(
    seed: int, pose_sigma: float, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns the tensor of an official name, float32 (or bool, for a flag).

    Args:
      seed: seed of the weights.
      pose_sigma: standard deviation of the 6D entries that the flow shall sample.
      name: official name of the tensor.
      shape: shape of the tensor.
    """
    leaf = name.rpartition(".")[2]
    if leaf == "initialized":
        return np.ones(shape, bool)
    stream = np.random.RandomState(zlib.crc32(f"{seed}/{name}".encode()))
    noise = stream.standard_normal(math.prod(shape)).reshape(shape).astype(np.float32)
    scalar = np.float32
    # The first ActNorm turns poses near the identity, of spread sigma, into noise.
    first = "_transforms.0." in name
    match leaf:
        case "running_mean" | "bias":
            return scalar(0.1) * noise
        case "running_var":
            return np.exp(scalar(0.2) * noise)
        case "log_scale":
            offset = -math.log(pose_sigma) if first else 0.0
            return scalar(0.1) * noise + scalar(offset)
        case "shift":
            tiled = np.resize(_IDENTITY_6D, shape) / scalar(pose_sigma)
            return scalar(0.1) * noise - (tiled if first else scalar(0.0))
        case "lower_entries" | "upper_entries":
            return scalar(0.3 / math.sqrt(144)) * noise
        case "unconstrained_upper_diag":
            return scalar(math.log(math.expm1(1 - 0.001))) + scalar(0.2) * noise
        case "weight":
            return noise * _gain(name, shape) + scalar(noise.ndim == 1) * _unit(name)
    raise ValueError(f"no rule for {name!r}")


def _unit(name: str) -> np.float32:
    """Returns the value around which the gains of a batch norm are drawn."""
    return np.float32(0.25 if ".bn3." in name else 1.0)


def _gain(name: str, shape: tuple[int, ...]):
    """Returns the standard deviation of a weight's entries."""
    fan_in = math.prod(shape[1:])
    if len(shape) == 1:
        return np.float32(0.1) * _unit(name)
    if len(shape) == 4:
        return np.float32(math.sqrt(2 / fan_in))
    if name.endswith("initial_layer.weight"):
        own = fan_in - _CONTEXT
        columns = [1 / math.sqrt(own)] * own + [0.3 / math.sqrt(_CONTEXT)] * _CONTEXT
        return np.array(columns, np.float32)
    if name.endswith("final_layer.weight"):
        gain = 0.3
    elif ".blocks." in name:
        gain = 0.7
    elif name.endswith("fc_head.layers.2.weight"):
        gain = 0.05
    else:
        gain = 1.0
    return np.float32(gain / math.sqrt(fan_in))


def flow_shapes(flow: ConditionalGlow) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns collection -> official name -> shape of a flow, computing no array."""
    x = jnp.zeros((1, flow.features))
    context = jnp.zeros((1, flow.context_features)) if flow.context_features else None
    init = lambda key: flow.init(key, x, context, method="forward")  # noqa: E731
    tree = jax.eval_shape(init, jax.random.key(0))
    # Views of one zero: shapes without memory.
    views = jax.tree.map(lambda s: np.broadcast_to(np.float32(0), s.shape), tree)
    return {
        collection: {
            name: value.shape for name, value in flow_to_official(values).items()
        }
        for collection, values in views.items()
    }


def recipe_flow(directory: GoldenDirectory) -> tuple[ConditionalGlow, dict]:
    """Returns the paper's flow and its weights, by the recipe of a directory."""
    return recipe_weights(directory.seed, directory.pose_sigma)


@functools.lru_cache(maxsize=1)
def recipe_weights(seed: int, pose_sigma: float) -> tuple[ConditionalGlow, dict]:
    """Returns the paper's flow, without dropout, and its weights by the recipe.

    Args:
      seed: seed of the weights.
      pose_sigma: standard deviation of the 6D entries that the flow shall sample.
    """
    flow = ConditionalGlow(dropout_rate=0.0)
    state = {
        FLOW_PREFIX + name: recipe_tensor(seed, pose_sigma, FLOW_PREFIX + name, shape)
        for shapes in flow_shapes(flow).values()
        for name, shape in shapes.items()
    }  # fmt: skip
    return flow, flow_from_official(state, flow.context_features, FLOW_PREFIX)


@functools.lru_cache(maxsize=1)
def recipe_model(directory: GoldenDirectory) -> tuple[ProHMR, dict, dict]:
    """Returns the paper's model and all weights, by the recipe of a directory.

    The constants that the head starts from are those of the directory's body.

    Returns:
      The Flax module, without dropout, its `{params, batch_stats, mean_params}`, and
      the parameters of the discriminator.
    """
    camera, betas = mean_camera_and_betas(directory)
    state = {
        HEAD_PREFIX + "init_cam": camera.reshape(1, 1, -1),
        HEAD_PREFIX + "init_betas": betas.reshape(1, 1, -1),
    }
    for name, shape in official_shapes(FULL_SIZE).items():
        if name not in state:
            state[name] = recipe_tensor(
                directory.seed, directory.pose_sigma, name, shape
            )
    spec, variables, discriminator_params = prohmr_from_official(state)
    model = build_model(dataclasses.replace(spec, flow_dropout=0.0))
    return model, jax.tree.map(jnp.asarray, variables), discriminator_params


def check_recipe(case: GoldenFile, report: Report) -> None:
    """Re-creates every tensor, and compares its sums and its first entries."""
    seed, sigma = int(case.input("seed")), float(case.input("pose_sigma"))
    for key in case.keys("tensors/"):
        golden = case.golden(key)
        name = key.removeprefix("tensors/")
        tensor = recipe_tensor(seed, sigma, name, tuple(golden["shape"]))
        values = tensor.astype(np.float64).ravel()
        first = golden["first"]
        # Sums cancel: they are measured in units of the sum of absolute values.
        total, largest = golden["abs_sum"], max(map(abs, first))
        ours = [values.sum() / total, np.abs(values).sum() / total]
        theirs = [golden["sum"] / total, 1.0]
        report.measure(
            case,
            name,
            np.array([*ours, *(values[: len(first)] / largest)]),
            np.array([*theirs, *(np.array(first) / largest)]),
            tolerance=RECIPE,
            reason="sum, absolute sum, first entries",
        )
