"""The prepared flow is the trained flow, whatever its options."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models import prepared_flow
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.fold_flow import prepare_flow
from tests.support.flow_cases import (
    FEATURES,
    GLOWS,
    contexts,
    each_glow,
    random_weights,
    run,
    values,
    weights,
)

log_prob = jax.jit(prepared_flow.log_prob)
sample = jax.jit(prepared_flow.sample)
project_context = jax.jit(prepared_flow.project_context)


def prepared(flow):
    return prepare_flow(flow, weights(flow))


@each_glow
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_equals_the_trained_flow_in_both_directions(rng, flow, batch):
    x, context = values(rng, *batch), contexts(flow, rng, *batch)
    folded = prepared(flow)
    projected = project_context(folded, context)
    for name, function in (("log_prob", log_prob), ("sample", sample)):
        ours, expected = function(folded, x, projected), run(flow, name, x, context)
        for a, b in zip(ours, expected, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)
    assert folded.features == FEATURES


@each_glow
def test_one_projection_serves_all_hypotheses(rng, flow):
    z, context = values(rng, 2, 30), contexts(flow, rng, 2, 1)
    folded = prepared(flow)
    x, density = sample(folded, z, project_context(folded, context))
    expected, expected_density = run(flow, "sample", z, context)
    np.testing.assert_allclose(x, expected, atol=1e-4)
    np.testing.assert_allclose(density, expected_density, atol=1e-4)
    back = log_prob(folded, x, project_context(folded, context))
    np.testing.assert_allclose(back[1], z, atol=1e-4)
    np.testing.assert_allclose(back[0], density, atol=1e-4)


@pytest.mark.parametrize("name", ["glow", "glow, affine"])
def test_gradients_equal_those_of_the_trained_flow(rng, name):
    flow = GLOWS[name]
    folded, z, context = prepared(flow), values(rng, 3, 4), contexts(flow, rng, 3, 1)
    weight = values(rng, 3, 4)

    def through_prepared(z, context):
        projected = prepared_flow.project_context(folded, context)
        x, density = prepared_flow.sample(folded, z, projected)
        return jnp.sum(x * weight) + jnp.sum(density)

    def through_trained(z, context):
        x, density = flow.apply(weights(flow), z, context, method="sample")
        return jnp.sum(x * weight) + jnp.sum(density)

    ours = jax.jit(jax.grad(through_prepared, argnums=(0, 1)))(z, context)
    expected = jax.jit(jax.grad(through_trained, argnums=(0, 1)))(z, context)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_vmap_over_samples_equals_the_batch(rng):
    flow = GLOWS["glow"]
    folded, z = prepared(flow), values(rng, 20)
    projected = project_context(folded, contexts(flow, rng))
    mapped = jax.jit(jax.vmap(prepared_flow.sample, in_axes=(None, 0, None)))
    for a, b in zip(
        mapped(folded, z, projected), sample(folded, z, projected), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_work_per_hypothesis_is_the_folded_count():
    hidden, features, context, blocks = 64, 18, 256, 2
    flow = ConditionalGlow(features, hidden, context, 2, blocks, use_batch_norm=False)
    arguments = (jnp.zeros((1, features)), jnp.zeros((1, context)))
    folded = prepare_flow(flow, random_weights(flow, *arguments))
    projected = project_context(folded, arguments[1])
    compiled = sample.lower(folded, jnp.zeros((100, features)), projected).compile()
    half = features // 2
    # Into the conditioner, its square layers but the last, two ways out, the affine.
    step = half * hidden + (2 * blocks - 1) * hidden**2 + 2 * hidden * half
    multiply_adds = 100 * 2 * (step + features**2)
    flops = compiled.cost_analysis()["flops"]
    # The rest is additions and rectifiers; projecting the context per sample, or an
    # unfolded layer, would add half as much again.
    assert 1.0 <= flops / (2 * multiply_adds) < 1.15


@pytest.mark.parametrize("function", [prepared_flow.sample, prepared_flow.log_prob])
def test_lowers_for_accelerators_and_does_not_recompile(rng, function):
    flow = GLOWS["glow, affine"]
    folded = prepared(flow)
    projected = project_context(folded, contexts(flow, rng, 2, 1))
    traced = jax.jit(chex.assert_max_traces(function, n=1))
    for _ in range(2):
        traced(folded, values(rng, 2, 5), projected)
    with_weights = jax.jit(lambda z: function(folded, z, projected))
    exported = jax.export.export(with_weights, platforms=["tpu", "cuda"])(
        values(rng, 2, 5)
    )
    assert exported.platforms == ("tpu", "cuda")


def test_a_lower_precision_reaches_every_product(rng):
    """Lowered for a GPU, since a CPU computes in float32 whatever is asked for."""
    flow = GLOWS["glow, affine"]
    folded = prepared(flow).replace(precision="TF32_TF32_F32")
    z, context = values(rng, 2), contexts(flow, rng, 2)

    def sampled(folded, z, context):
        projected = prepared_flow.project_context(folded, context)
        return prepared_flow.sample(folded, z, projected)

    lowered = jax.export.export(jax.jit(sampled), platforms=["cuda"])
    products = [
        line
        for line in lowered(folded, z, context).mlir_module().splitlines()
        if "stablehlo.dot_general" in line
    ]
    assert len(products) > 10
    assert [p for p in products if "lhs_precision_type = tf32" not in p] == []
