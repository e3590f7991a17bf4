"""Muon for the encoder's kernels, AdamW for the rest, and what they count."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import prohmr
from prohmr_jax.errors import InputError
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer

SHAPES = {
    "encoder": {"conv": {"kernel": (3, 3, 5, 8)}, "norm": {"scale": (8,)}},
    "flow": {"linear": {"kernel": (6, 6)}},
}


@pytest.fixture
def trees(rng):
    def random(shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    leaf = {"is_leaf": lambda x: isinstance(x, tuple)}
    return [jax.tree.map(random, SHAPES, **leaf) for _ in range(2)]


def updated(trees, **settings):
    params, gradients = trees
    optimizer = make_optimizer(OptimizerSettings(**settings), 100)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    return updates


def test_kernels_of_the_encoder_move_by_nearly_orthogonal_matrices(trees):
    update = updated(trees, muon_learning_rate=0.1, weight_decay=0.0)
    matrix = np.asarray(update["encoder"]["conv"]["kernel"]).reshape(-1, 8)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert values.max() / values.min() < 2.0
    gradient = np.asarray(trees[1]["encoder"]["conv"]["kernel"]).reshape(-1, 8)
    u, _, vt = np.linalg.svd(gradient, full_matrices=False)
    cosine = np.sum(-matrix * (u @ vt)) / np.linalg.norm(matrix) / np.sqrt(8)
    assert cosine > 0.95
    # As long as AdamW's usually are: 0.2 of the rate.
    assert np.sqrt(np.mean(matrix**2)) == pytest.approx(0.02, rel=0.3)


def test_the_rest_moves_by_adamw(trees):
    mixed = updated(trees, learning_rate=0.01, muon_learning_rate=0.1)
    params, gradients = trees
    adamw = optax.adamw(0.01, weight_decay=1e-4, nesterov=True)
    plain, _ = adamw.update(gradients, adamw.init(params), params)
    for part, name in (("encoder", "norm"), ("flow", "linear")):
        for actual, expected in zip(
            jax.tree.leaves(mixed[part][name]),
            jax.tree.leaves(plain[part][name]),
            strict=True,
        ):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_without_a_warm_up_the_first_step_has_the_whole_rate(schedule, trees):
    update = updated(trees, learning_rate=0.01, schedule=schedule, weight_decay=0.0)
    for leaf in jax.tree.leaves(update):
        # AdamW's first step is the gradient's sign times the rate.
        np.testing.assert_allclose(np.abs(leaf), 0.01, rtol=1e-3)


def test_the_paper_config_learns_at_its_rate(trees):
    settings = prohmr.get_config().optimizer
    update = updated(trees, **{**settings, "weight_decay": 0.0})
    for leaf in jax.tree.leaves(update):
        np.testing.assert_allclose(np.abs(leaf), 1e-4, rtol=1e-3)


@pytest.mark.parametrize("muon_learning_rate", [0.0, 0.1])
def test_an_encoder_may_learn_more_slowly(muon_learning_rate, trees):
    plain = updated(trees, muon_learning_rate=muon_learning_rate)
    slower = updated(
        trees, muon_learning_rate=muon_learning_rate, encoder_rate_ratio=0.25
    )
    for part, ratio in (("encoder", 0.25), ("flow", 1.0)):
        for actual, whole in zip(
            jax.tree.leaves(slower[part]), jax.tree.leaves(plain[part]), strict=True
        ):
            np.testing.assert_allclose(actual, ratio * whole, rtol=1e-6)


def test_schedules_count_updates(trees):
    settings = OptimizerSettings(
        learning_rate=1.0, schedule="cosine", accumulate_steps=4, weight_decay=0.0
    )
    params, gradients = trees
    optimizer = make_optimizer(settings, 16)
    state, moves = optimizer.init(params), []
    for _ in range(16):
        updates, state = optimizer.update(gradients, state, params)
        moves.append(float(optax.tree.norm(updates)))
    assert [move > 0 for move in moves[:15]] == [n % 4 == 3 for n in range(15)]
    assert moves[3] > moves[7] > moves[11] > moves[15] >= 0


ACCUMULATED = dict(muon_learning_rate=0.1, max_gradient_norm=0.5)


def test_an_accumulated_update_is_that_of_the_mean_gradient(trees, rng):
    params, gradients = trees
    optimizer = make_optimizer(OptimizerSettings(**ACCUMULATED, accumulate_steps=3), 30)
    plain = make_optimizer(OptimizerSettings(**ACCUMULATED), 10)
    state, plain_state = optimizer.init(params), plain.init(params)
    for _ in range(2):
        parts = [
            jax.tree.map(lambda g: g * jnp.float32(rng.normal()), gradients)
            for _ in range(3)
        ]
        for part in parts:
            updates, state = optimizer.update(part, state, params)
        mean = jax.tree.map(lambda *g: sum(g) / 3, *parts)
        expected, plain_state = plain.update(mean, plain_state, params)
        for actual, value in zip(
            jax.tree.leaves(updates), jax.tree.leaves(expected), strict=True
        ):
            np.testing.assert_allclose(actual, value, rtol=1e-4, atol=1e-7)


def test_steps_that_only_accumulate_compute_no_update(trees):
    params, gradients = trees
    optimizer = make_optimizer(OptimizerSettings(**ACCUMULATED, accumulate_steps=3), 30)
    step = jax.make_jaxpr(optimizer.update)(gradients, optimizer.init(params), params)
    always = [e for e in step.jaxpr.eqns if e.primitive.name != "cond"]
    for work in ("dot_general", "sqrt"):
        assert work in str(step)
        assert work not in "".join(map(str, always))


def test_a_warm_up_as_long_as_the_run_is_refused():
    settings = OptimizerSettings(schedule="cosine", warmup_steps=4, accumulate_steps=3)
    with pytest.raises(InputError, match="warmup_steps: 4 are not fewer than"):
        make_optimizer(settings, 14)
    make_optimizer(settings, 15)


def test_an_update_of_no_step_is_refused():
    with pytest.raises(InputError, match="accumulate_steps: 0: at least 1"):
        make_optimizer(OptimizerSettings(accumulate_steps=0), 10)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="'constant' or 'cosine'"):
        OptimizerSettings(schedule="step")
