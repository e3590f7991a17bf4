"""Flow layers and whole flows with random weights, for laws that hold for all."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.flow_layers import ActNorm, Coupling, LULinear

FEATURES, CONTEXT = 7, 3

_NET = {
    "hidden_features": 8, "context_features": CONTEXT, "num_blocks": 2,
    "use_batch_norm": True, "dropout_rate": 0.5,
}  # fmt: skip
coupling = functools.partial(Coupling, FEATURES, **_NET)
glow = functools.partial(ConditionalGlow, FEATURES, num_layers=2, **_NET)

FLOWS = {
    "ActNorm": ActNorm(FEATURES),
    "LULinear": LULinear(FEATURES),
    "coupling, even pass": coupling(first_identity=0),
    "coupling, odd pass": coupling(first_identity=1),
    "affine coupling": coupling(first_identity=0, affine=True),
    "glow": glow(),
    "glow, affine": glow(affine=True),
    "glow, no batch norm": glow(use_batch_norm=False),
    "glow, one block": glow(num_blocks=1),
    "glow, no context": glow(context_features=0),
}
GLOWS = {name: flow for name, flow in FLOWS.items() if name.startswith("glow")}
each_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
each_glow = pytest.mark.parametrize("flow", GLOWS.values(), ids=GLOWS.keys())


def contexts(flow, rng, *batch):
    if getattr(flow, "context_features", CONTEXT) == 0:
        return None
    return jnp.asarray(rng.normal(size=(*batch, CONTEXT)), jnp.float32)


def values(rng, *batch):
    return jnp.asarray(rng.normal(size=(*batch, FEATURES)), jnp.float32)


def random_weights(flow, x, context):
    """Random weights, far enough from the identity to be telling."""
    rng = np.random.default_rng(3)
    init = functools.partial(flow.init, method="forward")
    shapes = jax.eval_shape(init, jax.random.key(0), x, context)
    noise = jax.tree.map(
        lambda a: np.asarray(rng.normal(size=a.shape) * 0.3, a.dtype), shapes
    )
    if "batch_stats" in noise:
        positive = jax.tree.map(lambda a: np.abs(a) + 0.1, noise["batch_stats"])
        noise = {**noise, "batch_stats": positive}
    return noise


@functools.cache
def weights(flow):
    rng = np.random.default_rng(0)
    return random_weights(flow, values(rng, 2), contexts(flow, rng, 2))


@functools.cache
def compiled(flow, method):
    return jax.jit(functools.partial(flow.apply, method=method))


def run(flow, method, x, context):
    return compiled(flow, method)(weights(flow), x, context)
