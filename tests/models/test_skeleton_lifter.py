"""The lifting network agrees with a NumPy version, and the flow with its own law."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.structs import Keypoints2D
from tests.support.lifting_cases import SMALL_LIFTER, random_variables

UNDROPPED = dataclasses.replace(SMALL_LIFTER, encoder_dropout=0.0, flow_dropout=0.0)


def keypoints_of(rng, rows, joints):
    xy = rng.normal(size=(rows, joints, 2)).astype(np.float32)
    return Keypoints2D(xy, np.ones((rows, joints), np.float32))


def encoder_in_numpy(variables, x, train):
    """Martinez et al.'s network in float64, and the statistics of its batches."""
    params, stats = (variables[c]["encoder"] for c in ("params", "batch_stats"))
    batches = {}

    def block(h, layer, number):
        linear = params[layer][f"fc_block_{number}"]
        norm = params[layer][f"fc_block_{number + 1}"]
        kept = stats[layer][f"fc_block_{number + 1}"]
        rows = [row @ linear["kernel"].astype(float) + linear["bias"] for row in h]
        h = np.stack(rows)
        mean, var = (h.mean(0), h.var(0)) if train else (kept["mean"], kept["var"])
        batches[layer, number + 1] = h.mean(0), h.var(0, ddof=1)
        h = norm["scale"] * (h - mean) / np.sqrt(var + 1e-5) + norm["bias"]
        return np.maximum(h, 0.0)

    h = block(x.reshape(len(x), -1).astype(float), "fc_layers_0", 0)
    last = sorted(params)[-1]
    for layer in sorted(params)[1:]:
        first = block(h, layer, 0)
        if "fc_block_4" in params[layer]:
            h = h + block(first, layer, 4)
        else:
            assert layer == last
            h = first
    return h, batches


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("context", [6, 7], ids=["same width", "another width"])
def test_the_encoder_is_that_of_martinez(rng, context, train):
    spec = dataclasses.replace(UNDROPPED, context_features=context)
    variables = random_variables(spec)
    keypoints = keypoints_of(rng, 9, spec.input_joints)
    actual, updated = build_lifter(spec).apply(
        variables, keypoints, train, method="encode", mutable=["batch_stats"]
    )
    expected, batches = encoder_in_numpy(variables, keypoints.xy, train)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)
    assert actual.shape == (9, context)
    for (layer, norm), (mean, var) in batches.items():
        before = variables["batch_stats"]["encoder"][layer][f"fc_block_{norm}"]
        after = updated["batch_stats"]["encoder"][layer][f"fc_block_{norm}"]
        step = 0.1 if train else 0.0
        for name, batch in (("mean", mean), ("var", var)):
            wanted = before[name] + step * (batch - before[name])
            np.testing.assert_allclose(after[name], wanted, rtol=1e-4, atol=1e-5)


def test_confidences_are_not_read(rng):
    model, variables = build_lifter(UNDROPPED), random_variables(UNDROPPED)
    keypoints = keypoints_of(rng, 3, UNDROPPED.input_joints)
    doubted = keypoints.replace(confidence=0.1 * keypoints.confidence)
    apply = lambda k: model.apply(variables, k, method="encode")  # noqa: E731
    np.testing.assert_array_equal(apply(keypoints), apply(doubted))


def test_the_density_of_a_sample_is_that_of_its_joints(rng):
    """And hypotheses broadcast over leading axes, of which there may be none."""
    model, variables = build_lifter(UNDROPPED), random_variables(UNDROPPED)
    context = rng.normal(size=(2, 3, 7)).astype(np.float32)
    z = rng.normal(size=(2, 3, 5, model.latent_features)).astype(np.float32)
    apply = jax.jit(model.apply, static_argnames="method")
    many = apply(variables, context, z, method="hypotheses")
    assert many.joints.shape == (2, 3, 5, UNDROPPED.output_joints, 3)
    density = apply(variables, context[:, :, None], many.joints, method="log_prob")
    np.testing.assert_allclose(density, many.log_prob, rtol=2e-4, atol=1e-3)
    one = apply(variables, context[1, 2], z[1, 2], method="hypotheses")
    np.testing.assert_allclose(one.joints, many.joints[1, 2], rtol=1e-4, atol=1e-4)


def test_fresh_weights_of_the_default_size_fit_17_and_16_joints():
    model = build_lifter(LifterSpec())
    shapes = jax.eval_shape(lambda: init_lifter(model, jax.random.key(0)))
    encoder = shapes["params"]["encoder"]
    assert encoder["fc_layers_0"]["fc_block_0"]["kernel"].shape == (34, 1024)
    assert sorted(encoder) == ["fc_layers_0", "fc_layers_1", "fc_layers_2"]
    assert shapes["params"]["flow"]["layers_0"]["shift"].shape == (48,)


def test_training_drops_units_of_encoder_and_flow(rng):
    keypoints = keypoints_of(rng, 4, SMALL_LIFTER.input_joints)
    variables = random_variables(SMALL_LIFTER)
    z = jnp.zeros((4, 1, 3 * SMALL_LIFTER.output_joints))

    @functools.partial(jax.jit, static_argnames="spec")
    def outputs(spec, key):
        def run(module):
            context = module.encode(keypoints, True)
            fixed = jnp.ones_like(context)
            return context, module.hypotheses(fixed, z, True).joints

        rngs = {"dropout": key}
        model = build_lifter(spec)
        return model.apply(variables, method=run, mutable=["batch_stats"], rngs=rngs)[0]

    first, second = (outputs(SMALL_LIFTER, jax.random.key(seed)) for seed in (1, 2))
    for part, whole in enumerate(outputs(UNDROPPED, jax.random.key(1))):
        assert np.any(first[part] != second[part])
        assert np.any(first[part] != whole)
