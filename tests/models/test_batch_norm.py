"""Batch normalisation: a float64 loop, torch's running averages, several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.layers import BatchNorm

FEATURES = 5


def state(rng):
    return {
        "params": {
            "scale": jnp.asarray(rng.normal(size=FEATURES), jnp.float32),
            "bias": jnp.asarray(rng.normal(size=FEATURES), jnp.float32),
        },
        "batch_stats": {
            "mean": jnp.asarray(rng.normal(size=FEATURES), jnp.float32),
            "var": jnp.asarray(rng.uniform(0.5, 2, FEATURES), jnp.float32),
        },
    }


def by_loops(variables, x, weights):
    """Output and new running averages, feature by feature, counted rows only."""
    x = np.asarray(x, np.float64).reshape(-1, FEATURES)
    counted = np.asarray(weights).reshape(-1) > 0
    y, mean, var = np.empty_like(x), [], []
    for f in range(FEATURES):
        rows = x[counted, f]
        center = sum(rows) / len(rows)
        biased = sum((r - center) ** 2 for r in rows) / len(rows)
        unbiased = biased * len(rows) / max(len(rows) - 1, 1)
        scale = float(variables["params"]["scale"][f])
        bias = float(variables["params"]["bias"][f])
        y[:, f] = scale * (x[:, f] - center) / np.sqrt(biased + 1e-5) + bias
        old = variables["batch_stats"]
        mean.append(0.9 * float(old["mean"][f]) + 0.1 * center)
        var.append(0.9 * float(old["var"][f]) + 0.1 * unbiased)
    return y, mean, var


@pytest.mark.parametrize("shape", [(12,), (3, 4)])
@pytest.mark.parametrize("weighted", [False, True])
def test_training_agrees_with_loops(rng, shape, weighted):
    variables = state(rng)
    x = jnp.asarray(rng.normal(2.0, 3.0, (*shape, FEATURES)), jnp.float32)
    weights = rng.integers(0, 2, shape) if weighted else np.ones(shape)
    given = jnp.asarray(weights, jnp.float32) if weighted else None
    norm = BatchNorm(use_running_average=False)
    y, updates = norm.apply(variables, x, given, mutable=["batch_stats"])
    expected, mean, var = by_loops(variables, x, weights)
    np.testing.assert_allclose(y, expected.reshape(x.shape), atol=1e-5)
    np.testing.assert_allclose(updates["batch_stats"]["mean"], mean, atol=1e-5)
    np.testing.assert_allclose(updates["batch_stats"]["var"], var, rtol=1e-5)


def test_rows_that_do_not_count_do_not_matter(rng):
    variables = state(rng)
    x = jnp.asarray(rng.normal(size=(10, FEATURES)), jnp.float32)
    weights = jnp.asarray(np.arange(10) < 6, jnp.float32)
    norm = BatchNorm(use_running_average=False)
    whole, a = norm.apply(variables, x.at[6:].set(1e3), weights, mutable="batch_stats")
    part, b = norm.apply(variables, x[:6], mutable="batch_stats")
    np.testing.assert_allclose(whole[:6], part, atol=1e-5)
    jax.tree.map(lambda p, q: np.testing.assert_allclose(p, q, rtol=1e-5), a, b)


def test_evaluation_uses_the_running_averages_row_by_row(rng):
    variables = state(rng)
    x = jnp.asarray(rng.normal(size=(7, FEATURES)), jnp.float32)
    norm = BatchNorm(use_running_average=True)
    y, updates = norm.apply(variables, x, mutable=["batch_stats"])
    stats, params = variables["batch_stats"], variables["params"]
    std = np.sqrt(np.asarray(stats["var"], np.float64) + 1e-5)
    expected = (x - stats["mean"]) / std * params["scale"] + params["bias"]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(norm.apply(variables, x[2]), y[2], atol=1e-6)
    assert not updates.get("batch_stats") or jax.tree.all(
        jax.tree.map(lambda a, b: bool(jnp.all(a == b)), updates["batch_stats"], stats)
    )


def test_devices_share_their_statistics(rng):
    variables = state(rng)
    x = jnp.asarray(rng.normal(size=(4, 6, FEATURES)), jnp.float32)
    # Uneven counts: the mean over devices is not the mean of their means.
    weights = jnp.asarray(rng.uniform(size=(4, 6)) < [[0.9], [0.3], [0.6], [0.6]])
    weights = weights.astype(jnp.float32)
    alone = BatchNorm(use_running_average=False)
    shared = BatchNorm(use_running_average=False, axis_name="data")

    def on_device(x, weights):
        return shared.apply(variables, x, weights, mutable=["batch_stats"])

    y, updates = jax.vmap(on_device, axis_name="data")(x, weights)
    expected, stats = alone.apply(variables, x, weights, mutable=["batch_stats"])
    np.testing.assert_allclose(y, expected, atol=1e-5)
    for name in ("mean", "var"):
        for device in range(4):
            np.testing.assert_allclose(
                updates["batch_stats"][name][device],
                stats["batch_stats"][name],
                rtol=1e-5,
            )


def test_gradients_flow_through_shared_statistics(rng):
    variables = state(rng)
    x = jnp.asarray(rng.normal(size=(4, 6, FEATURES)), jnp.float32)
    target = jnp.asarray(rng.normal(size=(4, 6, FEATURES)), jnp.float32)

    def loss(x, axis_name):
        norm = BatchNorm(use_running_average=False, axis_name=axis_name)
        apply = lambda x: norm.apply(variables, x, mutable=["batch_stats"])[0]  # noqa: E731
        y = jax.vmap(apply, axis_name="data")(x) if axis_name else apply(x)
        return jnp.sum(y * target)

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    np.testing.assert_allclose(gradient(x, "data"), gradient(x, None), atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_written_gradient_is_that_of_the_definition(rng, weighted):
    variables = state(rng)
    x = jnp.asarray(rng.normal(2.0, 3.0, (4, 6, FEATURES)), jnp.float32)
    target = jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    counts = jnp.asarray(rng.uniform(size=(4, 6)) < 0.6, jnp.float32)
    weights = counts if weighted else jnp.ones((4, 6))

    def ours(params, x):
        norm = BatchNorm(use_running_average=False)
        given = {**variables, "params": params}
        mask = counts if weighted else None
        y, _ = norm.apply(given, x, mask, mutable=["batch_stats"])
        return jnp.sum(y * target)

    def defined(params, x):
        mask = weights[..., None]
        mean = jnp.sum(x * mask, axis=(0, 1)) / jnp.sum(mask)
        var = jnp.sum((x - mean) ** 2 * mask, axis=(0, 1)) / jnp.sum(mask)
        y = (x - mean) / jnp.sqrt(var + 1e-5) * params["scale"] + params["bias"]
        return jnp.sum(y * target)

    normalised, expected = (
        jax.jit(jax.grad(f, argnums=(0, 1)))(variables["params"], x)
        for f in (ours, defined)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), normalised, expected
    )
