"""Training of lifters at tiny size: learning, one compilation, resuming, faults."""

import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.lift_skeletons import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.modes import train_lifter
from prohmr_jax.structs import Keypoints2D, LossTerms
from prohmr_jax.synthetic.skeleton_pairs import SkeletonPair
from prohmr_jax.training import lifter_model
from prohmr_jax.training.lifter_objective import (
    LiftingDraws,
    LiftingTask,
    lifting_objective,
)
from prohmr_jax.weights.weight_files import load_weights
from tests.support.lifting_cases import SMALL_LIFTER, TINY_MODEL


def tiny_config(head="flow", nll=0.05):
    config = get_config()
    config.model.update(TINY_MODEL)
    config.model.head = head
    config.loss_weights.nll = nll
    config.update({"batch_size": 8, "num_steps": 4, "warmup_steps": 1})
    config.update({"log_every": 2, "checkpoint_every": 2})
    return config.lock()


def random_pairs(maker, keys, inputs):
    """Pairs without a body, which takes long to compile; `test_skeleton_pairs` has."""
    normal = lambda *shape: jax.vmap(lambda k: jax.random.normal(k, shape))(keys)  # noqa: E731
    keypoints = Keypoints2D(normal(17, 2), jnp.ones((len(keys), 17)))
    return SkeletonPair(keypoints, 0.2 * normal(16, 3))


@pytest.mark.parametrize(
    ("head", "traces"), [("point", 1), pytest.param("flow", 2, marks=pytest.mark.slow)]
)
def test_a_resumed_run_equals_the_whole_one_and_is_traced_once(
    tmp_path, monkeypatch, head, traces
):
    # The flow is whitened before the first step, which traces the pairs as well.
    traced = chex.assert_max_traces(random_pairs, n=traces)
    monkeypatch.setattr(lifter_model, "make_pairs", traced)
    config = tiny_config(head, nll=0.05 if head == "flow" else 0.0)
    train_lifter.run(config, tmp_path / "whole")
    half = tmp_path / "half"
    shutil.copytree(tmp_path / "whole", half)
    shutil.rmtree(half / "states" / "4")
    (half / "weights.npz").unlink()
    monkeypatch.setattr(lifter_model, "make_pairs", random_pairs)
    train_lifter.run(config, half)
    spec, whole = load_weights(tmp_path / "whole", LifterSpec)
    _, resumed = load_weights(half, LifterSpec)
    assert spec == LifterSpec(**TINY_MODEL, head=head)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    if head == "flow":
        # It began with ActNorms that whiten joints of 20 cm around the pelvis.
        scale = np.exp(whole["params"]["flow"]["layers_0"]["log_scale"])
        assert 2.0 < np.mean(scale) < 20.0
    with pytest.raises(InputError, match="describes another model than the config"):
        train_lifter.run(tiny_config("mixture"), tmp_path / "whole")


def test_one_answer_has_no_likelihood(tmp_path):
    with pytest.raises(InputError, match=r"loss_weights.nll: has to be 0"):
        train_lifter.run(tiny_config("point", nll=0.1), tmp_path)


@pytest.mark.parametrize(
    ("head", "weights"),
    [
        ("point", LossTerms(keypoints_3d_mode=1.0)),
        ("mixture", LossTerms(nll=1.0)),
    ],
)
def test_the_heads_without_a_flow_learn(rng, head, weights):
    """Pairs whose joints are a linear map of the input, and noise of 5 cm."""
    sizes = {"encoder_dropout": 0.0, "flow_dropout": 0.0, "flow_batch_norm": False}
    spec = LifterSpec(**{**vars(SMALL_LIFTER), **sizes, "head": head})
    model = build_lifter(spec)
    task = LiftingTask(model, weights)
    xy = rng.normal(size=(64, 5, 2)).astype(np.float32)
    joints = 0.3 * (xy.reshape(64, 10) @ rng.normal(size=(10, 12)))
    joints += 0.05 * rng.normal(size=joints.shape)
    joints = joints.reshape(64, 4, 3).astype(np.float32)
    keypoints = Keypoints2D(xy, np.ones((64, 5), np.float32))
    optimizer = optax.adam(0.02)

    @jax.jit
    def train(variables):
        def step(carried, key):
            params, stats, state = carried
            noise = jax.random.normal(key, joints.shape)
            draws = LiftingDraws(np.zeros((64, 1, 12), np.float32), noise, key)

            def loss(params):
                given = {"params": params, "batch_stats": stats}
                value, aux, _ = lifting_objective(task, given, keypoints, joints, draws)
                return value, aux

            (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(params)
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(params, updates)
            return (params, aux.batch_stats, state), (value, aux.terms)

        params = variables["params"]
        start = params, variables["batch_stats"], optimizer.init(params)
        keys = jax.random.split(jax.random.key(1), 60)
        return jax.lax.scan(step, start, keys)[1]

    losses, terms = train(init_lifter(model, jax.random.key(0)))
    assert np.all(np.isfinite(losses))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    if head == "point":
        np.testing.assert_array_equal(terms.nll, 0.0)
        np.testing.assert_array_equal(terms.keypoints_3d_mode, losses)
    else:
        np.testing.assert_array_equal(terms.nll, losses)
