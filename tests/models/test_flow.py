"""The flow: one table of layers and forms, and the same laws for all of them."""

import functools
import json
import lzma
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.flow import (
    ConditionalGlow,
    initialize_actnorm,
    standard_normal_log_prob,
)
from prohmr_jax.parity.recipe import flow_shapes
from tests.support.flow_cases import (
    FEATURES,
    FLOWS,
    compiled,
    contexts,
    each_flow,
    each_glow,
    glow,
    run,
    values,
    weights,
)
from tests.support.paths import GOLDENS


@each_flow
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_the_two_directions_undo_each_other(rng, flow, batch):
    x, context = values(rng, *batch), contexts(flow, rng, *batch)
    z, log_det = run(flow, "forward", x, context)
    again, back = run(flow, "inverse", z, context)
    assert log_det.shape == back.shape == batch
    np.testing.assert_allclose(again, x, atol=2e-5)
    np.testing.assert_allclose(back, -log_det, atol=1e-5)
    assert np.max(np.abs(z - x)) > 1e-2  # the weights do something


@each_flow
@pytest.mark.parametrize("method", ["forward", "inverse"])
def test_log_det_is_that_of_the_jacobian(rng, flow, method):
    x, context = values(rng), contexts(flow, rng)
    mapped = lambda x: run(flow, method, x, context)[0]  # noqa: E731
    sign, expected = np.linalg.slogdet(jax.jacfwd(mapped)(x))
    _, log_det = run(flow, method, x, context)
    assert sign > 0
    np.testing.assert_allclose(log_det, expected, atol=1e-4)


@each_glow
def test_log_prob_is_the_base_density_and_the_volume(rng, flow):
    x, context = values(rng, 4), contexts(flow, rng, 4)
    log_prob, z = run(flow, "log_prob", x, context)
    _, log_det = run(flow, "forward", x, context)
    base = -0.5 * np.sum(np.square(z), axis=-1) - 0.5 * FEATURES * math.log(2 * math.pi)
    np.testing.assert_allclose(log_prob, base + log_det, rtol=1e-5)
    sample, sample_log_prob = run(flow, "sample", z, context)
    np.testing.assert_allclose(sample, x, atol=2e-5)
    np.testing.assert_allclose(sample_log_prob, log_prob, atol=1e-4)


@each_glow
def test_zero_noise_is_the_exact_mode(rng, flow):
    context = contexts(flow, rng, 3, 1)
    z = values(rng, 3, 50).at[:, 0].set(0.0)
    _, log_prob = run(flow, "sample", z, context)
    assert np.all(np.argmax(log_prob, axis=1) == 0)
    # ln p falls from the mode by |z|^2 / 2 alone: the volume is the same for all.
    drop = log_prob[:, :1] - log_prob
    np.testing.assert_allclose(drop, 0.5 * jnp.sum(z**2, axis=-1), atol=1e-4)


@each_glow
def test_log_det_may_vary_per_image_but_never_per_sample(rng, flow):
    context = contexts(flow, rng, 3, 1)
    for method in ("forward", "inverse"):
        _, log_det = run(flow, method, values(rng, 3, 20), context)
        assert np.ptp(log_det, axis=1).max() < 1e-5
        if flow.affine:
            assert np.ptp(log_det[:, 0]) > 1e-2
        else:
            assert np.ptp(log_det) < 1e-5


@each_glow
def test_a_shared_context_equals_a_repeated_one(rng, flow):
    context, z = contexts(flow, rng, 2, 1), values(rng, 2, 5)
    repeated = None if context is None else jnp.repeat(context, 5, axis=1)
    for method in ("forward", "inverse"):
        shared = run(flow, method, z, context)
        for a, b in zip(shared, run(flow, method, z, repeated), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("first_identity", [0, 1])
def test_a_coupling_passes_every_second_feature(rng, first_identity):
    flow = FLOWS["coupling, odd pass" if first_identity else "coupling, even pass"]
    x, context = values(rng, 4), contexts(flow, rng, 4)
    y, _ = run(flow, "forward", x, context)
    moved = np.any(np.asarray(y != x), axis=0)
    np.testing.assert_array_equal(moved, np.arange(FEATURES) % 2 != first_identity)


def test_layers_start_at_the_identity_and_blocks_close_to_it(rng):
    x = values(rng, 4)
    for name in ("ActNorm", "LULinear", "affine coupling"):
        flow = FLOWS[name]
        context = contexts(flow, rng, 4)
        init = jax.jit(functools.partial(flow.init, method="forward"))
        variables = init(jax.random.key(0), x, context)
        y, log_det = compiled(flow, "forward")(variables, x, context)
        np.testing.assert_allclose(y, x, atol=0.1 if "coupling" in name else 1e-6)
        np.testing.assert_allclose(log_det, 0.0, atol=1e-5)


@pytest.mark.parametrize("counted", [None, 40])
def test_actnorm_starts_by_whitening_its_input(rng, counted):
    flow = glow(use_batch_norm=False, dropout_rate=0.0)
    x = 3.0 * values(rng, 60) @ jnp.asarray(rng.normal(size=(FEATURES,) * 2)) + 5.0
    context, mask = contexts(flow, rng, 60), None
    rows = slice(None)
    if counted:
        rows, mask = slice(counted), (jnp.arange(60) < counted).astype(jnp.float32)
        x = x.at[counted:].set(1e3)
    variables = weights(flow)
    whiten = functools.partial(flow.apply, method="actnorm_from_data")
    actnorms, z = jax.jit(whiten)(variables, x, context, weights=mask)
    assert set(actnorms) == {"layers_0", "layers_3"}
    first = actnorms["layers_0"]
    y = np.exp(first["log_scale"]) * x[rows] + first["shift"]
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(y.std(axis=0, ddof=1), 1.0, atol=1e-4)
    # Merged into the parameters, the flow maps this data as the initialisation did.
    params = initialize_actnorm(variables["params"], actnorms)
    again, _ = compiled(flow, "forward")({"params": params}, x[rows], context[rows])
    np.testing.assert_allclose(again, z[rows], atol=1e-3)
    bound = flow.bind({"params": params})
    h = x[rows]
    for layer in bound.layers[:3]:
        h, _ = layer.forward(h, context[rows])
    h, _ = bound.layers[3].forward(h, None)
    np.testing.assert_allclose(np.mean(h, axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(np.std(h, axis=0, ddof=1), 1.0, atol=1e-3)


def test_a_constant_feature_does_not_break_the_initialisation(rng):
    flow = FLOWS["glow, no batch norm"]
    x = values(rng, 10).at[:, 2].set(4.0)
    actnorms, z = flow.apply(
        weights(flow), x, contexts(flow, rng, 10), False, method="actnorm_from_data"
    )
    assert np.all(np.isfinite(z))
    assert np.all(np.isfinite(actnorms["layers_0"]["log_scale"]))


def test_dropout_acts_in_training_only_and_follows_its_key(rng):
    flow = FLOWS["glow, no batch norm"]
    x, context = values(rng, 8), contexts(flow, rng, 8)
    training = lambda seed: flow.apply(  # noqa: E731
        weights(flow), x, context, True, method="forward",
        rngs={"dropout": jax.random.key(seed)},
    )[0]  # fmt: skip
    np.testing.assert_array_equal(training(0), training(0))
    assert np.any(training(0) != training(1))
    plain = run(flow, "forward", x, context)[0]
    assert np.any(training(0) != plain)


def test_rows_that_do_not_count_leave_training_alone(rng):
    flow = glow(dropout_rate=0.0)
    x, context = values(rng, 12), contexts(flow, rng, 12)
    mask = (jnp.arange(12) < 8).astype(jnp.float32)

    @jax.jit
    def apply(x, context, mask):
        return flow.apply(
            weights(flow), x, context, True, mask,
            method="log_prob", mutable=["batch_stats"],
        )  # fmt: skip

    (whole, _), a = apply(x.at[8:].set(99.0), context, mask)
    (part, _), b = apply(x[:8], context[:8], None)
    np.testing.assert_allclose(whole[:8], part, rtol=1e-4, atol=1e-4)
    jax.tree.map(lambda p, q: np.testing.assert_allclose(p, q, atol=1e-4), a, b)


def test_standard_normal_log_prob_integrates_to_one():
    grid = jnp.linspace(-9, 9, 4001)
    density = np.exp(standard_normal_log_prob(grid[:, None]))
    np.testing.assert_allclose(density.sum() * 18 / 4000, 1.0, rtol=1e-5)


def test_the_full_size_has_the_official_names_and_shapes():
    table = lzma.decompress((GOLDENS / "param_tables.json.xz").read_bytes())
    official = json.loads(table)["ConditionalGlow_144_1024_4_2_ctx2048"]
    parameters = {
        name: tuple(entry["shape"])
        for name, entry in official.items()
        if entry["kind"] == "parameter"
    }
    ours = flow_shapes(ConditionalGlow())["params"]
    assert ours == parameters
    count = sum(math.prod(shape) for shape in ours.values())
    assert count == sum(math.prod(shape) for shape in parameters.values())
    assert count > 25e6


@pytest.mark.parametrize("method", ["log_prob", "sample"])
def test_lowers_for_accelerators(rng, method):
    flow = FLOWS["glow, affine"]
    jitted = jax.jit(functools.partial(flow.apply, weights(flow), method=method))
    exported = jax.export.export(jitted, platforms=["tpu", "cuda"])(
        values(rng, 2, 5), contexts(flow, rng, 2, 1)
    )
    assert exported.platforms == ("tpu", "cuda")


def test_a_second_call_does_not_recompile(rng):
    flow = FLOWS["glow"]
    traced = jax.jit(
        chex.assert_max_traces(
            lambda v, z, c: flow.apply(v, z, c, method="sample"), n=1
        )
    )
    for _ in range(2):
        traced(weights(flow), values(rng, 2, 5), contexts(flow, rng, 2, 1))
